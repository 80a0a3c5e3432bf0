"""A batch and a search on a Slurm that requeues tasks at random and restarts its controller."""

import json
import random
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from slurm_node import SlurmNode, why_not

pytestmark = [pytest.mark.tensorflow, pytest.mark.soak]

_PATIENCE_SECONDS = 3600
CONFIG = """\
dataset: {type: builtin, name: digits, validation: 0.1}
model: {type: mlp, units: [32], dropout: 0.2, batch_normalization: true}
optimizer: {type: adam, learning_rate: 0.001}
loss: sparse_categorical_crossentropy
metrics: [accuracy]
training: {batch_size: 32, epochs: 100, jit: "off", checkpoint_minutes: 0.02, tensorboard: false, report: false}
"""
SEARCH = """\
search:
  space:
    optimizer.learning_rate: {low: 1e-4, high: 1e-1, log: true}
    model.dropout: {low: 0.0, high: 0.5}
  metric: val_accuracy
  trials: 30
  keep_checkpoints: null
  halving: null
"""


@pytest.fixture
def node(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[SlurmNode]:
    if reason := why_not():
        pytest.skip(reason)
    node = SlurmNode(tmp_path / "node")
    monkeypatch.setenv("SLURM_CONF", str(node.conf))
    yield node
    node.close()


def disturb(driver: Any, node: SlurmNode, *, seed: int) -> Iterator[str]:
    """Requeue tasks at random, a few dozen times, and restart the controller once, until the driver ends."""
    moments, requeued, is_restarted = random.Random(seed), 0, False
    while driver.process.poll() is None:
        time.sleep(moments.uniform(4, 12))
        node.end_hung_steps()
        running = node.ask("squeue", "--noheader", "--states=RUNNING", "--format=%i").split()
        if running and requeued < 12:
            task = moments.choice(running)
            node.ask("scontrol", "requeue", task)
            requeued += 1
            yield f"requeue {task}"
        if requeued == 4 and not is_restarted:
            is_restarted = True
            node.stop_controller()
            time.sleep(15)
            node.start_controller()
            yield "restart"


@pytest.mark.parametrize("what", ["batch", "search"])
def test_everything_completes_once_and_to_the_bit(
    what: str, start: Callable[..., Any], node: SlurmNode, tmp_path: Path
) -> None:
    (tmp_path / "small.yaml").write_text(CONFIG + (SEARCH if what == "search" else ""))
    grid = ("--grid", "optimizer.learning_rate=1e-2,1e-3", "--seeds", "6") if what == "batch" else ()
    count = 12 if what == "batch" else 30
    command = (what, "small.yaml", *grid, "--on", "slurm", "--json")
    driver = start(*command, folder=tmp_path)
    done = []
    for each in disturb(driver, node, seed=3):
        done.append(each)
        if len(done) == 7:  # the driver dies once, and its jobs do not
            driver.kill()
            driver = start(*command, folder=tmp_path)
            done += [*disturb(driver, node, seed=4)]
            break
    assert driver.process.wait(_PATIENCE_SECONDS) == 0, driver.err
    assert "restart" in done
    assert len(done) > 8
    records = [json.loads(path.read_text()) for path in tmp_path.glob("runs/*/run.json")]
    assert len(records) == count
    assert {record["status"] for record in records} == {"completed"}
    assert sum(record["resumed"] for record in records) > 2
    configs = [tmp_path / "runs" / record["id"] / "spec.yaml" for record in records]
    alone = start("batch", *configs, "--runs-dir", "alone", "--json", folder=tmp_path)
    assert alone.process.wait(_PATIENCE_SECONDS) == 0, alone.err
    found = {record["id"]: record["weights_sha256"] for record in records}
    straight = {Path(row["config"]).parent.name: row["weights_sha256"] for row in json.loads(alone.out)["runs"]}
    assert straight == found


def test_a_run_that_needs_longer_than_its_time_limit_goes_on_in_the_next_job(
    start: Callable[..., Any], node: SlurmNode, tmp_path: Path
) -> None:
    assert node.conf.exists()
    (tmp_path / "small.yaml").write_text(CONFIG.replace("epochs: 100", "epochs: 12000"))
    done = start("batch", "small.yaml", "--on", "slurm", "--slurm", "time=3", "--json", folder=tmp_path)
    assert done.process.wait(_PATIENCE_SECONDS) == 0, done.err
    (record,) = (json.loads(path.read_text()) for path in tmp_path.glob("runs/*/run.json"))
    assert record["status"] == "completed"
    assert record["resumed"] > 0
    (array,) = tmp_path.glob("runs/.batches/*/slurm/001")
    assert '"late": true' in (array / "0-0.jsonl").read_text()
