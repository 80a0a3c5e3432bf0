"""One contestant and one work in, what it measured out; every contestant is a process of its own."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

from arrays import config_of
from works import EVALUATIONS, Work

HERE = Path(__file__).parent
CONTESTANTS = {"dlrun": "dlrun", "naive_keras": "naive Keras", "tuned_keras": "tuned Keras", "pytorch": "PyTorch"}
INSTALL_TORCH = "python -m venv X; X/bin/pip install torch==2.13.0 numpy; and --torch X/bin/python"


class ContestantFailedError(Exception):
    """A contestant's process ended with an error; its last line."""


@dataclass(frozen=True)
class Finished:
    """A process that ended well.

    Args:
        printed: Its standard output.
        seconds: Wall time from start to end.
        peak_rss_mib: The highest memory of it alone.
    """

    printed: str
    seconds: float
    peak_rss_mib: float


@dataclass(frozen=True)
class Heat:
    """What every contestant of a work is given.

    Args:
        name: The work's name.
        work: The work.
        data: Folder of its arrays.
        cache: Folder in which dlrun has kept the data, and nothing else.
        overrides: What makes dlrun take the same arrays.
        epochs: To train.
        examples: Of each split; None: all.
        torch: An interpreter that has PyTorch, or None.
    """

    name: str
    work: Work
    data: Path
    cache: Path
    overrides: tuple[str, ...]
    epochs: int
    examples: int | None
    torch: str | None

    def contestants(self) -> tuple[str, ...]:
        """Who takes part: a whole command is compared with what a tutorial shows alone."""
        if self.work.whole_command:
            return ("dlrun", "naive_keras")
        return tuple(name for name in CONTESTANTS if name != "pytorch" or self.torch)

    def run(self, contestant: str) -> dict[str, Any]:
        """Let one contestant train or evaluate.

        Returns:
            The keys of `works.report`, and `process_seconds`: of the whole process, from the start of Python to its end
            with one evaluation of the test split.

        Raises:
            ContestantFailedError: It ended with an error.
        """
        if contestant == "dlrun":
            return self._train_with_dlrun() if self.epochs else self._evaluate_with_dlrun()
        interpreter = self.torch if contestant == "pytorch" and self.torch else sys.executable
        options = ["--data", str(self.data), "--epochs", str(self.epochs)]
        options += [] if self.examples is None else ["--examples", str(self.examples)]
        return measured(run_process([interpreter, str(HERE / f"{contestant}.py"), self.name, *options]))

    def _evaluate_with_dlrun(self) -> dict[str, Any]:
        command = [sys.executable, str(HERE / "dlrun_evaluate.py"), str(config_of(self.work)), *self.overrides]
        return measured(run_process(command))

    def _train_with_dlrun(self) -> dict[str, Any]:
        overrides = [f"--set={override}" for override in (f"training.epochs={self.epochs}", *self.overrides)]
        with tempfile.TemporaryDirectory() as name:
            runs, cache = Path(name) / "runs", Path(name) / "cache"
            # dlrun remembers whether XLA was the faster. The others compile in every process, so it tries in every one.
            shutil.copytree(self.cache, cache)
            command = ["-m", "dlrun", "train", str(config_of(self.work)), "--runs-dir", str(runs), *overrides]
            finished = run_process([sys.executable, *command], DLRUN_CACHE=str(cache))
            memory = {"peak_rss_mib": finished.peak_rss_mib}
            return {**read_run(runs), **memory, "process_seconds": finished.seconds}


def run_process(command: list[str], **environment: str) -> Finished:
    """Run a command to its end in an empty folder, in the user's environment.

    Raises:
        ContestantFailedError: Its exit code is not 0.
    """
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        quiet = {"KERAS_BACKEND": "tensorflow", "TF_CPP_MIN_LOG_LEVEL": "3", "DLRUN_STATE": name}
        with (folder / "out").open("w") as out, (folder / "err").open("w") as err:
            started = time.perf_counter()
            process = subprocess.Popen(
                command, cwd=folder, env={**os.environ, **quiet, **environment}, stdout=out, stderr=err
            )
            # The kernel's own count for this one child; it starts at the memory of this process, which stays small.
            _, status, usage = os.wait4(process.pid, 0)
            seconds = time.perf_counter() - started
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            lines = (folder / "err").read_text(errors="replace").strip().splitlines()
            raise ContestantFailedError(f"exit code {process.returncode}: {lines[-1] if lines else 'nothing said'}")
        return Finished((folder / "out").read_text(), seconds, usage.ru_maxrss / 1024)


def measured(finished: Finished) -> dict[str, Any]:
    """The last line that a contestant printed; the evaluations that only this comparison makes do not count."""
    told = json.loads(finished.printed.strip().splitlines()[-1])
    return {**told, "process_seconds": finished.seconds - EVALUATIONS * (told["evaluate_seconds"] or 0)}


def read_run(runs: Path) -> dict[str, Any]:
    """What the only run of a folder recorded; `seconds` of metrics.jsonl is cumulative."""
    (record_path,) = runs.glob("*/run.json")
    record = json.loads(record_path.read_text())
    rows = [json.loads(line) for line in record_path.with_name("metrics.jsonl").read_text().splitlines()]
    ends = [0.0, *(row["seconds"] for row in rows)]
    test = record["result"]["test"]
    return {
        "epoch_seconds": [end - begin for begin, end in pairwise(ends)],
        "train_seconds": ends[-1],
        "score": {"accuracy": test["accuracy"]} if "accuracy" in test else {"mse": test["loss"]},
        "evaluate_seconds": None,
        "precision": record["precision"]["value"],
        "jit": record["jit"]["value"],
        "parameters": record["model"]["parameters"],
    }
