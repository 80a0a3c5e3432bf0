"""A command of dlrun in several processes of this machine that train one model: how they ended comes out."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import IO

from dlrun.errors import DataError, DlrunError, RunError, SpecError, UsageError
from dlrun.runs.catalog import find_run
from dlrun.runs.folder import RunFolder
from dlrun.spec.parse import read_spec
from dlrun.stored import read_stored_spec
from dlrun.training.cluster import LAUNCHED
from dlrun.training.stop import SIGNALS

LARGEST_NUMBER = 256
_LOOK_SECONDS = 0.05
_GRACE_SECONDS = 5.0
"""How long the others may take to end by themselves, once one worker has ended badly."""
_KILL_SECONDS = 3.0
"""How long they may take to end after they were told to."""
_GPUS = Path("/proc/driver/nvidia/gpus")


@dataclass
class _Worker:
    """One of the processes, and where what it says goes."""

    index: int
    process: subprocess.Popen[bytes]
    errors: IO[bytes] | None

    @property
    def ended_badly(self) -> bool:
        """Whether it has ended, and not as one that has done its work."""
        return self.process.poll() not in (None, 0)

    def last_line(self) -> str:
        """The last line that it has written to its stderr; nothing for the chief, whose lines have been shown."""
        if self.errors is None:
            return ""
        self.errors.seek(0)
        lines = self.errors.read().decode(errors="replace").strip().splitlines()
        told = [line for line in lines if line.startswith("error: ")]
        return (told or lines or [""])[-1].removeprefix("error: ").strip()


@dataclass(frozen=True)
class Wanted:
    """What a user has said about the processes.

    Args:
        workers: How many.
        runs_dir: Where the run folder is, or is made.
        overrides: `key=value` each.
        options: Of the command that each process runs, these among them.
        trust_plugins: Whether the plugins of a run that was not made here may be loaded.
    """

    workers: int
    runs_dir: Path
    overrides: tuple[str, ...]
    options: tuple[str, ...]
    trust_plugins: bool = False


def launch_training(config: Path, wanted: Wanted) -> int:
    """Train a YAML file in several processes, which are started once it is known to be right; see `launch`.

    Raises:
        SpecError: The spec is wrong.
        UsageError: There cannot be so many workers.
        RunError: A worker has died.
    """
    device = read_spec(config, wanted.overrides).spec.training.device
    return launch(("train", *wanted.options, "--", str(config)), wanted, device=device)


def launch_resume(run: str, wanted: Wanted) -> int:
    """Go on with a run in several processes; see `launch`.

    Raises:
        UsageError: There is no such run, or there cannot be so many workers.
        RunError: A worker has died.
    """
    folder = find_run(run, runs_dir=wanted.runs_dir)
    device = read_stored_spec(folder, wanted.overrides, trust_plugins=wanted.trust_plugins).spec.training.device
    # The path names the run in every process, whatever else is made meanwhile: `last` may not.
    return launch(("resume", *wanted.options, "--", str(folder.path)), wanted, device=device, run_id=folder.id)


def launch(arguments: Sequence[str], wanted: Wanted, *, device: str, run_id: str = "") -> int:
    """Run a command of dlrun in several processes that train one model together.

    The first of them, the chief, writes the run folder and speaks to the user. Each has its share of the cores and of
    the GPUs. A signal to this process goes to all of them.

    Args:
        arguments: Of `dlrun`: `train CONFIG ...` or `resume RUN ...`.
        wanted: How many processes, and where their run is.
        device: The spec's `training.device`.
        run_id: The run, if there is one already.

    Returns:
        The chief's exit code.

    Raises:
        UsageError: There cannot be so many.
        RunError: A worker has died.
    """
    workers, runs_dir = wanted.workers, wanted.runs_dir
    _check_number(workers, device)
    before = _run_names(runs_dir)
    with ExitStack() as stack:
        crew = stack.enter_context(_started(arguments, workers=workers, device=device))
        stack.enter_context(_signals_forwarded(crew))
        first = None
        while first is None and any(worker.process.poll() is None for worker in crew):
            time.sleep(_LOOK_SECONDS)
            run_id = run_id or _run_of(crew[0].process.pid, runs_dir, before)
            first = next((worker for worker in crew if worker.ended_badly), None)
        first = first or next((worker for worker in crew if worker.ended_badly), None)
        if first is not None:
            _end(crew, seconds=_GRACE_SECONDS)
            _raise_if_died(first, crew[0], workers=workers, run_id=run_id, runs_dir=runs_dir)
        return crew[0].process.returncode


def _raise_if_died(first: _Worker, chief: _Worker, *, workers: int, run_id: str, runs_dir: Path) -> None:
    """Tell that a worker has died, unless the chief has said already what there is to say.

    Args:
        first: The worker that ended badly before all others.
        chief: Worker 0.
        workers: How many there are.
        run_id: Their run; empty if there is none.
        runs_dir: Where it is.

    Raises:
        RunError: It has died of something that is its own.
    """
    code = first.process.returncode
    was_stopped = code in (128 + signal.SIGINT, 128 + signal.SIGTERM)
    # A spec or data that is wrong is wrong in all of them, and any of them may be the first to end for it.
    was_told = chief.process.returncode == code and code in (SpecError.exit_code, DataError.exit_code)
    if was_stopped or was_told or (first is chief and code == DlrunError.exit_code):
        return
    how = f"was killed by {_signal_name(-code)}" if code < 0 else f"ended with exit code {code}"
    said = f"worker {first.index} of {workers} {how}"
    if line := first.last_line():
        said += f"; its last line: {line}"
    option = "" if runs_dir == Path("runs") else f" --runs-dir {runs_dir}"
    command = f"dlrun launch --workers {workers} --resume {run_id}{option}"
    hint = f"{command} goes on from the last checkpoint" if run_id else "it ended before the run began"
    raise RunError(f"{said}; the others were ended", hint=hint)


def _signal_name(number: int) -> str:
    with suppress(ValueError):
        return f"signal {number} ({signal.Signals(number).name})"
    return f"signal {number}"


def _check_number(workers: int, device: str) -> None:
    """Refuse a number of workers that makes no sense here.

    Raises:
        UsageError: It does not.
    """
    if not 1 < workers <= LARGEST_NUMBER:
        several = "dlrun train on each machine, with TF_CONFIG or under srun"
        hint = several if workers > 1 else "dlrun train trains in one process"
        raise UsageError(f"--workers is {workers}", expected=f"2 to {LARGEST_NUMBER} processes", hint=hint)
    if ":" in device:
        said = f"training.device is {device}, and each of {workers} workers takes its own share of the devices"
        raise UsageError(said, expected="auto, cpu or gpu", hint="--set training.device=auto")
    gpus = _gpus()
    if device != "cpu" and 0 < len(gpus) < workers:
        said = f"there are {workers} workers, and this machine has {len(gpus)} GPU{'s' if len(gpus) > 1 else ''}"
        raise UsageError(said, expected="a GPU for each worker", hint="fewer workers, or --set training.device=cpu")


@contextmanager
def _started(arguments: Sequence[str], *, workers: int, device: str) -> Iterator[list[_Worker]]:
    """The processes; when this is left none of them is there any more."""
    addresses = _free_addresses(workers)
    cores = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []
    gpus = [] if device == "cpu" else _gpus()
    crew: list[_Worker] = []
    with ExitStack() as stack:
        stack.callback(lambda: _end(crew, seconds=0))
        try:
            for index in range(workers):
                task = {"cluster": {"worker": addresses}, "task": {"type": "worker", "index": index}}
                environment = {**os.environ, "TF_CONFIG": json.dumps(task), LAUNCHED: "1"}
                if gpus:
                    environment["CUDA_VISIBLE_DEVICES"] = ",".join(_share(gpus, index, workers))
                if cores:
                    os.sched_setaffinity(0, _share(cores, index, workers))  # which the process inherits
                errors = None if index == 0 else stack.enter_context(tempfile.TemporaryFile())
                crew.append(_Worker(index, _start(arguments, environment, errors), errors))
        finally:
            if cores:
                os.sched_setaffinity(0, cores)
        yield crew


def _start(
    arguments: Sequence[str], environment: Mapping[str, str], errors: IO[bytes] | None
) -> subprocess.Popen[bytes]:
    quiet = errors is not None
    return subprocess.Popen(  # noqa: S603  dlrun itself, without a shell
        [sys.executable, "-m", "dlrun", *arguments],
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL if quiet else None,
        stderr=errors,
        start_new_session=True,  # a Ctrl-C comes to this process alone, which passes it on
    )


def _share(items: list, index: int, workers: int) -> list:  # type: ignore[type-arg]
    """The contiguous part of `items` that one worker gets; one of them again where there are too few."""
    part = items[index * len(items) // workers : (index + 1) * len(items) // workers]
    return part or [items[index % len(items)]]


@contextmanager
def _signals_forwarded(crew: list[_Worker]) -> Iterator[None]:
    def forward(number: int, frame: FrameType | None) -> None:  # noqa: ARG001  as the signal module calls it
        for worker in crew:
            with suppress(ProcessLookupError):
                worker.process.send_signal(number)

    before = {number: signal.signal(number, forward) for number in SIGNALS}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _end(crew: list[_Worker], *, seconds: float) -> None:
    """Wait so long for the processes to end by themselves; then make them."""
    for number, patience in ((None, seconds), (signal.SIGTERM, _KILL_SECONDS), (signal.SIGKILL, None)):
        alive = [worker.process for worker in crew if worker.process.poll() is None]
        deadline = None if patience is None else time.monotonic() + patience
        for process in alive:
            if number is not None:
                process.send_signal(number)
        for process in alive:
            with suppress(subprocess.TimeoutExpired):
                process.wait(None if deadline is None else max(0.0, deadline - time.monotonic()))


def _free_addresses(count: int) -> list[str]:
    """Addresses on this machine on which nobody listens."""
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [f"127.0.0.1:{each.getsockname()[1]}" for each in sockets]


def _gpus() -> list[str]:
    """The GPUs that processes started from here would see, without TensorFlow."""
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    if visible is not None:
        return [name for name in visible.split(",") if name.strip() not in ("", "-1")]
    with suppress(OSError):
        return [str(index) for index, _ in enumerate(_GPUS.iterdir())]
    return []


def _run_names(runs_dir: Path) -> set[str]:
    with suppress(OSError):
        return {entry.name for entry in runs_dir.iterdir()}
    return set()


def _run_of(number: int, runs_dir: Path, before: set[str]) -> str:
    """The id of the new run that the process with this number holds; empty if it has none yet."""
    for name in _run_names(runs_dir) - before:
        with suppress(OSError, RunError):
            if RunFolder(runs_dir / name).held_by() == number:
                return name
    return ""
