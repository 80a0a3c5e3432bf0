"""A search killed at random ten times: no trial is lost or repeated, and none differs by a bit."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

pytestmark = [pytest.mark.tensorflow, pytest.mark.soak]

CONFIG = """\
name: digits
dataset: {type: builtin, name: digits, validation: 0.2, test: 0.1}
model: {type: mlp, units: [32], dropout: 0.2, batch_normalization: true}
optimizer: {type: adam, learning_rate: 0.01}
loss: sparse_categorical_crossentropy
metrics: [accuracy]
training: {batch_size: 64, epochs: 9, jit: "off", checkpoint_minutes: 0.0001}
search:
  space:
    optimizer.learning_rate: {low: 1e-4, high: 1e-1, log: true}
    model.dropout: {low: 0.0, high: 0.5}
    model.units: {choices: [[32], [64], [32, 32]]}
  metric: val_accuracy
  trials: 12
  halving: HALVING
  keep_checkpoints: null
"""
HALVING = {"halving": "{min_epochs: 1, factor: 3}", "to the end": "null"}


def search(folder: Path, *more: str) -> subprocess.Popen[bytes]:
    variables = {**os.environ, "DLRUN_STATE": str(folder / "state"), "DLRUN_CACHE": str(folder / "cache")}
    command = [sys.executable, "-m", "dlrun", "search", "c.yaml", "--json", *more]
    out = (folder / "out.json").open("wb")
    err = (folder / "err.txt").open("ab")
    return subprocess.Popen(command, cwd=folder, stdout=out, stderr=err, env=variables, start_new_session=True)


@pytest.mark.parametrize("jobs", ["1", "2"])
@pytest.mark.parametrize("kind", HALVING)
def test_a_search_killed_ten_times_ends_as_one_that_was_not(
    kind: str, jobs: str, run: Any, records: Callable[[Path], list[dict[str, Any]]], tmp_path: Path
) -> None:
    killed, calm = tmp_path / "killed", tmp_path / "calm"
    for folder in (killed, calm):
        folder.mkdir()
        (folder / "c.yaml").write_text(CONFIG.replace("HALVING", HALVING[kind]))
    assert search(calm, "--jobs", jobs).wait() == 0
    expected = json.loads((calm / "out.json").read_text())
    moments, kills = random.Random(f"{kind}{jobs}"), 0
    while kills < 10:
        process = search(killed, "--jobs", jobs)
        time.sleep(moments.uniform(2, 14))
        if process.poll() is not None:
            break
        # Half of the time everything dies at once, else only the driver, and its runs stop by themselves.
        if moments.random() < 0.5:
            for number in _descendants(process.pid):
                os.kill(number, signal.SIGKILL)
        process.kill()
        process.wait()
        kills += 1
    assert kills >= 3
    assert search(killed, "--jobs", jobs).wait() == 0, (killed / "err.txt").read_text()
    outcome = json.loads((killed / "out.json").read_text())
    trials = {trial["trial"]: trial for trial in outcome["trials"]}
    assert len(trials) == len(expected["trials"])
    assert max(Counter(run for trial in trials.values() for run in trial["runs"]).values()) == 1
    if jobs == "1":
        assert outcome["best"] == expected["best"]
        assert [_essence(trial) for trial in outcome["trials"]] == [_essence(trial) for trial in expected["trials"]]
    # Every trial that was trained to its end equals the run of its command.
    by_id = {record["id"]: record for record in records(killed)}
    for trial in trials.values():
        if trial["status"] == "completed":
            record = by_id[trial["runs"][0]]
            assert record["exact"]
            alone = run(*record["command"][1:-2], "--json", "--runs-dir", "alone", folder=killed)
            assert json.loads(alone.out)["weights_sha256"] == record["weights_sha256"]


def _essence(trial: dict[str, Any]) -> dict[str, Any]:
    return {key: trial[key] for key in ("trial", "status", "values", "scores", "rungs", "epochs")}


def _descendants(of: int) -> list[int]:
    found = subprocess.run(["ps", "-o", "pid=", "--ppid", str(of)], capture_output=True, text=True, check=False).stdout
    children = [int(number) for number in found.split()]
    return children + [below for child in children for below in _descendants(child)]
