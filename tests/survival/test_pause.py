"""A trial that is paused, killed and promoted any number of times ends as the same run does without any of it."""

import json
import random
import re
import signal
from itertools import product
from pathlib import Path
from typing import Any

import pytest

from survival_models import MODELS, OFTEN, config_of

pytestmark = [pytest.mark.tensorflow, pytest.mark.soak]

SCRIPT = Path(__file__).with_name("trial_process.py")
EPOCHS = {
    name: int(number[1])
    for name, text in MODELS.items()
    if (number := re.search(r"training: \{[^\n]*?\bepochs: (\d+)", text))
}


@pytest.mark.parametrize(("model", "precision"), [*product(MODELS, ("float32", "bfloat16"))])
def test_a_trial_that_is_paused_and_killed_ends_as_one_that_is_not(
    model: str, precision: str, dlrun: Any, outcome_of: Any, tmp_path: Path
) -> None:
    moments = random.Random(f"{model} {precision}")
    config = tmp_path / f"{model}.yaml"
    config.write_text(config_of(model, tmp_path))
    overrides = (f"training.precision={precision}", "training.jit=off", *OFTEN[1::2])
    for name in ("whole", "paused"):
        (tmp_path / name).mkdir()
    options = [part for override in overrides for part in ("--set", override)]
    whole = dlrun.run("train", config, *options, folder=tmp_path / "whole")
    assert whole.code == 0, whole.err
    place, kills, pauses = tmp_path / "paused", 0, 0
    for epoch in (*range(1, EPOCHS[model]), EPOCHS[model] + 1, 0):
        for kill_at in (moments.randint(1, 150), None):  # once with a kill, if it comes in time, and then without
            ended = dlrun.run(config, epoch, *overrides, folder=place, script=SCRIPT, kill_at=kill_at)
            assert ended.code in (0, -signal.SIGKILL), ended.err
            kills += ended.code != 0
        pauses += f"paused after epoch {epoch} of {EPOCHS[model]} by" in ended.err
    assert kills, ended.err
    assert pauses, ended.err
    (run,) = (path.parent for path in place.glob("runs/*/spec.yaml"))
    record = json.loads((run / "run.json").read_text())
    assert (record["status"], [*record["result"]], record["search"]["trial"]) == ("completed", ["validation"], 1)
    completed = dlrun.run("resume", "last", folder=place)
    assert completed.code == 0, completed.err
    (straight,) = (path.parent for path in tmp_path.glob("whole/runs/*/spec.yaml"))
    assert outcome_of(run) == outcome_of(straight)
