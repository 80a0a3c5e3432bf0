"""When a run is worth more epochs."""

from pathlib import Path
from typing import Any

import pytest

from dlrun.runs.folder import RunFolder
from dlrun.runs.longer import epochs_to_try

SPEC = "schedule: {type: constant}\ntraining: {epochs: 4, steps: null}\n"
BEST = {"metric": "val_loss", "value": 0.5, "epoch": 4, "step": 9}


@pytest.mark.parametrize(
    ("spec", "changes", "epochs", "found"),
    [
        (SPEC, {}, 4, 8),
        (SPEC, {}, 5, None),
        (SPEC, {"reason": "stopped early"}, 4, None),
        (SPEC, {"best": None}, 4, None),
        (SPEC, {"best": {**BEST, "metric": "loss"}}, 4, None),
        (SPEC, {"best": {**BEST, "value": None}}, 4, None),
        (SPEC, {"best": {**BEST, "epoch": 1}}, 1, None),
        (SPEC.replace("constant", "cosine"), {}, 4, None),
        (SPEC.replace("constant", "of_a_plugin"), {}, 4, None),
        (SPEC.replace("null", "36"), {}, 4, None),
        ("[", {}, 4, None),
    ],
)
def test_a_run_whose_last_epoch_was_the_best_is_worth_twice_the_epochs_if_resume_takes_them(
    tmp_path: Path, spec: str, changes: dict[str, Any], epochs: int, found: int | None
) -> None:
    folder = RunFolder.create(tmp_path, name="x")
    folder.write_text(folder.spec_yaml, spec)
    folder.update_record(status="completed", **{"best": BEST, **changes})
    rows = [{"epoch": float(epoch)} for epoch in range(1, epochs + 1)]
    assert epochs_to_try(folder, folder.read_record(), rows) == found
