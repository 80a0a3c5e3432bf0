"""What the programs of the checks share: their arguments, their answer, and training in this process or another one."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, cast

from dlrun.errors import DlrunError
from dlrun.gpu_check.check import CheckPlace, Found
from dlrun.system.interpreter import answer, python_command, python_environment, taken_over

DIGITS: Mapping[str, Any] = {
    "name": "digits",
    "dataset": {"type": "builtin", "name": "digits", "validation": 0.1},
    "model": {
        "type": "cnn",
        "blocks": [
            {"filters": 32, "kernel_size": 3, "padding": "same", "batch_normalization": True},
            {"filters": 64, "kernel_size": 3, "pool_size": 2},
        ],
        "head_units": [64],
    },
    "optimizer": {"type": "adam", "learning_rate": 0.001},
    "loss": "sparse_categorical_crossentropy",
    "metrics": ["accuracy"],
    "training": {"batch_size": 33, "epochs": 6, "report": False, "tensorboard": False},
}
"""Convolutions on the digits that come with dlrun. With batches of 33 the last one of an epoch is smaller, and two
devices never have equal parts of a batch."""


def run_program(measure: Callable[[CheckPlace], Found], arguments: Sequence[str]) -> None:
    """Measure, and answer the process that runs the checks.

    Args:
        measure: Measures in a place; an error of dlrun that it raises becomes the reason why the check failed.
        arguments: The device, their number, the folder, and the pipe.
    """
    device, count, folder, pipe = arguments
    writer = taken_over(pipe)
    for variable in ("DLRUN_STATE", "DLRUN_CACHE"):
        os.environ[variable] = str(Path(folder) / variable.lower())  # nothing of the user's is used or changed
    try:
        found = measure(CheckPlace(cast("Literal['gpu', 'cpu']", device), int(count), Path(folder)))
    except DlrunError as error:
        found = {"error": str(error.what)}
    answer(writer, found)


def train_here(place: CheckPlace, config: Mapping[str, Any], *overrides: str) -> Mapping[str, Any]:
    """Train in this process, on the first device of the place, and return run.json.

    Args:
        place: Where.
        config: The spec.
        *overrides: `key=value` each.
    """
    from dlrun.experiment.train import train

    chosen = (f"training.device={place.device}", *overrides)
    return train(dict(config), overrides=chosen, runs_dir=place.folder / "runs").record


def write_config(place: CheckPlace, config: Mapping[str, Any]) -> Path:
    """Write a spec to a file, as JSON, which is YAML."""
    path = place.folder / f"{config['name']}.yaml"
    path.write_text(json.dumps(config))
    return path


def start_command(place: CheckPlace, *arguments: str, **environment: str) -> subprocess.Popen[str]:
    """Start a command of dlrun in a process of its own.

    Args:
        place: Where.
        *arguments: The command and its arguments.
        **environment: Further environment variables.
    """
    return subprocess.Popen(  # noqa: S603  dlrun itself, without a shell
        python_command("-m", "dlrun", *arguments),
        cwd=place.folder,
        env=python_environment(environment),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
    )


def run_command(place: CheckPlace, *arguments: str, **environment: str) -> str:
    """Run a command of dlrun to its end, and return what it has printed.

    Raises:
        SystemExit: It failed; the message is its error.
    """
    process = start_command(place, *arguments, **environment)
    printed = process.communicate()[0]
    if process.returncode:
        lines = [line for line in printed.splitlines() if line.startswith("error")] or printed.splitlines()[-1:]
        sys.exit(f"Error: dlrun {arguments[0]}: {' '.join(lines)}")
    return printed


def train_apart(place: CheckPlace, config: Path, *overrides: str, runs: str, **environment: str) -> Mapping[str, Any]:
    """Train in a process of its own, and return run.json.

    Args:
        place: Where.
        config: The file of the spec.
        *overrides: `key=value` each.
        runs: The name of the runs folder, which this call makes.
        **environment: Further environment variables.
    """
    options = [part for override in overrides for part in ("--set", override)]
    run_command(place, "train", str(config), *options, "--runs-dir", runs, "--quiet", **environment)
    return read_records(place.folder / runs)[0]


def read_records(runs: Path) -> list[dict[str, Any]]:
    """Return the run.json of every run in a folder, in the order of their ids."""
    return [json.loads(path.read_text()) for path in sorted(runs.glob("*/run.json"))]


def read_rows(run: Path) -> list[dict[str, Any]]:
    """Return the rows of metrics.jsonl of a run, without a last one that is still being written."""
    path = run / "metrics.jsonl"
    lines = path.read_text().split("\n")[:-1] if path.exists() else []
    return [json.loads(line) for line in lines]
