"""Whole batches: failed runs, kills, signals, and runs that are complete already."""

import json
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.tensorflow

SMALL = """\
dataset: {type: builtin, name: digits, validation: 0.1}
model: {type: mlp, units: [16], dropout: 0.2}
optimizer: {type: adam, learning_rate: 0.01}
loss: sparse_categorical_crossentropy
metrics: [accuracy]
training: {batch_size: 216, epochs: 3, jit: "off", tensorboard: false, report: false}
"""
DIES = """\
import os
import signal
from pathlib import Path

from dlrun.models import models
from dlrun.models.mlp import Mlp


@models.register("dying")
class Dying(Mlp):
    \"\"\"An MLP that is killed, the first time or always.\"\"\"

    always: bool = True

    def build(self, features, target):
        is_first = not Path("died").exists()
        if self.always or is_first:
            if not self.always:
                Path("died").touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return super().build(features, target)
"""
Records = Callable[[Path], list[dict[str, Any]]]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "small.yaml").write_text(SMALL)
    (tmp_path / "dies.py").write_text(DIES)
    dying = SMALL.replace("type: mlp", "type: dying") + "plugins: [dies.py]\n"
    (tmp_path / "always.yaml").write_text(dying)
    (tmp_path / "once.yaml").write_text(dying.replace("dropout", "always: false, dropout"))
    return tmp_path


def test_a_failed_run_does_not_stop_the_others_and_is_tried_again(run: Any, folder: Path, records: Records) -> None:
    configs = ("always.yaml", "once.yaml", "small.yaml")
    first = run("batch", *configs, "--retry", 1, "--jobs", 1, "--csv", "table.csv", folder=folder)
    assert first.process.returncode == 1, first.err
    assert "\033" not in first.err
    by_name: dict[str, list[dict[str, Any]]] = {}
    for record in records(folder):
        by_name.setdefault(record["name"], []).append(record)
    reason = "was killed by signal 9 (SIGKILL)"
    assert [(record["status"], record["reason"]) for record in by_name["always"]] == [("failed", reason)]
    assert [record["status"] for record in by_name["once"]] == ["completed"]
    assert by_name["once"][0]["resumed"] == 1
    assert [record["status"] for record in by_name["small"]] == ["completed"]
    assert first.err.count("failed      always  ") == 2
    assert "failed      once  " in first.err
    assert first.out.splitlines()[-1].split()[:4] == ["always", "-", "-", "failed:"]
    assert (folder / "table.csv").read_text().count("\n") == 4
    log = (folder / "runs" / by_name["small"][0]["id"] / "log.txt").read_text()
    assert "epoch 3/3" in log
    assert log.count("\ntest       loss ") == 1
    assert by_name["small"][0]["command"][:3] == ["dlrun", "train", "small.yaml"]

    # What is complete is skipped, at once.
    again = run("batch", *configs[1:], "--json", folder=folder)
    assert again.process.returncode == 0, again.err
    table = json.loads(again.out)
    assert {row["status"] for row in table["runs"]} == {"skipped"}
    assert all(row["score"] is not None for row in table["runs"])
    assert table["metric"] == "val_loss"


def test_a_stopped_and_killed_batch_continues_and_its_runs_equal_those_trained_alone(
    start: Any, run: Any, folder: Path, records: Records
) -> None:
    longer = ("--set", "training.batch_size=16", "--set", "training.epochs=15")
    batch = ("batch", "small.yaml", *longer, "--set", "training.checkpoint_minutes=0.0001", "--seeds", "2")

    def begun() -> list[Path]:
        return list(folder.glob("runs/*/checkpoints/step-*"))

    stopped = start(*batch, folder=folder)
    stopped.wait_until(begun)
    stopped.process.send_signal(signal.SIGINT)
    assert stopped.wait() == 130
    assert "Traceback" not in stopped.err
    assert "stopped; 0 of 2 runs are complete\nhint: dlrun batch small.yaml --set " in stopped.err
    assert {record["status"] for record in records(folder)} == {"interrupted"}

    killed = start(*batch, folder=folder)
    killed.wait_until(lambda: any(record["resumed"] for record in records(folder)))
    killed.kill()
    whole = run(*batch, folder=folder)
    assert whole.process.returncode == 0, whole.err
    assert len(records(folder)) == 2
    assert {(record["status"], record["exact"]) for record in records(folder)} == {("completed", True)}
    assert sum(record["resumed"] for record in records(folder)) >= 3

    alone = run("train", "small.yaml", *longer, "--set", "seed=1", "--json", "--runs-dir", "alone", folder=folder)
    (same,) = (record for record in records(folder) if "seed=1" in record["command"])
    assert same["weights_sha256"] == json.loads(alone.out)["weights_sha256"]
    environment = json.loads(alone.out)["environment"]
    assert same["environment"] == environment
