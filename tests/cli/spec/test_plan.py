"""`dlrun plan` as a person runs it."""

import json
from pathlib import Path
from typing import Any

import pytest

from command_line import CONFIG


@pytest.mark.tensorflow
def test_plan_counts_without_training(tmp_path: Path, dlrun: Any) -> None:
    planned = json.loads(dlrun("plan", CONFIG, "--json", cwd=tmp_path).out)
    assert planned["parameters"] == 64 * 128 + 128 + 128 * 10 + 10
    assert planned["layers"][-1]["output_shape"] == [10]
    assert not (tmp_path / "runs").exists()
    assert "memory" in dlrun("plan", CONFIG, cwd=tmp_path).out


@pytest.mark.tensorflow
def test_the_plan_of_folds_is_that_of_the_first_run(tmp_path: Path, dlrun: Any) -> None:
    options = ("--set", "dataset={type: builtin, name: digits}", "--set", "folds=3", "--set", "training.batch_size=10")
    planned = json.loads(dlrun("plan", CONFIG, "--json", *options, cwd=tmp_path).out)
    assert planned["runs"] == 3
    assert planned["steps_per_epoch"] == 96  # two thirds of 1,437 examples
