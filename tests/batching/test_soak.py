"""Twelve runs of a batch that is killed at random three times equal the same twelve trained one by one."""

import json
import os
import random
import signal
import subprocess
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dlrun.training.checkpoints.checkpoint import read_checkpoint

pytestmark = [pytest.mark.tensorflow, pytest.mark.soak]

DIGITS = """\
dataset: {type: builtin, name: digits, validation: 0.1}
loss: sparse_categorical_crossentropy
metrics: [accuracy]
training: {batch_size: 32, epochs: 8, jit: "off", checkpoint_minutes: 0.0001}
"""
MODELS = {
    "mlp": "model: {type: mlp, units: [32], dropout: 0.2, batch_normalization: true}\n",
    "cnn": "model: {type: cnn, blocks: [{filters: 8, pool_size: 2}], dropout: 0.1}\n",
}
BATCH = ("mlp.yaml", "cnn.yaml", "--grid", "optimizer.learning_rate=1e-2,1e-3", "--seeds", "3")
RUNS = 12


def processes(of: int) -> list[int]:
    """Return the ids of a process' children and their descendants, the nearest first."""
    found = subprocess.run(["ps", "-o", "pid=", "--ppid", str(of)], capture_output=True, text=True, check=False).stdout
    children = [int(number) for number in found.split()]
    return children + [below for child in children for below in processes(child)]


@pytest.mark.parametrize("seed", range(3))
def test_a_batch_killed_at_random_three_times_ends_with_the_same_result(
    seed: int, start: Any, run: Any, records: Callable[[Path], list[dict[str, Any]]], tmp_path: Path
) -> None:
    moments = random.Random(seed)
    for name, model in MODELS.items():
        # Long enough that the third kill finds runs to kill.
        (tmp_path / f"{name}.yaml").write_text(DIGITS.replace("epochs: 8", "epochs: 40") + model)
    kills, resumed = 0, 0
    while kills < 3:
        batch = start("batch", *BATCH, "--retry", "1", folder=tmp_path)
        # From the first run on: before that there is nothing to lose. The time that a start takes is the measure.
        began = time.monotonic()
        while batch.process.poll() is None and not any(word in batch.err for word in ("running", "resumed")):
            time.sleep(0.01)
        time.sleep(moments.uniform(0, 1.5) * (time.monotonic() - began))
        if batch.process.poll() is not None:
            break  # it was faster than three kills
        # Once in two times a run dies first, of which the batch hears, and then the batch with whatever it does next.
        below = processes(batch.process.pid)[1:]
        if below and moments.random() < 0.5:
            subprocess.run(["kill", "-KILL", str(moments.choice(below))], check=False)
            time.sleep(moments.uniform(0, 0.5))
        batch.process.send_signal(signal.SIGKILL)
        batch.wait()
        kills, resumed = kills + 1, resumed + batch.err.count("resumed  ")
    whole = run("batch", *BATCH, "--json", folder=tmp_path)
    assert whole.process.returncode == 0, whole.err
    table = json.loads(whole.out)["runs"]
    assert len({row["run"] for row in table}) == RUNS
    assert len([record for record in records(tmp_path) if record["status"] == "completed"]) == RUNS
    for row in table:
        overrides = [part for key, value in row["values"].items() for part in ("--set", f"{key}={value}")]
        alone = run("train", row["config"], *overrides, "--json", "--runs-dir", "alone", folder=tmp_path)
        assert json.loads(alone.out)["weights_sha256"] == row["weights_sha256"], row
        for checkpoint in (tmp_path / "runs" / row["run"]).glob("checkpoints/[!.]*"):
            read_checkpoint(checkpoint)
    assert kills == 3
    assert resumed > 0


def test_a_run_that_cannot_be_resumed_or_has_changed_is_trained_from_the_start(
    start: Any, run: Any, records: Callable[[Path], list[dict[str, Any]]], tmp_path: Path
) -> None:
    (tmp_path / "mlp.yaml").write_text(DIGITS + MODELS["mlp"])
    batch = start("batch", "mlp.yaml", "--set", "training.epochs=30", folder=tmp_path)
    batch.wait_until(lambda: list(tmp_path.glob("runs/*/checkpoints/step-*")))
    batch.process.send_signal(signal.SIGTERM)
    assert batch.wait() == 128 + signal.SIGTERM
    (stopped,) = tmp_path.glob("runs/*/run.json")
    record = json.loads(stopped.read_text())
    stopped.write_text(json.dumps({**record, "environment": {**record["environment"], "cpu": "of another machine"}}))
    again = run("batch", "mlp.yaml", "--set", "training.epochs=30", folder=tmp_path)
    assert again.process.returncode == 0, again.err
    assert f"{record['id']} cannot be resumed: the environment is not the one" in again.err
    assert [each["status"] for each in records(tmp_path)] == ["interrupted", "completed"]

    longer = run("resume", records(tmp_path)[1]["id"], "--set", "training.epochs=31", folder=tmp_path)
    assert longer.process.returncode == 0, longer.err
    anew = run("batch", "mlp.yaml", "--set", "training.epochs=30", folder=tmp_path)
    assert anew.process.returncode == 0, anew.err
    assert [each["status"] for each in records(tmp_path)] == ["interrupted", "completed", "completed"]


