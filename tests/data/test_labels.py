"""Labels of a file become class indices or values; each that is wrong is named with its row."""

import numpy as np
import pytest

from dlrun.data.labels import NamedArray, Task, class_targets, is_classes, value_targets
from dlrun.errors import DataError


@pytest.mark.parametrize(
    ("task", "dtype", "shape", "expected"),
    [
        ("auto", "int64", (9,), True),
        ("auto", "float32", (9,), False),
        ("auto", "uint8", (9, 3), False),
        ("auto", "uint8", (9, 1), True),
        ("classification", "float32", (9, 3), True),
        ("regression", "int64", (9,), False),
    ],
)
def test_whole_numbers_are_classes_unless_the_spec_decides(
    task: Task, dtype: str, shape: tuple[int, ...], expected: bool
) -> None:
    found, reason = is_classes(task, np.dtype(dtype), shape)
    assert found is expected
    assert "task: " in reason


def test_class_indices_of_every_split_have_one_target() -> None:
    train, test = NamedArray("y", np.array([[0], [2], [1]])), NamedArray("t", np.array([2, 2]))
    indices, target = class_targets({"train": train, "test": test})
    assert (indices["train"].tolist(), indices["test"].tolist()) == ([0, 2, 1], [2, 2])
    assert (target.kind, target.size) == ("classes", 3)


@pytest.mark.parametrize(
    ("train", "test", "message"),
    [
        ([0, 1, 2], [0, 3], "t: row 1 has the label 3"),
        ([0, -1, 1], [0], "y: row 1 has the label -1"),
        ([0, 3, 1], [0], "y: no example has the label 2; the labels are 0, 1, 3"),
    ],
)
def test_a_label_outside_and_a_gap_are_named(train: list[int], test: list[int], message: str) -> None:
    with pytest.raises(DataError, match=message):
        class_targets({"train": NamedArray("y", np.array(train)), "test": NamedArray("t", np.array(test))})


def test_a_number_of_classes_allows_gaps() -> None:
    _, target = class_targets({"train": NamedArray("y", np.array([0, 3]))}, num_classes=5)
    assert target.size == 5


def test_values_of_one_column_have_one_axis_and_a_value_too_large_for_float32_is_named() -> None:
    values, target = value_targets({"train": NamedArray("y", np.array([[1.5], [2.0]]))})
    assert (values["train"].shape, target.size) == ((2,), 1)
    with pytest.raises(DataError, match=r"y: row 1 contains inf, and 1 more row has such a value"):
        value_targets({"train": NamedArray("y", np.array([0.0, 1e300, 1e300]))})
