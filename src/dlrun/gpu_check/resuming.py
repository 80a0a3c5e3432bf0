"""Kill a training and resume it: the same bits with deterministic operations, and what those cost."""

from __future__ import annotations

import time
from pathlib import Path
from statistics import median
from typing import Any

from dlrun.gpu_check.check import CheckPlace, CheckVerdict, Found
from dlrun.gpu_check.program import (
    DIGITS,
    read_records,
    read_rows,
    run_command,
    start_command,
    train_apart,
    write_config,
)

_EPOCHS = 30
_KILL_AFTER = 3
"""The number of epochs after which the training is killed."""
_PATIENCE_SECONDS = 90


def measure_resume(place: CheckPlace) -> Found:
    """Train without a stop, train and kill and resume, and train without deterministic operations."""
    epochs = 12 if place.is_rehearsal else _EPOCHS
    training = {**DIGITS["training"], "epochs": epochs, "device": place.device, "jit": "off"}
    config = write_config(place, {**DIGITS, "training": training})
    exact = {"TF_DETERMINISTIC_OPS": "1"}
    whole = train_apart(place, config, runs="whole", **exact)
    killed_at = _train_and_kill(place, config, exact)
    run_command(place, "resume", "last", "--runs-dir", "killed", "--quiet", **exact)
    (resumed,) = read_records(place.folder / "killed")
    free = train_apart(place, config, runs="free")
    again = train_apart(place, config, runs="again")
    return {
        "epochs": epochs,
        "killed_at": killed_at,
        "resumed": resumed["resumed"],
        "exact": resumed["exact"],
        "equal": whole["weights_sha256"] == resumed["weights_sha256"],
        "free_equal": free["weights_sha256"] == again["weights_sha256"],
        "exact_speed": _speed(place.folder / "whole"),
        "free_speed": _speed(place.folder / "free"),
    }


def judge_resume(found: Found) -> CheckVerdict:
    """Pass if the run was killed between its first and last epoch, resumed, and ended with the same weights."""
    problems = []
    if not 0 < found["killed_at"] < found["epochs"] or found["resumed"] < 1:
        problems.append(f"the run was not killed in time: {found['killed_at']} of {found['epochs']} epochs were done")
    if not found["equal"]:
        problems.append("the resumed run ended with other weights than one without a stop")
    if not found["exact"]:
        problems.append("run.json says that the resumed run is not exact")
    cost = found["free_speed"] / found["exact_speed"] - 1
    free = "are" if found["free_equal"] else "are not"
    text = f"killed after {found['killed_at']} of {found['epochs']} epochs, resumed to the same bits; deterministic "
    text += f"operations cost {cost:+.0%} of the time; without them two runs {free} equal"
    return CheckVerdict.of(problems, text)


def _train_and_kill(place: CheckPlace, config: Path, environment: dict[str, str]) -> int:
    """Kill a training after some epochs, and return how many were done."""
    process = start_command(place, "train", str(config), "--runs-dir", "killed", "--quiet", **environment)
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while process.poll() is None and time.monotonic() < deadline:
        if len(_rows(place.folder / "killed")) >= _KILL_AFTER:
            break
        time.sleep(0.01)
    process.kill()
    process.communicate()
    return len(_rows(place.folder / "killed"))


def _rows(runs: Path) -> list[dict[str, Any]]:
    return [row for run in runs.glob("*/") for row in read_rows(run)]


def _speed(runs: Path) -> float:
    """Return the median of the examples per second of all epochs but the first."""
    return median(float(row["examples_per_second"]) for row in _rows(runs)[1:])