def test_data_with_the_same_content_in_other_files_is_the_same(
    run: Any, records: Callable[[Path], list[dict[str, Any]]], tmp_path: Path
) -> None:
    def write(seed: int) -> None:
        values = np.random.default_rng(seed)
        x = values.normal(size=(300, 5)).astype(np.float32)
        np.savez(tmp_path / "data.npz", x=x, y=(x[:, 0] > 0).astype(np.int32))

    def status() -> str:
        done = run("batch", "table.yaml", "--json", folder=tmp_path)
        assert done.process.returncode == 0, done.err
        return str(json.loads(done.out)["runs"][0]["status"])

    head = "dataset: {type: arrays, path: data.npz, test: 0.2}\nmodel: {type: mlp, units: [8]}\n"
    tail = "loss: sparse_categorical_crossentropy\nmetrics: [accuracy]\ntraining: {epochs: 2}\n"
    (tmp_path / "table.yaml").write_text(head + tail)
    write(0)
    found = [status(), status()]
    write(0)  # the same content, in a file of another time
    found.append(status())
    write(1)
    assert [*found, status(), status()] == ["completed", "skipped", "skipped", "completed", "skipped"]
    assert len(records(tmp_path)) == 2


def test_data_with_a_renamed_category_is_not_the_same(run: Any, tmp_path: Path) -> None:
    rows = "size,region,label\n" + "".join(f"{i % 9}.{i},{'no' if i % 3 else 'so'},{'xy'[i % 2]}\n" for i in range(90))
    (tmp_path / "table.yaml").write_text(
        "dataset: {type: table, path: rows.csv, target: label, test: 0.2}\nmodel: linear\n"
        "loss: sparse_categorical_crossentropy\ntraining: {epochs: 2}\n"
    )
    found = []
    for content in (rows, rows, rows.replace("no", "west")):
        (tmp_path / "rows.csv").write_text(content)
        done = run("batch", "table.yaml", "--json", folder=tmp_path)
        assert done.process.returncode == 0, done.err
        found.append(json.loads(done.out)["runs"][0]["status"])
    assert found == ["completed", "skipped", "completed"]


def test_again_trains_complete_runs_and_continues_after_a_kill(
    start: Any, run: Any, records: Callable[[Path], list[dict[str, Any]]], tmp_path: Path
) -> None:
    (tmp_path / "mlp.yaml").write_text(DIGITS + MODELS["mlp"])
    batch = ("batch", "mlp.yaml", "--seeds", "3", "--jobs", "1")
    assert run(*batch, folder=tmp_path).process.returncode == 0
    killed = start(*batch, "--again", folder=tmp_path)
    killed.wait_until(lambda: "completed" in killed.err)
    killed.kill()
    again = run(*batch, "--again", folder=tmp_path)
    assert again.process.returncode == 0, again.err
    assert len(records(tmp_path)) == 6
    assert {each["status"] for each in records(tmp_path)} == {"completed"}
    assert run(*batch, "--again", folder=tmp_path).process.returncode == 0
    assert len(records(tmp_path)) == 9


def test_a_run_that_another_batch_trains_is_not_trained_again(
    start: Any, run: Any, tmp_path: Path, records: Callable[[Path], list[dict[str, Any]]]
) -> None:
    (tmp_path / "mlp.yaml").write_text(DIGITS + MODELS["mlp"])
    batch = ("batch", "mlp.yaml", "--set", "training.epochs=60", "--jobs", "1")
    first, second = start(*batch, folder=tmp_path), run(*batch, folder=tmp_path)
    assert (first.wait(), second.process.returncode) == (0, 0), second.err
    assert [record["status"] for record in records(tmp_path)] == ["completed"]
    assert "skipped" in first.err + second.err


def test_two_machines_in_one_runs_folder_train_each_run_once_though_one_of_them_is_paused_and_the_other_killed(
    start: Any, run: Any, records: Callable[[Path], list[dict[str, Any]]], tmp_path: Path
) -> None:
    (tmp_path / "mlp.yaml").write_text(DIGITS.replace("epochs: 8", "epochs: 60") + MODELS["mlp"])
    command = ("batch", "mlp.yaml", "--seeds", "4", "--jobs", "2")
    on = {name: {"DLRUN_HOST": name, "DLRUN_LEASE_SECONDS": "15"} for name in ("a", "b", "c")}
    first = start(*command, folder=tmp_path, **on["a"])
    first.wait_until(lambda: list(tmp_path.glob("runs/*/checkpoints/step-*")))
    stopped = [first.process.pid, *processes(first.process.pid)]
    for number in stopped:  # the machine is asleep
        os.kill(number, signal.SIGSTOP)
    second = start(*command, folder=tmp_path, **on["b"])
    second.wait_until(lambda: "resumed" in second.err)
    lost = [second.process.pid, *processes(second.process.pid)]
    third = start(*command, "--json", folder=tmp_path, **on["c"])
    for number in stopped:
        os.kill(number, signal.SIGCONT)
    time.sleep(2)
    for number in lost:  # the machine is gone
        with suppress(ProcessLookupError):
            os.kill(number, signal.SIGKILL)
    assert (first.wait(), third.wait()) == (0, 0), first.err + third.err
    assert [record["status"] for record in records(tmp_path)] == ["completed"] * 4
    for row in json.loads(third.out)["runs"]:
        overrides = [part for key, value in row["values"].items() for part in ("--set", f"{key}={value}")]
        alone = run("train", row["config"], *overrides, "--json", "--runs-dir", "alone", folder=tmp_path)
        assert json.loads(alone.out)["weights_sha256"] == row["weights_sha256"]
