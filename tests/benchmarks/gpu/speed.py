"""The program of a speed check: dlrun, `fit` and PyTorch train one model, each in a process of its own.

    python tests/benchmarks/gpu/speed.py WORK DEVICE COUNT FOLDER PIPE

The share of the time that the GPU waited for data: for dlrun, `data_wait` of metrics.jsonl; for the others, the time by
which an epoch takes longer than as many steps on one batch.
"""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))

import numpy as np
from gpu_works import WORKS, arrays

from dlrun.gpu_check.check import CheckPlace, Found
from dlrun.gpu_check.program import read_rows, run_program, train_apart, write_config

HERE = Path(__file__).parent
TORCH = "DLRUN_BENCH_TORCH"
"""An environment variable: a Python that has PyTorch, if this one has not."""
_EPOCHS = 5
_BATCH_SIZE = 256
_REHEARSED_EXAMPLES = 512


def measure_speed(name: str, place: CheckPlace) -> Found:
    """Let dlrun train, and then the others in the precision that dlrun has chosen."""
    work = WORKS[name]
    examples = _REHEARSED_EXAMPLES if place.is_rehearsal else work.examples
    epochs = 2 if place.is_rehearsal else _EPOCHS
    path = place.folder / "data.npz"
    x, y = arrays(work, examples=examples)
    np.savez(path, x_train=x, y_train=y)
    loss = "mean_squared_error" if work.outputs == 1 else "sparse_categorical_crossentropy"
    metric = "mean_absolute_error" if work.outputs == 1 else "accuracy"
    config = write_config(
        place,
        {
            "name": name,
            "dataset": {"type": "arrays", "path": str(path)},
            "model": work.model,
            "optimizer": "adam",
            "loss": loss,
            "metrics": [metric],
            "training": {
                "batch_size": _BATCH_SIZE,
                "epochs": epochs + 1,
                "device": place.device,
                "report": False,
                "tensorboard": False,
            },
        },
    )
    record = train_apart(place, config, runs="runs")
    rows = read_rows(next((place.folder / "runs").iterdir()))[1:]
    found: dict[str, Any] = {
        "precision": record["precision"]["value"],
        "jit": record["jit"]["value"],
        "batch_size": _BATCH_SIZE,
        "dlrun": {
            "examples_per_second": median(row["examples_per_second"] for row in rows),
            "waits": median(row["data_wait"] for row in rows),
        },
    }
    options = ["--device", place.device, "--precision", found["precision"], "--batch-size", str(_BATCH_SIZE)]
    options += ["--epochs", str(epochs), "--examples", str(examples)]
    for contestant, interpreter in (("fit", sys.executable), ("torch", _torch())):
        if interpreter:
            found[contestant] = _run(interpreter, contestant, name, options)
    return found


def _torch() -> str:
    return os.environ.get(TORCH) or (sys.executable if importlib.util.find_spec("torch") else "")


def _run(interpreter: str, contestant: str, work: str, options: list[str]) -> dict[str, Any]:
    command = [interpreter, str(HERE / f"gpu_{contestant}.py"), work, *options]
    done = subprocess.run(command, capture_output=True, text=True, errors="replace", check=False)
    if done.returncode:
        lines = done.stderr.strip().splitlines() or ["nothing"]
        return {"error": lines[-1][:200]}
    found: dict[str, Any] = json.loads(done.stdout.strip().splitlines()[-1])
    return found


if __name__ == "__main__":
    run_program(partial(measure_speed, sys.argv[1]), sys.argv[2:])
