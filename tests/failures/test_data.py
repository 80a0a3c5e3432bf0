"""Data that nothing can be learnt from: told with file, row, expected and found, before the first step."""

import os
import re
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from dlrun.errors import DataError
from dlrun.experiment.train import train

pytestmark = pytest.mark.tensorflow


def features(rows: int = 40) -> Any:
    return np.random.default_rng(0).normal(size=(rows, 3)).astype(np.float32)


def labels(rows: int = 40, classes: int = 2) -> Any:
    return np.arange(rows) % classes


def spoilt(array: Any, row: Any, value: float) -> Any:
    array = array.copy()
    array[row] = value
    return array


@pytest.fixture
def train_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    monkeypatch.setenv("DLRUN_STATE", str(tmp_path / "state"))

    def run(dataset: dict[str, Any], model: dict[str, Any] | None = None, **arrays: Any) -> Any:
        np.savez(tmp_path / "data.npz", **arrays)
        spec = {
            "dataset": {"type": "arrays", "path": str(tmp_path / "data.npz"), **dataset},
            "model": model or {"type": "mlp", "units": [4]},
            "loss": "sparse_categorical_crossentropy",
            "training": {"batch_size": 8, "epochs": 1, "jit": "off", "precision": "float32", "report": False},
        }
        (tmp_path / "spec.yaml").write_text(yaml.safe_dump(spec))
        return train(tmp_path / "spec.yaml", runs_dir=tmp_path / "runs")

    return run


TOKENS = {"features_kind": "tokens"}
EMBEDDING = {"type": "lstm", "units": [2], "embedding_size": 2}


@pytest.mark.parametrize(
    ("dataset", "arrays", "what", "expected"),
    [
        ({}, {"x": spoilt(features(), (7, 1), np.nan), "y": labels()}, "x in .*data.npz: row 7 contains nan", "finite"),
        ({}, {"x": spoilt(features(), (7, 1), -np.inf), "y": labels()}, "row 7 contains -inf", "finite"),
        ({}, {"x": features().astype(np.float64) * 1e300, "y": labels()}, "row 0 contains", "float32"),
        ({}, {"x": features(), "y": spoilt(labels(), 5, -1)}, "y in .*: row 5 has the label -1", "labels from 0 to 1"),
        ({"num_classes": 2}, {"x": features(), "y": spoilt(labels(), 5, 9)}, "row 5 has the label 9", "0 to 1"),
        ({}, {"x": features(), "y": spoilt(labels(), 5, 3)}, "no example has the label 2", "every label from 0 to 3"),
        ({}, {"x": features(), "y": spoilt(labels(), 5, 10**12)}, "no example has the label 2, 3, 4", "every label"),
        ({"num_classes": 10**9}, {"x": features(), "y": labels()}, "no training example of 999,999,998", "every class"),
        (
            {"num_classes": 3},
            {"x": features(), "y": labels()},
            "data.npz has no training example of 1 of its 3 classes: 2",
            "every",
        ),
        ({}, {"x": features(), "y": labels(39)}, "y in .* has 39 rows", "40"),
        (
            {},
            {"x": features(6), "y": labels(6)},
            "data.npz has 6 training examples, but a batch takes 8",
            "one whole batch",
        ),
        ({}, {"x": features()[:, :, None, None, None], "y": labels()}, "one example has shape", "an image"),
        (
            {},
            {"x_train": features(), "y_train": labels(), "x_test": features()[:, :2], "y_test": labels()},
            r"x_test in .*: one example has shape \(2,\)",
            r"\(3,\), as in the training split",
        ),
        (
            TOKENS,
            {"x": spoilt(labels(40)[:, None], 3, -4), "y": labels()},
            "row 3 contains the negative token id -4",
            "0",
        ),
        (TOKENS, {"x": spoilt(labels(40)[:, None], 3, 2**32 + 1), "y": labels()}, "row 3 .* id 4294967297", "0 to"),
    ],
)
def test_bad_data_is_told_with_what_was_found_and_expected_before_the_first_step(
    train_on: Callable[..., Any], tmp_path: Path, dataset: Any, arrays: Any, what: str, expected: str
) -> None:
    with pytest.raises(DataError, match=what) as raised:
        train_on(dataset, EMBEDDING if dataset is TOKENS else None, **arrays)
    assert raised.value.exit_code == 3
    assert re.search(expected, raised.value.expected)
    for run in (tmp_path / "runs").glob("*"):  # what the file's header tells is found before there is a run
        assert not (run / "checkpoints").exists()
        assert '"status": "failed"' in (run / "run.json").read_text()


def test_token_ids_of_every_split_are_within_the_vocabulary(train_on: Callable[..., Any]) -> None:
    tokens = labels(40, 5)[:, None]
    result = train_on(
        TOKENS, EMBEDDING, x_train=tokens, y_train=labels(), x_test=tokens + 20, y_test=labels(), x_val=tokens + 9,
        y_val=labels(),
    )  # fmt: skip
    assert np.isfinite(result.scores["test"]["loss"])


def write_lying(path: Path, shape: tuple[int, ...]) -> Path:
    """An .npz file whose features claim a shape that they do not have."""
    with zipfile.ZipFile(path, "w") as archive:
        for name, descr, claimed in (("x", "<f4", shape), ("y", "<i8", (40,))):
            head = repr({"descr": descr, "fortran_order": False, "shape": claimed}).encode() + b"\n"
            content = b"\x93NUMPY\x01\x00" + len(head).to_bytes(2, "little") + head
            archive.writestr(f"{name}.npy", content + labels().astype("<i8").tobytes())
    return path


@pytest.mark.parametrize("shape", [(1 << 40, 3), (-5, 3), (1 << 70, 3), (40, -3), (40, 1 << 50)])
def test_an_array_file_that_lies_about_its_shape_is_one_error(
    train_on: Callable[..., Any], tmp_path: Path, shape: tuple[int, ...]
) -> None:
    lying = write_lying(tmp_path / "lying.npz", shape)
    with pytest.raises(DataError, match=r"lying\.npz"):
        train_on({"path": str(lying)}, x=features(), y=labels())


def test_a_pipe_in_place_of_a_data_file_is_waited_for_by_nobody(train_on: Callable[..., Any], tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.npz")
    with pytest.raises(DataError, match="is not a regular file"):
        train_on({"path": str(tmp_path / "pipe.npz")}, x=features(), y=labels())
