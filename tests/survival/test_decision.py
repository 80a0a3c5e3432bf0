"""A run killed around its decision ends with the same decision, and `calibrate` leaves the old one or the new one."""

import json
import signal
from pathlib import Path
from typing import Any

import pytest

pytestmark = [pytest.mark.tensorflow, pytest.mark.slow, pytest.mark.soak]

CONFIG = """\
name: small
dataset: {type: builtin, name: breast_cancer, validation: 0.3}
model: linear
loss: binary_crossentropy
metrics: [accuracy]
training: {epochs: 2, tensorboard: false, jit: off, report: false}
decision: {threshold: {maximize: f1}, calibration: isotonic}
"""
KILL = (signal.SIGKILL,)
PLACES = [("TrainingDone", 1), *(("Note", count) for count in range(6, 14)), ("Evaluated", 1), ("Evaluated", 2)]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("decided")
    (folder / "small.yaml").write_text(CONFIG)
    return folder


def decision_of(run: Path) -> dict[str, Any]:
    found = json.loads((run / "run.json").read_text())["decision"]
    return {key: value for key, value in (found or {}).items() if key != "finished"}


def trained(dlrun: Any, folder: Path, *, code: int = 0, **options: Any) -> Path:
    before = set(folder.glob("runs/*"))
    ended = dlrun.run("train", "small.yaml", folder=folder, **options)
    assert ended.code == code, ended.err
    (run,) = set(folder.glob("runs/*")) - before
    return run


@pytest.fixture(scope="module")
def whole(dlrun: Any, folder: Path) -> Path:
    return trained(dlrun, folder)


@pytest.mark.parametrize("at", PLACES, ids=str)
def test_a_run_killed_around_its_decision_is_completed_with_the_same_one(
    dlrun: Any, folder: Path, whole: Path, outcome_of: Any, at: tuple[str, int]
) -> None:
    killed = trained(dlrun, folder, code=-signal.SIGKILL, at=at, signals=KILL)
    ended = dlrun.run("resume", killed.name, folder=folder)
    assert ended.code == 0, ended.err
    assert decision_of(killed) == decision_of(whole) != {}
    assert outcome_of(killed) == outcome_of(whole)


@pytest.mark.parametrize("count", range(1, 6))
def test_a_killed_calibrate_leaves_the_old_decision_or_the_new_one(dlrun: Any, folder: Path, count: int) -> None:
    run = trained(dlrun, folder)
    before = decision_of(run)
    options = ("--calibration", "temperature", "--threshold", "0.3")
    killed = dlrun.run("calibrate", run.name, *options, folder=folder, at=("Note", count), signals=KILL)
    assert killed.code in (0, -signal.SIGKILL), killed.err
    found = decision_of(run)
    assert found == before or found["value"]["thresholds"] == [0.3]
    ended = dlrun.run("calibrate", run.name, *options, folder=folder)
    assert ended.code == 0, ended.err
    assert decision_of(run)["value"]["thresholds"] == [0.3]
