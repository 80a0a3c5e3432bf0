"""Arrays as raw input: read some rows at a time, and refused where they are not what the model was trained on."""

import io
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from dlrun.data.array_input import ArrayInput
from dlrun.data.raw_input import Examples
from dlrun.errors import DataError
from dlrun.signature import Target

ROWS = np.arange(7 * 3, dtype=np.float32).reshape(7, 3)
VECTOR = ArrayInput((3,))
CLASSES, VALUE = Target("classes", 3, ("a", "b", "c")), Target("values", 1, encoding="value")
LABELS = Target("labels", 2, encoding="binary")


def together(blocks: Iterator[Examples]) -> tuple[npt.NDArray[Any], list[str]]:
    found = list(blocks)
    return np.concatenate([block.stored for block in found]), [name for block in found for name in block.names]


@pytest.mark.parametrize("order", ["C", "F"])
def test_a_file_of_any_kind_gives_the_same_rows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, order: Any) -> None:
    stored = np.asarray(ROWS, order=order)
    np.save(tmp_path / "a.npy", stored)
    np.savez(tmp_path / "a.npz", features=stored)
    np.savez_compressed(tmp_path / "other.npz", anything=stored)
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO((tmp_path / "a.npy").read_bytes())))
    for source in ("a.npy", "a.npz", "other.npz", "-"):
        rows, names = together(VECTOR.read(source if source == "-" else str(tmp_path / source), at_once=3))
        assert (rows == ROWS).all(), source
        assert names == [f"row {row}" for row in range(7)]


def test_blocks_never_exceed_the_requested_size(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", ROWS)
    assert [len(block) for block in VECTOR.read(str(tmp_path / "a.npy"), at_once=3)] == [3, 3, 1]
    np.save(tmp_path / "none.npy", ROWS[:0])
    assert list(VECTOR.read(str(tmp_path / "none.npy"), at_once=3)) == []


def test_a_vector_may_have_any_shape_of_its_size_and_an_image_may_lack_its_channel(tmp_path: Path) -> None:
    images = np.arange(2 * 4 * 4, dtype=np.uint8).reshape(2, 4, 4)
    np.save(tmp_path / "a.npy", images)
    for shape in ((16,), (4, 4, 1)):
        rows, _ = together(ArrayInput(shape, "uint8").read(str(tmp_path / "a.npy"), at_once=9))
        assert rows.shape == (2, *shape)
        assert (rows.reshape(2, 16) == images.reshape(2, 16)).all()
    with pytest.raises(DataError, match=r"shape \(4, 4\)[\s\S]*\(8, 2\), as in training.*\(examples, 8, 2\)"):
        list(ArrayInput((8, 2)).read(str(tmp_path / "a.npy"), at_once=9))


@pytest.mark.parametrize(
    ("dtype", "bad", "said"),
    [
        ("uint8", 0.5, "row 5 contains 0.5"),
        ("uint8", 300.0, "row 5 contains 300.0"),
        ("uint8", np.nan, "row 5 contains nan"),
        ("float32", np.nan, "row 5 contains nan"),
        ("float32", 1e300, "row 5 contains inf"),
    ],
)
def test_a_value_that_the_stored_dtype_cannot_hold_is_refused_with_its_row(
    tmp_path: Path, dtype: str, bad: float, said: str
) -> None:
    values = ROWS.astype(np.float64)
    values[5, 1] = bad
    np.save(tmp_path / "a.npy", values)
    blocks = ArrayInput((3,), dtype).read(str(tmp_path / "a.npy"), at_once=4)
    assert len(next(blocks)) == 4
    with pytest.raises(DataError, match=said):
        next(blocks)


def labelled(tmp_path: Path, labels: Any, target: Target) -> npt.NDArray[Any]:
    np.savez(tmp_path / "a.npz", x=ROWS, y=np.asarray(labels))
    blocks = [block.target for block in VECTOR.read(str(tmp_path / "a.npz"), at_once=4, target=target)]
    return np.concatenate([block for block in blocks if block is not None])


def test_labels_are_read_as_the_models_target(tmp_path: Path) -> None:
    indices = [0, 1, 2, 0, 1, 2, 2]
    for labels in (indices, np.array(indices)[:, None], np.eye(3)[indices], np.array(list("abcabcc"))):
        found = labelled(tmp_path, labels, CLASSES)
        assert found.dtype == np.int32
        assert found.tolist() == indices
    assert labelled(tmp_path, np.arange(7)[:, None], VALUE).tolist() == list(range(7))
    assert labelled(tmp_path, np.eye(7, 2), LABELS).shape == (7, 2)


@pytest.mark.parametrize(
    ("labels", "target", "said"),
    [
        ([0, 1, 2, 0, 1, 3, 2], CLASSES, "row 5 has the label 3"),
        ([0, 1, 2, 0, 1, -1, 2], CLASSES, "row 5 has the label -1"),
        ([0, 1, 2, 0, 1, 0.5, 2], CLASSES, "row 5 has the label 0.5"),
        (list("abcabd?"), CLASSES, "row 5 has the label 'd'[\\s\\S]*a, b, c"),
        (list("abcabcc"), VALUE, "dtype <U1"),
        ([0.0] * 5 + [np.nan] + [0.0], VALUE, "row 5 contains nan"),
        (np.zeros((7, 3)), LABELS, "3 numbers for each example"),
        (np.arange(14).reshape(7, 2), LABELS, "row 1 contains 2"),
        ([0, 1], CLASSES, "has 2 rows"),
    ],
)
def test_labels_that_the_model_does_not_know_are_refused_with_their_row(
    tmp_path: Path, labels: Any, target: Target, said: str
) -> None:
    with pytest.raises(DataError, match=said):
        labelled(tmp_path, labels, target)


def test_required_labels_must_be_present(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", ROWS)
    np.savez(tmp_path / "a.npz", x=ROWS, y_test=np.zeros(7))
    for name, wanted in (("a.npy", "target"), ("a.npz", "y")):
        with pytest.raises(DataError, match=rf"has no labels[\s\S]*named {wanted} "):
            list(VECTOR.read(str(tmp_path / name), at_once=4, target=CLASSES))
    inputs = Target("input", 3, encoding="value")
    assert next(VECTOR.read(str(tmp_path / "a.npz"), at_once=9, target=inputs)).target is None


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("missing.npy", None, "No such file"),
        ("missing.npz", None, "there is no file"),
        ("text.npy", b"1,2,3\n", "cannot be read"),
        ("text.npz", b"1,2,3\n", "cannot be read"),
        ("empty.npy", b"", "cannot be read"),
    ],
)
def test_a_file_without_arrays_is_one_error(tmp_path: Path, name: str, content: bytes | None, said: str) -> None:
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(DataError, match=said):
        list(VECTOR.read(str(tmp_path / name), at_once=4))


def test_pickled_objects_several_arrays_and_half_an_array_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    np.save(tmp_path / "objects.npy", np.array([{}, []], dtype=object), allow_pickle=True)
    np.savez(tmp_path / "two.npz", a=ROWS, b=ROWS)
    np.save(tmp_path / "whole.npy", ROWS)
    for name, said in (("objects.npy", "cannot be read"), ("two.npz", "no array of features; it has a, b")):
        with pytest.raises(DataError, match=said):
            list(VECTOR.read(str(tmp_path / name), at_once=4))
    whole = (tmp_path / "whole.npy").read_bytes()
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO(whole[:-20])))
    with pytest.raises(DataError, match="standard input ends in row 5 of 7"):
        list(VECTOR.read("-", at_once=2))
