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
