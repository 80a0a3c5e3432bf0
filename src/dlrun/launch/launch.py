"""Run a training command in several processes of this machine that train one model together."""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path

from dlrun.errors import DataError, DlrunError, RunError, SpecError, UsageError
from dlrun.launch.workers import Worker, end, failed_worker, forward_signals, signal_name, start_workers
from dlrun.runs import RUNS_DIR
from dlrun.runs.folder import RunFolder
from dlrun.runs.lock import Holder
from dlrun.runs.query.catalog import find_run
from dlrun.spec.parse import read_spec
from dlrun.spec.stored import read_stored_spec
from dlrun.training.devices.gpus import visible_gpus
from dlrun.training.stop import SIGNALS

LARGEST_NUMBER = 256
_LOOK_SECONDS = 0.05
_GRACE_SECONDS = 5.0
"""How long the others may take to end by themselves, once one worker has ended badly."""


@dataclass(frozen=True)
class LaunchOptions:
    """What `dlrun launch` is asked for.

    Args:
        workers: Number of processes.
        runs_dir: The folder of the runs.
        overrides: `key=value` each.
        arguments: The options of the command that each process runs; the runs folder and the overrides are among them.
        trust_plugins: Whether to load the plugins of a run that was made elsewhere.
    """

    workers: int
    runs_dir: Path
    overrides: tuple[str, ...]
    arguments: tuple[str, ...]
    trust_plugins: bool = False


def launch_training(config: Path, options: LaunchOptions) -> int:
    """Check a YAML file, and train it with several processes; see `launch`.

    Raises:
        SpecError: The spec is wrong.
        UsageError: There cannot be so many workers.
        RunError: A worker has died.
    """
    spec = read_spec(config, options.overrides, trust_plugins=options.trust_plugins).spec
    if spec.folds is not None:
        what = f"{config} has folds, each of which is a run that trains in one process"
        raise UsageError(what, expected="a spec without folds", hint="dlrun train CONFIG trains all of them")
    return launch(("train", *options.arguments, "--", str(config)), options, device=spec.training.device)


def launch_resume(run: str, options: LaunchOptions) -> int:
    """Resume a run with several processes; see `launch`.

    Raises:
        UsageError: There is no such run, or there cannot be so many workers.
        RunError: A worker has died.
    """
    folder = find_run(run, runs_dir=options.runs_dir)
    device = read_stored_spec(folder, options.overrides, trust_plugins=options.trust_plugins).spec.training.device
    # The path names the run in every process, whatever else is made meanwhile: `last` may not.
    return launch(("resume", *options.arguments, "--", str(folder.path)), options, device=device, run_id=folder.id)


def launch(arguments: Sequence[str], options: LaunchOptions, *, device: str, run_id: str = "") -> int:
    """Run a command of dlrun in several processes that train one model together.

    The first of them, the chief, writes the run folder and prints. Each gets its part of the cores and of the GPUs. A
    signal to this process is sent on to all of them.

    Args:
        arguments: The arguments of `dlrun`: `train CONFIG ...` or `resume RUN ...`.
        options: How many processes, and where their run is.
        device: The spec's `training.device`.
        run_id: The run, if there is one already.

    Returns:
        The chief's exit code.

    Raises:
        UsageError: There cannot be so many.
        RunError: A worker has died.
    """
    workers, runs_dir = options.workers, options.runs_dir
    _check_number(workers, device)
    before = _run_names(runs_dir)
    with ExitStack() as stack:
        crew = stack.enter_context(start_workers(arguments, workers=workers, device=device))
        stack.enter_context(forward_signals(crew))
        first = None
        while first is None and any(worker.process.poll() is None for worker in crew):
            time.sleep(_LOOK_SECONDS)
            run_id = run_id or _run_of(crew[0].process.pid, runs_dir, before)
            first = failed_worker(crew)
        first = first or failed_worker(crew)
        if first is not None:
            end(crew, seconds=_GRACE_SECONDS)
            _raise_if_died(first, crew[0], workers=workers, run_id=run_id, runs_dir=runs_dir)
        return crew[0].process.returncode


def _raise_if_died(first: Worker, chief: Worker, *, workers: int, run_id: str, runs_dir: Path) -> None:
    """Name the worker that died, unless the chief has printed an error that explains it.

    Args:
        first: The worker that ended badly before all others.
        chief: Worker 0.
        workers: Number of workers.
        run_id: Their run; empty if there is none.
        runs_dir: The folder of the runs.

    Raises:
        RunError: The worker died for a reason of its own.
    """
    code = first.process.returncode
    was_stopped = code in {128 + number for number in SIGNALS}
    # A wrong spec, or wrong data, ends all workers, any of them first; the chief has printed what is wrong.
    was_explained = chief.process.returncode == code and code in (SpecError.exit_code, DataError.exit_code)
    if was_stopped or was_explained or (first is chief and code == DlrunError.exit_code):
        return
    how = f"was killed by {signal_name(-code)}" if code < 0 else f"ended with exit code {code}"
    what = f"worker {first.index} of {workers} {how}"
    if line := first.last_line():
        what += f"; its last line: {line}"
    option = "" if runs_dir == RUNS_DIR else f" --runs-dir {runs_dir}"
    command = f"dlrun launch --workers {workers} --resume {run_id}{option}"
    hint = f"{command} continues from the last checkpoint" if run_id else "it ended before there was a run to resume"
    raise RunError(f"{what}; the other workers were stopped", hint=hint)


def _check_number(workers: int, device: str) -> None:
    """Refuse a number of workers that this machine or this spec cannot have.

    Raises:
        UsageError: There cannot be so many.
    """
    if not 1 < workers <= LARGEST_NUMBER:
        several = "run dlrun train on each of several machines, with TF_CONFIG or under srun"
        hint = several if workers > 1 else "dlrun train trains in one process"
        raise UsageError(f"--workers is {workers}", expected=f"2 to {LARGEST_NUMBER} processes", hint=hint)
    if ":" in device:
        what = f"training.device is {device}, but each of {workers} workers takes its own share of the devices"
        raise UsageError(what, expected="auto, cpu or gpu", hint="--set training.device=auto")
    gpus = visible_gpus()
    if device != "cpu" and 0 < len(gpus) < workers:
        what = f"there are {workers} workers, but this machine has {len(gpus)} GPU{'s' if len(gpus) > 1 else ''}"
        raise UsageError(what, expected="a GPU for each worker", hint="use fewer workers, or --set training.device=cpu")


def _run_names(runs_dir: Path) -> set[str]:
    with suppress(OSError):
        return {entry.name for entry in runs_dir.iterdir()}
    return set()


def _run_of(number: int, runs_dir: Path, before: set[str]) -> str:
    """Return the id of the new run that the process with this number holds; empty if it has none yet."""
    for name in _run_names(runs_dir) - before:
        with suppress(OSError, RunError):
            if RunFolder(runs_dir / name).held_by() == Holder(number):
                return name
    return ""
