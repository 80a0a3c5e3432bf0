"""Stored scores of intervals are read as they were written, and damaged ones are refused with what is wrong."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dlrun.errors import RunError
from dlrun.runs.folder import RunFolder
from dlrun.runs.intervals import intervals_file, keep_scores, read_intervals
from dlrun.scoring.conformal import ConformalScores
from dlrun.signature import Target

TARGET = Target("values", 2, encoding="value", levels=(0.1, 0.5, 0.9))


@pytest.fixture
def folder(tmp_path: Path) -> RunFolder:
    folder = RunFolder.create(tmp_path, name="rents")
    for name, text in (("best", "{}"), ("step-000000010", "{}"), ("step-000000020", "[]")):
        (folder.checkpoints / name).mkdir(parents=True)
        (folder.checkpoints / name / "manifest.json").write_text(text)
    random = np.random.default_rng(0)
    scores = ConformalScores.measure(
        random.normal(size=(30, 2)), np.sort(random.normal(size=(30, 3, 2)), axis=1), levels=TARGET.levels, main=1
    )
    keep_scores(folder, "best", scores)
    return folder


def test_scores_belong_to_the_checkpoint_and_to_its_copies(folder: RunFolder) -> None:
    stored = read_intervals(folder, TARGET)
    assert stored is not None
    assert stored.conformal.examples == 30
    assert stored.conformal.levels == (0.8,)
    assert stored.is_of(folder, "best")
    assert stored.is_of(folder, "step-000000010")  # `best` is a hard link to it
    assert not stored.is_of(folder, "step-000000020")
    (folder.checkpoints / "best" / "manifest.json").write_text("{} ")  # a better epoch of a longer training
    assert not stored.is_of(folder, "best")


def test_a_run_without_scores_has_none(tmp_path: Path) -> None:
    assert read_intervals(RunFolder.create(tmp_path / "other", name="x"), TARGET) is None


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"pairs": [], "levels": []}, "other pairs of quantiles"),
        ({"examples": 31}, "ranks do not ascend"),
        ({"scores": [[[0.0] * 30]]}, "scores for other values"),
        ({"scores": [[[0.0] * 29, [0.0] * 30]]}, "a finite score for each rank"),
        ({"ranks": "many"}, "valid"),
    ],
)
def test_a_file_that_does_not_fit_the_model_is_refused(folder: RunFolder, change: Any, words: str) -> None:
    path = intervals_file(folder)
    plain = json.loads(path.read_text())
    plain["conformal"] |= change
    folder.record_sums({path: folder.write_json(path, plain)})
    with pytest.raises(RunError, match=words):
        read_intervals(folder, TARGET)
