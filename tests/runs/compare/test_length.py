"""The command for a longer training is suggested for runs that were still improving."""

from pathlib import Path
from typing import Any

import pytest

from dlrun.runs.compare.length import longer_command, read_length
from dlrun.runs.folder import RunFolder

SPEC = "schedule: {type: constant}\ntraining: {epochs: 4, steps: null}\n"
BEST = {"metric": "val_loss", "value": 0.5, "epoch": 4, "step": 9}


RESUMED = "dlrun resume x --set training.epochs=8"


@pytest.mark.parametrize(
    ("spec", "changes", "epochs", "found"),
    [
        (SPEC, {}, 4, RESUMED),
        (SPEC, {}, 5, ""),
        (SPEC, {"reason": "stopped early"}, 4, ""),
        (SPEC, {"best": None}, 4, ""),
        (SPEC, {"best": {**BEST, "metric": "loss"}}, 4, ""),
        (SPEC, {"best": {**BEST, "value": None}}, 4, ""),
        (SPEC, {"best": {**BEST, "epoch": 1}}, 1, "dlrun resume x --set training.epochs=2"),
        (SPEC.replace("constant", "cosine"), {}, 4, "dlrun train x.yaml --set training.epochs=8"),
        (
            f"{SPEC}model: {{dropout_schedule: {{type: flat_cos}}}}\n",
            {},
            4,
            "dlrun train x.yaml --set training.epochs=8",
        ),
        (f"{SPEC}model: {{dropout_schedule: constant}}\n", {}, 4, RESUMED),
        (SPEC.replace("null", "36"), {}, 4, "dlrun resume x --set training.steps=72"),
        (SPEC.replace("null", "35"), {}, 4, "dlrun train x.yaml --set training.steps=70"),
    ],
)
def test_a_run_whose_last_epoch_was_the_best_gets_a_command_to_double_its_length(
    tmp_path: Path, spec: str, changes: dict[str, Any], epochs: int, found: str
) -> None:
    folder = RunFolder.create(tmp_path, name="x")
    folder.write_text(folder.spec_yaml, spec)
    folder.update_record(status="completed", **{"best": BEST, **changes})
    rows = [{"epoch": float(epoch), "step": 9.0 * epoch} for epoch in range(1, epochs + 1)]
    rows[-1]["step"] -= "35" in spec  # it ended inside its last epoch
    length = read_length(folder)
    assert length is not None
    record = folder.read_record()
    assert longer_command(record, rows, length, resume="dlrun resume x", anew="dlrun train x.yaml") == found


@pytest.mark.parametrize("spec", [SPEC.replace("constant", "of_a_plugin"), "[", SPEC.replace("null", "many")])
def test_the_length_of_a_damaged_spec_or_one_with_a_plugin_schedule_is_unknown(tmp_path: Path, spec: str) -> None:
    folder = RunFolder.create(tmp_path, name="x")
    folder.write_text(folder.spec_yaml, spec)
    assert read_length(folder) is None
