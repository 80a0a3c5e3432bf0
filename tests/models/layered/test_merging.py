"""The shapes of layers with several inputs, compared with those that Keras computes."""

from typing import Any

import pytest

from dlrun.component import FieldProblem
from dlrun.keras_table import LayerPart, entry_names, parse_part
from dlrun.models.layered.merging import count_problem, is_merge, merged_shape

IMAGE, STEPS, VECTOR = (4, 4, 3), (6, 5), (7,)


def part(value: Any) -> LayerPart:
    found = parse_part("nodes", value)
    assert isinstance(found, LayerPart)
    return found


def merged(value: Any, *shapes: tuple[int, ...]) -> Any:
    names = tuple("abc"[: len(shapes)])
    return merged_shape(part(value), dict(zip(names, shapes, strict=True)), names)


CASES: list[tuple[Any, list[tuple[int, ...]]]] = [
    ("Add", [IMAGE, IMAGE, IMAGE]),
    ("Multiply", [IMAGE, (1, 1, 3)]),
    ("Subtract", [VECTOR, VECTOR]),
    ("Average", [VECTOR, VECTOR]),
    ("Maximum", [STEPS, STEPS]),
    ("Minimum", [STEPS, (6, 1)]),
    ("Concatenate", [IMAGE, (4, 4, 2)]),
    ({"Concatenate": {"axis": 1}}, [STEPS, (2, 5)]),
    ({"Concatenate": {"axis": -2}}, [STEPS, (2, 5)]),
    ({"Dot": {"axes": 1}}, [VECTOR, VECTOR]),
    ({"Dot": {"axes": (2, 1)}}, [STEPS, (5, 3)]),
    ({"Dot": {"axes": -1}}, [STEPS, (2, 5)]),
    ("Attention", [STEPS, (3, 5)]),
    ({"Attention": {"score_mode": "concat", "use_scale": True}}, [STEPS, (3, 4), (3, 5)]),
    ("AdditiveAttention", [STEPS, (3, 5)]),
    ({"MultiHeadAttention": {"num_heads": 2, "key_dim": 3, "value_dim": 4}}, [STEPS, (3, 4), (3, 2)]),
]


def test_every_merge_of_the_table_has_a_case() -> None:
    assert {part(value).type_name for value, _ in CASES} == {*entry_names("merges")}
    assert all(is_merge(part(value)) for value, _ in CASES)
    assert not is_merge(part("Flatten"))


@pytest.mark.tensorflow
@pytest.mark.parametrize(("value", "shapes"), CASES, ids=str)
def test_the_predicted_shape_is_that_of_keras(value: Any, shapes: list[tuple[int, ...]]) -> None:
    import keras

    layer, given = part(value), [keras.KerasTensor((2, *shape)) for shape in shapes]
    built = layer.build(name="it")
    output = built(*given) if layer.type_name == "MultiHeadAttention" else built(given)
    assert merged(value, *shapes) == tuple(output.shape[1:])


@pytest.mark.parametrize(
    ("value", "shapes", "path", "said"),
    [
        ("Add", [IMAGE, (4, 4, 2)], "inputs", "a is 4 x 4 x 3, b is 4 x 4 x 2"),
        ("Multiply", [IMAGE, VECTOR], "inputs", "b is 7"),
        ("Concatenate", [IMAGE, (4, 3, 3)], "inputs", "b is 4 x 3 x 3"),
        ("Concatenate", [IMAGE, VECTOR], "inputs", "b is 7"),
        ({"Concatenate": {"axis": 0}}, [VECTOR, VECTOR], "axis", "the axis is 0"),
        ({"Concatenate": {"axis": 2}}, [VECTOR, VECTOR], "axis", "the axis is 2"),
        ({"Dot": {"axes": 0}}, [VECTOR, VECTOR], "axes", "a is 7"),
        ({"Dot": {"axes": 1}}, [VECTOR, STEPS], "axes", "b is 6 x 5"),
        ("Attention", [STEPS, (3, 4)], "inputs", "b is 3 x 4"),
        ("Attention", [STEPS, VECTOR], "inputs", "b is 7"),
        ("AdditiveAttention", [STEPS, (3, 5), (4, 5)], "inputs", "c is 4 x 5"),
    ],
)
def test_inputs_that_do_not_fit_together_are_found(value: Any, shapes: Any, path: str, said: str) -> None:
    found = merged(value, *shapes)
    assert isinstance(found, FieldProblem)
    assert found.path == (path,)
    assert said in found.what


@pytest.mark.parametrize(
    ("value", "count", "expected"),
    [
        ("Flatten", 2, "one input"),
        ("Add", 1, "at least 2 inputs"),
        ("Subtract", 3, "2 inputs"),
        ("Attention", 1, "2 or 3 inputs"),
        ("Attention", 4, "2 or 3 inputs"),
        ("Flatten", 1, None),
        ("Concatenate", 5, None),
        ("Attention", 3, None),
    ],
)
def test_a_layer_with_the_wrong_number_of_inputs_is_found(value: Any, count: int, expected: str | None) -> None:
    problem = count_problem(part(value), count)
    assert (problem is None) == (expected is None)
    assert problem is None or problem.expected.startswith(expected or "")
