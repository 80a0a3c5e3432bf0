"""Folds that are killed at random moments end with the bytes of folds that were never killed."""

import json
import random
import signal
import time
from pathlib import Path
from typing import Any

import pytest

pytestmark = [pytest.mark.tensorflow, pytest.mark.soak]

CONFIG = """\
dataset: {type: builtin, name: digits}
model: {type: mlp, units: [32], dropout: 0.2, batch_normalization: true}
loss: sparse_categorical_crossentropy
metrics: [accuracy]
training:
  epochs: 20
  batch_size: 32
  jit: "off"
  checkpoint_minutes: 0.0001
  report: false
  tensorboard: false
  early_stopping: {patience_epochs: 20}
folds: {count: 3, repeats: 2, seed: 5}
"""
RUNS, KILLS = 6, 6


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """The files of folds that were never killed, by name, and the weights of their runs."""
    import subprocess
    import sys

    folder = tmp_path_factory.mktemp("whole")
    (folder / "c.yaml").write_text(CONFIG)
    subprocess.run([sys.executable, "-m", "dlrun", "train", "c.yaml", "-q"], cwd=folder, check=True)
    return results(folder)


def results(folder: Path) -> dict[str, bytes]:
    (record,) = folder.glob("runs/folds/*/folds.json")
    content = json.loads(record.read_text())
    for run in content["runs"]:
        del run["run"]  # its name has the time
    return {
        "record": json.dumps(content).encode(),
        "predictions": (record.parent / "out_of_fold.csv").read_bytes(),
        "name": record.parent.name.encode(),
    }


@pytest.mark.parametrize("seed", range(4))
def test_folds_killed_at_random_moments_end_with_the_same_bytes(
    seed: int, start: Any, run: Any, whole: dict[str, bytes], tmp_path: Path
) -> None:
    moments, kills = random.Random(seed), 0
    (tmp_path / "c.yaml").write_text(CONFIG)
    for _ in range(KILLS):
        command = start("train", "c.yaml", folder=tmp_path)
        began = time.monotonic()
        while command.process.poll() is None and not any(word in command.err for word in ("running", "resumed")):
            time.sleep(0.01)
        time.sleep(moments.uniform(0, 1.5) * (time.monotonic() - began))
        if command.process.poll() is not None:
            break
        command.process.send_signal(moments.choice([signal.SIGKILL, signal.SIGKILL, signal.SIGINT]))
        command.wait()
        kills += 1
    assert kills > 1
    done = run("train", "c.yaml", folder=tmp_path)
    assert done.process.returncode == 0, done.err
    records = {path.parent: json.loads(path.read_text()) for path in tmp_path.glob("runs/*/run.json")}
    complete = [record for record in records.values() if record["status"] == "completed"]
    assert len(complete) == RUNS
    assert all(record["exact"] for record in complete)
    for folder, record in records.items():
        # A kill may leave a folder behind that is not signed yet, and so is not taken for one of its own. Nothing was
        # trained in it.
        assert record["status"] == "completed" or not [*folder.glob("checkpoints/*"), *folder.glob("metrics.jsonl")]
    assert results(tmp_path) == whole
