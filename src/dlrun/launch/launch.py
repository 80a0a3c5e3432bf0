"""A command of dlrun in several processes of this machine that train one model: how they ended comes out."""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path

from dlrun.errors import DataError, DlrunError, RunError, SpecError, UsageError
from dlrun.launch.workers import Worker, end, signal_name, signals_forwarded, started, visible_gpus
from dlrun.runs import RUNS_DIR
from dlrun.runs.folder import RunFolder
from dlrun.runs.query.catalog import find_run
from dlrun.spec.parse import read_spec
from dlrun.spec.stored import read_stored_spec
from dlrun.training.stop import SIGNALS

LARGEST_NUMBER = 256
_LOOK_SECONDS = 0.05
_GRACE_SECONDS = 5.0
"""How long the others may take to end by themselves, once one worker has ended badly."""


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
    device = read_spec(config, wanted.overrides, trust_plugins=wanted.trust_plugins).spec.training.device
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
        crew = stack.enter_context(started(arguments, workers=workers, device=device))
        stack.enter_context(signals_forwarded(crew))
        first = None
        while first is None and any(worker.process.poll() is None for worker in crew):
            time.sleep(_LOOK_SECONDS)
            run_id = run_id or _run_of(crew[0].process.pid, runs_dir, before)
            first = next((worker for worker in crew if worker.ended_badly), None)
        first = first or next((worker for worker in crew if worker.ended_badly), None)
        if first is not None:
            end(crew, seconds=_GRACE_SECONDS)
            _raise_if_died(first, crew[0], workers=workers, run_id=run_id, runs_dir=runs_dir)
        return crew[0].process.returncode


def _raise_if_died(first: Worker, chief: Worker, *, workers: int, run_id: str, runs_dir: Path) -> None:
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
    was_stopped = code in {128 + number for number in SIGNALS}
    # A spec or data that is wrong is wrong in all of them, and any of them may be the first to end for it.
    was_told = chief.process.returncode == code and code in (SpecError.exit_code, DataError.exit_code)
    if was_stopped or was_told or (first is chief and code == DlrunError.exit_code):
        return
    how = f"was killed by {signal_name(-code)}" if code < 0 else f"ended with exit code {code}"
    said = f"worker {first.index} of {workers} {how}"
    if line := first.last_line():
        said += f"; its last line: {line}"
    option = "" if runs_dir == RUNS_DIR else f" --runs-dir {runs_dir}"
    command = f"dlrun launch --workers {workers} --resume {run_id}{option}"
    hint = f"{command} goes on from the last checkpoint" if run_id else "it ended before the run began"
    raise RunError(f"{said}; the others were ended", hint=hint)


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
    gpus = visible_gpus()
    if device != "cpu" and 0 < len(gpus) < workers:
        said = f"there are {workers} workers, and this machine has {len(gpus)} GPU{'s' if len(gpus) > 1 else ''}"
        raise UsageError(said, expected="a GPU for each worker", hint="fewer workers, or --set training.device=cpu")


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
