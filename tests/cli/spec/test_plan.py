"""`dlrun plan` as a person runs it."""

import json
from pathlib import Path
from typing import Any

import pytest

from command_line import CONFIG


@pytest.mark.tensorflow
def test_plan_counts_without_training(tmp_path: Path, dlrun: Any) -> None:
    search = "search={space: {training.batch_size: {choices: [16, 32]}}, seeds: 3, metric: val_loss}"
    options = ("--set", "dataset.validation=0.1", "--set", search)
    planned = json.loads(dlrun("plan", CONFIG, "--json", *options, cwd=tmp_path).out)
    assert planned["trials"] == 6
    assert planned["parameters"] == 64 * 128 + 128 + 128 * 10 + 10
    assert planned["layers"][-1]["output_shape"] == [10]
    assert not (tmp_path / "runs").exists()
    shown = dlrun("plan", CONFIG, *options, cwd=tmp_path).out
    assert "memory" in shown
    assert "at most 6 such trainings" in shown


@pytest.mark.tensorflow
def test_the_plan_of_folds_is_that_of_the_first_run(tmp_path: Path, dlrun: Any) -> None:
    options = ("--set", "dataset={type: builtin, name: digits}", "--set", "folds=3", "--set", "training.batch_size=10")
    planned = json.loads(dlrun("plan", CONFIG, "--json", *options, cwd=tmp_path).out)
    assert planned["runs"] == 3
    assert planned["steps_per_epoch"] == 96  # two thirds of 1,437 examples
