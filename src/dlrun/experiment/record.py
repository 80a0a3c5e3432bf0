"""Make the run folder, and record in it how a training goes and how it ends."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, nullcontext, suppress
from dataclasses import asdict
from hashlib import sha256
from pathlib import Path
from signal import SIGINT
from statistics import median
from typing import TYPE_CHECKING, Any

import yaml

from dlrun.errors import DlrunError, Interrupted, Paused, RunError, UsageError, encodable
from dlrun.metrics.metric import directions_of
from dlrun.runs import RUNS_DIR
from dlrun.runs.compare.baseline import warn_of_naive
from dlrun.runs.folder import RunFolder, now
from dlrun.runs.provenance import machine as provenance
from dlrun.runs.provenance.repository import git_diff, git_state
from dlrun.runs.provenance.trust import sign
from dlrun.runs.record import Choice, DatasetRecord, Status
from dlrun.runs.removal import clear_dropped
from dlrun.runs.sums import checkpoint_sums
from dlrun.spec.identity import identify
from dlrun.spec.parse import SpecFile
from dlrun.spec.sharing.kept import keep_config
from dlrun.spec.types import Spec
from dlrun.system.disk import disk, explained
from dlrun.training.devices.cluster import ALONE, Cluster, read_cluster
from dlrun.training.progress.timeline import Timeline, added
from dlrun.training.stop import Stop

if TYPE_CHECKING:
    from dlrun.training.setup import TrainingSetup
    from dlrun.training.state import TrainingState


_MOST_LAYERS = 500


@contextmanager
def new_folder(file: SpecFile, runs_dir: Path, *, cluster: Cluster = ALONE) -> Iterator[RunFolder]:
    """Make a run folder and hold it, so that no other process sees it without a holder.

    Args:
        file: The spec to train.
        runs_dir: The folder of the runs.
        cluster: The processes that train together. Only the chief's folder is among the runs: another worker's is in a
            temporary place and is removed at the end.

    Raises:
        UsageError: The path is not UTF-8 text.
        RunError: The folder cannot be made or written to.
    """
    with ExitStack() as stack:
        if not cluster.is_chief:
            runs_dir = stack.enter_context(_temporary_folder())
        if encodable(str(runs_dir.absolute())) != str(runs_dir.absolute()):
            what = f"{encodable(str(runs_dir.absolute()))} is not UTF-8 text, and run.json names files of the run"
            raise UsageError(what, expected="a folder with a name of UTF-8 characters", hint="--runs-dir runs")
        clear_dropped(runs_dir)
        folder = RunFolder.reserve(runs_dir, name=_name_in_id(file.spec))
        unless_filled = stack.enter_context(ExitStack())  # before the lock, so that it acts once that is released
        unless_filled.callback(_remove, folder)
        stack.enter_context(folder.lock())
        _fill(folder, file)
        unless_filled.pop_all()
        yield folder


def _remove(folder: RunFolder) -> None:
    """Remove a folder that did not become a run: it was interrupted, or the file system has no locks or no room."""
    with suppress(OSError):
        disk.remove_tree(folder.path)


@contextmanager
def held_folder(folder: RunFolder, *, cluster: Cluster = ALONE) -> Iterator[RunFolder]:
    """Hold a run that exists; of the processes that train together only the chief does.

    Raises:
        RunError: Another process holds it.
    """
    with folder.lock() if cluster.is_chief else nullcontext():
        yield folder


def create_folder(file: SpecFile, runs_dir: Path) -> RunFolder:
    """Make the run folder with everything that is known before the first stage, and release it.

    Raises:
        RunError: It cannot be made or written to.
    """
    with new_folder(file, runs_dir) as folder:
        return folder


@contextmanager
def _temporary_folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="dlrun-worker-", ignore_cleanup_errors=True) as place:
        yield Path(place)


def _name_in_id(spec: Spec) -> str:
    """Return the name of a run in its id, which tells the folds of one spec apart in every list."""
    fold = spec.dataset.fold
    if fold is None:
        return spec.name
    return f"{spec.name}-fold{fold.index}" + (f"-repeat{fold.repeat}" if fold.repeat else "")


def _fill(folder: RunFolder, file: SpecFile) -> None:
    """Write the first files of a run; run.json last, so that a process that is killed here leaves no run."""
    # First what takes time, so that the folder is incomplete for a few milliseconds only.
    code, packages = file.path.resolve().parent, provenance.packages_text()
    git = git_state(code) if file.trust.repository else None
    diff = git_diff(code) if git and git["dirty"] else None
    known = {
        "command": tuple(map(encodable, sys.argv)),
        "identity": identify(file).model_dump(),
        "git": git,
        "versions": provenance.versions(),
        "machine": provenance.machine(),
        "model": {"type": file.spec.model.type_name},
        "directions": directions_of(file.spec.metrics),
    }
    folder.write_text(folder.packages_txt, packages)
    if diff is not None:
        folder.write_text(folder.git_diff, diff)
    config = keep_config(folder, file)
    spec_sha256, note = _write_spec(folder, _portable(file.spec, folder))
    folder.begin_record(
        file.spec.name, spec_sha256=spec_sha256, signature_note=note or None, config=config.model_dump(), **known
    )


def write_spec(folder: RunFolder, spec: Mapping[str, Any]) -> None:
    """Write spec.yaml, which is complete and trains the same model again, and sign the run with it."""
    spec_sha256, note = _write_spec(folder, spec)
    folder.update_record(spec_sha256=spec_sha256, signature_note=note or None)


def _write_spec(folder: RunFolder, spec: Mapping[str, Any]) -> tuple[str, str]:
    """Write and sign spec.yaml; return its sha256, and a note on the signature."""
    text = yaml.safe_dump(dict(spec), sort_keys=False, allow_unicode=True, width=100)
    note = sign(folder, text)
    folder.write_text(folder.spec_yaml, text)
    return sha256(text.encode()).hexdigest(), note


@contextmanager
def recording(
    folder: RunFolder, stop: Stop | None = None, *, stopped: str = "stopped by the user", **changes: Any
) -> Iterator[None]:
    """Record that the run is running and, at the end of the block, whether it completed, was interrupted or failed.

    Args:
        folder: The run.
        stop: The signals. A second one ends the process at once, and that is recorded, too.
        stopped: The reason to record if a signal ends it.
        changes: Keys of run.json to set at the start.

    Raises:
        Interrupted: The user stopped the run.
        Paused: The search that trains it has paused it.
    """
    # The sums of an earlier training are dropped first: this one will write other files, and a sum on record makes a
    # reader refuse a file that does not fit it.
    folder.record_sums({folder.metrics_jsonl: None})
    # The decision of an earlier end belongs to other weights.
    folder.update_record(status="running", reason=None, finished=None, checkpoints_sha256={}, decision=None, **changes)
    if stop is not None:
        stop.leave = lambda: _record_leaving(folder)
    try:
        yield
    except KeyboardInterrupt as error:
        _record_end(folder, "interrupted", stopped)
        raise interrupted(folder, signal=next(iter(error.args), None)) from error
    except Interrupted as error:
        _record_end(folder, "interrupted", error.what if isinstance(error, Paused) else stopped)
        raise
    except DlrunError as error:
        _record_end(folder, "failed", error.what)
        raise
    except BaseException as error:
        _record_end(folder, "failed", f"{type(error).__name__}: {error}")
        raise
    folder.update_record(status="completed", finished=now())


def _record_leaving(folder: RunFolder) -> None:
    """Record that the user did not wait for the last checkpoint, unless the run has ended already."""
    with suppress(RunError):
        if folder.read_record().status == "running":
            _record_end(folder, "interrupted", "stopped by the user at once, without a checkpoint of the last step")


def _record_end(folder: RunFolder, status: Status, reason: str) -> None:
    # The disk may be full or the folder gone. The error to show is the one that ended the run, not this one.
    with suppress(RunError):
        folder.update_record(status=status, reason=reason, finished=now())


def interrupted(folder: RunFolder, *, signal: int | None = None) -> Interrupted:
    """Return the error for a run that the user stopped, with the command that continues it.

    Args:
        folder: The run.
        signal: The signal that stopped it, which decides the exit code.
    """
    cluster = read_cluster()
    command = cluster.resume_command(folder.id) + runs_option(folder)
    error = Interrupted(f"stopped; the run is in {folder.path}", hint=f"{command} continues at the next step")
    if _is_ensemble(folder):
        hint = f"dlrun ensemble joins the runs again; dlrun runs rm {folder.id}{runs_option(folder)} removes this one"
        error = Interrupted(f"stopped; the ensemble in {folder.path} is not complete", hint=hint)
    if not cluster.is_chief:
        error = Interrupted("stopped; the run is in the run folder of worker 0")
    error.exit_code = 128 + (signal or SIGINT)
    return error


def _is_ensemble(folder: RunFolder) -> bool:
    with suppress(RunError):
        return folder.read_record().is_ensemble
    return False


def runs_option(folder: RunFolder) -> str:
    """Return the `--runs-dir` that a command line needs to find the run; empty for the usual folder."""
    runs_dir = folder.path.parent
    return "" if runs_dir in (RUNS_DIR, RUNS_DIR.resolve()) else f" --runs-dir {runs_dir}"


@contextmanager
def explaining_interruption(folder: RunFolder) -> Iterator[None]:
    """Turn an interruption into the error that says how to continue, and leave the record as it is.

    Raises:
        Interrupted: The user stopped the run.
    """
    try:
        yield
    except KeyboardInterrupt as error:
        raise interrupted(folder, signal=next(iter(error.args), None)) from error


def record_choices(folder: RunFolder, setup: TrainingSetup, *, jit: Choice, environment: Mapping[str, str]) -> None:
    """Record what was chosen and loaded, before the first step; in spec.yaml, too, so that a resume takes the same."""
    from dlrun.training.plan import plan_layers

    compiled = setup.compiled
    before = folder.read_record()
    # The reasons are written before spec.yaml: a kill in between must not leave choices without their reasons, because
    # a resume takes the choices of spec.yaml as given and has no reasons of its own.
    folder.update_record(
        device=setup.device.choice.model_dump(),
        precision=_with_reason(before.precision, compiled.precision).model_dump(),
        jit=_with_reason(before.jit, jit).model_dump(),
        cpu_shares=_with_reason(before.cpu_shares, compiled.shares).model_dump(),
        model={
            "type": setup.spec.model.type_name,
            "parameters": compiled.model.count_params(),
            "layers": [asdict(layer) for layer in plan_layers(compiled.core)[:_MOST_LAYERS]],
        },
        features=None if setup.features is None else setup.features.model_dump(),
        dataset=DatasetRecord.of(setup.dataset).model_dump(),
        environment=environment,
    )
    write_spec(folder, _portable(setup.spec_with_choices(jit=jit.value), folder))
    folder.record_sums({folder.interface_json: folder.write_json(folder.interface_json, setup.interface().plain())})


def _with_reason(before: Choice | None, now: Choice) -> Choice:
    """Return the present choice; if it was only read from spec.yaml, with the reason that it was first made for."""
    return before if before is not None and before.value == now.value else now


def record_progress(folder: RunFolder, state: TrainingState) -> None:
    """Record how far the training came, however it ended.

    The results will rest on these checkpoints and this history: their sums go on record. An error here is ignored, so
    that it does not hide the one that ended the training.
    """
    with suppress(DlrunError):
        length, digest = folder.history.mark()
        folder.record_sums({folder.metrics_jsonl: digest if length else None})
        folder.update_record(
            best=asdict(state.best) if state.best else None,
            seconds=round(state.seconds, 3),
            checkpoints_sha256=checkpoint_sums(folder.checkpoints),
        )


def record_time(folder: RunFolder, timeline: Timeline) -> dict[str, float]:
    """Record how long each phase took, however the run ended.

    Returns:
        The seconds of this command, by phase.
    """
    seconds = {phase: round(value, 3) for phase, value in timeline.seconds().items()}
    with suppress(DlrunError):
        folder.update_record(time=added(folder.read_record().time, seconds))
    return seconds


def record_outcome(
    folder: RunFolder,
    scores: Mapping[str, Mapping[str, float]],
    *,
    weights_sha256: str,
    reason: str,
) -> None:
    """Record the scores of the final model, whether they are below the baseline, and the speed of the training."""
    rates = [rate for row in folder.read_metrics() if (rate := row.get("examples_per_second")) is not None]
    record = folder.update_record(
        result=scores,
        reason=reason or None,
        throughput=median(rates) if rates else None,
        weights_sha256=weights_sha256,
    )
    if record.baseline and (warning := warn_of_naive(record)):
        folder.update_record(baseline=record.baseline.model_copy(update={"warning": warning}))


def _portable(spec: Spec, folder: RunFolder) -> dict[str, Any]:
    """Return the spec so that it works anywhere: paths absolute, plugins as copies in the run folder."""
    plain = spec.plain()
    for key in spec.dataset.place_keys:
        place = plain["dataset"][key]
        if isinstance(place, str):
            plain["dataset"][key] = str(Path(place).expanduser().absolute())
    for key, path in spec.model.files().items():
        plain["model"][key] = str(Path(path).expanduser().absolute())
    if spec.tracking is not None:
        plain["tracking"] = spec.tracking.absolute().plain()
    copies = []
    for index, plugin in enumerate(map(Path, spec.plugins)):
        copy = folder.plugins / plugin.name
        if plugin.parent != folder.plugins.resolve():
            # Plugins from different folders may have the same name.
            copy = folder.plugins / (plugin.name if plugin.name not in copies else f"{index}_{plugin.name}")
            with explained(f"make {folder.plugins}"):
                disk.make_folders(folder.plugins)
            folder.write_text(copy, plugin.read_text(encoding="utf-8"))
        copies.append(copy.name)
    return {**plain, "plugins": [f"{folder.plugins.name}/{name}" for name in copies]} if copies else plain
