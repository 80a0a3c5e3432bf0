"""`dlrun validate` as a person runs it."""

import json
from typing import Any

from command_line import CONFIG, started


def test_a_valid_spec_is_confirmed() -> None:
    done = started("validate", CONFIG)
    assert (done.returncode, done.stderr) == (0, "")
    assert "no problems" in done.stdout


def test_validate_prints_the_complete_spec_as_json(dlrun: Any) -> None:
    spec = json.loads(dlrun("validate", CONFIG, "--json", "--set", "training.epochs=7").out)
    assert spec["training"]["epochs"] == 7
    assert spec["optimizer"]["beta_1"] == 0.9


def test_validate_tells_how_many_runs_folds_are(dlrun: Any) -> None:
    options = ("--set", "dataset={type: builtin, name: digits}", "--set")
    done = dlrun("validate", CONFIG, *options, "folds={count: 3, repeats: 2}")
    assert "3 folds, repeated 2 times: 6 runs)" in " ".join(done.out.split())
    assert "no problems" in done.out


def test_validate_tells_the_size_of_a_search(dlrun: Any) -> None:
    options = ("--set", "dataset={type: builtin, name: digits, validation: 0.1}", "--set")
    grid = "{space: {training.batch_size: {choices: [16, 32]}, model.dropout: {low: 0, high: 0.5, step: 0.1}}"
    done = dlrun("validate", CONFIG, *options, f"search={grid}, sampler: grid, seeds: 2}}")
    text = " ".join(done.out.split())
    assert "search of 12 trials (grid), each with 2 seeds for the best val_loss, over the 12 points of" in text
    assert text.endswith("training.batch_size, model.dropout")
    endless = "{space: {model.l1: {low: 0, high: 1}}, minutes: 5, metric: [val_loss, parameters]}"
    done = dlrun("validate", CONFIG, *options, f"search={endless}")
    assert "search of 5 minutes (tpe) for the best val_loss and parameters, over model.l1" in " ".join(done.out.split())
    written = json.loads(dlrun("validate", CONFIG, "--json", *options, f"search={endless}").out)
    assert written["search"]["space"] == {"model.l1": {"low": 0, "high": 1, "log": False, "step": None}}
