"""Files of predictions that no run has written are refused with one line, before they use memory."""

import io
import zipfile
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dlrun.errors import RunError
from dlrun.report.content import read_content
from dlrun.runs.folder import RunFolder
from dlrun.runs.predictions import StoredPredictions, predictions_file, read_predictions
from dlrun.signature import Target
from run_folders import made, predictions

Arrays = dict[str, Any]
KEPT = {each.name: np.asarray(getattr(predictions(), each.name)) for each in fields(StoredPredictions)}


def write(folder: RunFolder, arrays: Arrays, *, compressed: bool = True) -> None:
    """Write arrays into the file, as someone else might."""
    buffer = io.BytesIO()
    (np.savez_compressed if compressed else np.savez)(buffer, **arrays)
    predictions_file(folder, "test").parent.mkdir(exist_ok=True)
    predictions_file(folder, "test").write_bytes(buffer.getvalue())


@pytest.fixture
def run(tmp_path: Path) -> RunFolder:
    return made(tmp_path, Target("classes", 3), None)


CHANGES: dict[str, Arrays] = {
    "a bomb": {"pictures": np.zeros((2, 1000, 1000, 1), np.uint8)},
    "objects": {"texts": np.array(["a", None], object)},
    "records": {"rows": np.zeros(40, [("a", "i4")])},
    "bytes": {"texts": np.array([b"a", b"b"])},
    "complex outputs": {"outputs": np.zeros((40, 3), np.complex64)},
    "whole outputs": {"outputs": np.zeros((40, 3), np.int64)},
    "outputs of another rank": {"outputs": np.zeros((40, 3, 1), np.float32)},
    "too few outputs": {"outputs": np.zeros((39, 3), np.float32)},
    "too few targets": {"target": np.zeros(39, np.int64)},
    "no rows": {"rows": np.zeros(0, np.int64), "outputs": np.zeros((0, 3), np.float32), "target": np.zeros(0, int)},
    "rows that are no numbers": {"rows": np.array(["x"] * 40)},
    "a place behind the last": {"shown": np.array([3, 40])},
    "a place before the first": {"shown": np.array([-1, 5])},
    "places of another kind": {"shown": np.array([0.5, 1.0])},
    "pictures of five axes": {"pictures": np.zeros((2, 8, 8, 1, 1), np.uint8)},
    "pictures of four colours": {"pictures": np.zeros((2, 8, 8, 4), np.uint8)},
    "too many pictures": {"pictures": np.zeros((3, 8, 8, 1), np.uint8)},
    "other reconstructions": {"reconstructions": np.zeros((2, 8, 8, 3), np.uint8)},
    "too few texts": {"texts": np.array(["a"])},
    "cells without columns": {"cells": np.array([["a"], ["b"]])},
    "importances without columns": {"importances": np.ones(3)},
    "times of another length": {"times": np.zeros(3)},
    "uncalibrated outputs of another shape": {"uncalibrated": np.zeros((4, 9))},
    "several examples": {"examples": np.array([1, 2])},
    "examples that are no number": {"examples": np.array("many")},
    "fewer examples than none": {"examples": np.array(-1)},
}
MISFITS: dict[str, Arrays] = {
    "outputs of more classes": {"outputs": np.zeros((40, 4), np.float32)},
    "a class behind the last": {"target": np.full(40, 3)},
    "a class before the first": {"target": np.full(40, -1)},
    "classes that are no numbers": {"target": np.full(40, np.nan)},
    "several classes": {"target": np.zeros((40, 2), np.int64)},
    "another naive": {"naive": np.zeros((40, 1), np.float32)},
}


@pytest.mark.parametrize("change", CHANGES)
def test_invalid_prediction_arrays_are_refused_by_name(
    change: str, run: RunFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dlrun.runs.predictions._LARGEST_BYTES", 1 << 20)
    write(run, {**KEPT, **CHANGES[change]})
    with pytest.raises(RunError, match=r"test\.npz is damaged: ") as raised:
        read_predictions(run, "test")
    assert len(raised.value.what.splitlines()) == 1
    assert f"dlrun resume {run.id}" in raised.value.hint


@pytest.mark.parametrize("change", MISFITS)
def test_predictions_of_another_model_are_refused(change: str, run: RunFolder) -> None:
    write(run, {**KEPT, **MISFITS[change]})
    assert read_predictions(run, "test")
    with pytest.raises(RunError, match=r"test\.npz does not match the model of this run: "):
        read_content(run)


def renamed(data: bytes) -> bytes:
    return data.replace(b"outputs.npy", b"0utputs.npy")


def with_claim(data: bytes) -> bytes:
    """Return an array whose header claims a terabyte."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as old, zipfile.ZipFile(buffer, "w") as new:
        for name in old.namelist():
            content = old.read(name)
            new.writestr(name, content.replace(b"(40, 3), ", b"(1<<40,),".replace(b"1<<40", b"9" * 5)))
    return buffer.getvalue()


@pytest.mark.parametrize(
    "spoil",
    [
        renamed,
        with_claim,
        lambda _: b"",
        lambda data: data[: len(data) // 2],
        lambda data: data[:200] + b"\xff" * 100 + data[300:],
        lambda _: b"PK\x03\x04" + b"\0" * 1000,
        lambda data: data.replace(b"\x93NUMPY\x01", b"\x93NUMPY\x09"),
    ],
)
def test_a_damaged_predictions_file_is_one_line(spoil: Callable[[bytes], bytes], run: RunFolder) -> None:
    write(run, KEPT, compressed=False)
    path = predictions_file(run, "test")
    path.write_bytes(spoil(path.read_bytes()))
    with pytest.raises(RunError, match=r"test\.npz is damaged: ") as raised:
        read_predictions(run, "test")
    assert len(raised.value.what.splitlines()) == 1


def test_lone_surrogates_are_written_as_question_marks(run: RunFolder) -> None:
    write(run, {**KEPT, "texts": np.array(["\ud800x", "b"])})
    kept = read_predictions(run, "test")
    assert kept is not None
    assert kept.texts.tolist() == ["?x", "b"]
