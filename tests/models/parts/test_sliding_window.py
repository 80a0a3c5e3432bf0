import random
from typing import Any

import pytest
from pydantic import TypeAdapter, ValidationError

from dlrun.models.parts.sliding_window import Padding, Size, axis_problem, slide, written


@pytest.mark.parametrize(
    ("shape", "window", "strides", "padding", "expected"),
    [
        ((28, 28), 3, 1, "valid", (26, 26)),
        ((28, 28), 2, 2, "valid", (14, 14)),
        ((7, 7), 2, 2, "valid", (3, 3)),
        ((7, 5), (3, 1), (2, 1), "valid", (3, 5)),
        ((7, 5), 3, 2, "same", (4, 3)),
        ((1, 1), 2, 2, "valid", (0, 0)),
        ((4,), 4, 1, "valid", (1,)),
    ],
)
def test_output_size_follows_the_formula(
    shape: tuple[int, ...], window: Any, strides: Any, padding: Padding, expected: tuple[int, ...]
) -> None:
    assert slide(shape, window, strides=strides, padding=padding) == expected


@pytest.mark.tensorflow
def test_output_size_matches_keras() -> None:
    import keras

    draw = random.Random(0)
    for _ in range(60):
        shape = (draw.randint(5, 30), draw.randint(5, 30))
        window, strides = (draw.randint(1, 5), draw.randint(1, 5)), draw.randint(1, 4)
        padding: Padding = draw.choice(["valid", "same"])
        convolution = keras.layers.Conv2D(1, window, strides=strides, padding=padding)
        pooling = keras.layers.MaxPooling2D(window, strides=strides, padding=padding)
        for layer in (convolution, pooling):
            expected = layer.compute_output_shape((None, *shape, 1))[1:-1]
            assert slide(shape, window, strides=strides, padding=padding) == expected


@pytest.mark.parametrize("size", [1, 3, (3,), (3, 5)])
def test_size_is_a_number_or_one_for_each_axis(size: Any) -> None:
    assert TypeAdapter(Size).validate_python(size, strict=True) == size


@pytest.mark.parametrize("size", [0, -1, True, 1.5, "3", (), (3, 0), (3, "x"), None])
def test_any_other_size_is_one_error(size: Any) -> None:
    with pytest.raises(ValidationError) as caught:
        TypeAdapter(Size).validate_python(size, strict=True)
    (error,) = caught.value.errors()
    assert (error["loc"], "a whole number from 1" in error["msg"]) == ((), True)


def test_size_lists_its_two_forms_in_the_json_schema() -> None:
    forms = TypeAdapter(Size).json_schema()["anyOf"]
    assert [form["type"] for form in forms] == ["integer", "array"]


def test_list_for_the_wrong_number_of_axes_is_a_problem() -> None:
    (problem,) = axis_problem(("blocks", 0, "kernel_size"), (3, 3), rank=1)
    assert problem.path == ("blocks", 0, "kernel_size")
    assert "2 numbers" in problem.what
    assert problem.hint == "kernel_size: 3"
    assert not list(axis_problem(("kernel_size",), (3, 3), rank=2))
    assert not list(axis_problem(("kernel_size",), 3, rank=1))


def test_size_is_written_with_one_number_for_each_axis() -> None:
    assert (written(2, 2), written((3, 5), 2), written((4,))) == ("2x2", "3x5", "4")
