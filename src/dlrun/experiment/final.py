"""Train the spec of a run again on all rows, once its choices have been made on held-out ones."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dlrun.errors import UsageError
from dlrun.experiment.session import TrainingResult
from dlrun.experiment.train import train_file
from dlrun.runs import RUNS_DIR
from dlrun.runs.folder import RunFolder
from dlrun.runs.query.catalog import find_run
from dlrun.runs.record import RunRecord
from dlrun.spec.parse import SpecFile, override_list
from dlrun.spec.stored import read_stored_spec
from dlrun.training.devices.cluster import read_cluster
from dlrun.training.progress.events import Listener, Note, silent
from dlrun.training.progress.timeline import Timeline

if TYPE_CHECKING:
    from dlrun.spec.types import Spec


def train_final(
    run: str | Path,
    *,
    overrides: str | Sequence[str] = (),
    trust_plugins: bool = False,
    runs_dir: str | Path = RUNS_DIR,
    listener: Listener = silent,
    began: float | None = None,
) -> TrainingResult:
    """Train the spec of a completed run again in a new folder, on the rows that it held out as well.

    The new run is as long as the first: as many epochs as its best one, or as all of them if it kept the last. Nothing
    is left to score it on; the scores of the first run are the estimate of how good it is.

    Args:
        run: A completed run that held out rows: an id, a part of one, a path, `last`, or `best:KEY`.
        overrides: `key=value` each, as `--set` takes them.
        trust_plugins: Whether to load the plugins, which are code, of a run that was made elsewhere.
        runs_dir: The folder to look for runs in, and to make the new one in.
        listener: Called with every event.
        began: When the program began, by `time.perf_counter`; None: now.

    Returns:
        The new run folder, its scores, and the content of its run.json.

    Raises:
        UsageError: The run is not complete, held out nothing, or its held-out rows are in files of their own.
        SpecError: An override is wrong.
        DataError: The data is missing or wrong.
        RunError: The training failed.
    """
    timeline, folder = Timeline(began), find_run(str(run), runs_dir=Path(runs_dir))
    record = folder.read_record()
    if record.weights_sha256 is None:
        raise UsageError(f"the run {folder.id} was not completed", expected="a completed run", hint="dlrun resume")
    spec = read_stored_spec(folder, override_list(overrides), trust_plugins=trust_plugins).spec
    epochs = _length(folder, record, spec)
    changes = [*override_list(overrides), *_on_all_rows(folder, spec), f"training.epochs={epochs}"]
    if spec.decision is not None and spec.decision.looks_at_validation:
        changes.append("decision=null")
        what = "no rows are left to choose a decision on, so the final model gives probabilities as it is trained"
        listener(Note("warning", f"{what}; a threshold can be given: --set 'decision={{threshold: 0.3}}'"))
    file: SpecFile = read_stored_spec(folder, tuple(changes), trust_plugins=trust_plugins, trains=True)
    which = "the best epoch" if record.best is not None and _keeps_best(spec) else "the length"
    listener(Note("final", f"all rows for {epochs:,} epochs, {which} of {folder.id}"))
    if (spanning := spec.spanning_schedule()) and epochs != spec.training.epochs:
        listener(Note("warning", f"the {spanning} is compressed into {epochs:,} epochs"))
    return train_file(file, runs_dir=Path(runs_dir), listener=listener, timeline=timeline, cluster=read_cluster())


def _keeps_best(spec: Spec) -> bool:
    return spec.training.early_stopping is not None and spec.training.early_stopping.restore_best


def _length(folder: RunFolder, record: RunRecord, spec: Spec) -> int:
    """Return the epochs after which the run had the weights that it kept."""
    if record.best is not None and _keeps_best(spec):
        return max(1, record.best.epoch)
    rows = folder.read_metrics()
    return max(1, len(rows))


def _on_all_rows(folder: RunFolder, spec: Spec) -> Iterator[str]:
    """Yield the overrides that give the held-out rows back to training.

    Raises:
        UsageError: Nothing is held out, or not by a key that can be taken back.
    """
    dataset: dict[str, Any] = spec.dataset.plain()
    if spec.dataset.split_keys():
        keys = " and ".join(f"dataset.{key}" for key in spec.dataset.split_keys().values())
        raise UsageError(
            f"the held-out examples of {folder.id} are in places of their own, which {keys} names",
            expected="a run that holds out examples of one place by dataset.validation or dataset.test",
            hint="put all rows into one file, or give a pattern of files: dataset.path='data/*.csv'",
        )
    held_out = [key for key in ("validation", "test") if dataset.get(key)]
    if not held_out and not dataset.get("split") and spec.dataset.fold is None:
        raise UsageError(
            f"the run {folder.id} holds out no examples, so that it was trained on all of them already",
            expected="a run with dataset.validation or dataset.test",
        )
    yield from (f"dataset.{key}=0" for key in held_out)
    if spec.dataset.fold is not None:
        yield "dataset.fold=null"
    if dataset.get("split"):
        # The column that named the splits would become a feature.
        yield from ("dataset.split=null", f"dataset.ignore={json.dumps([*dataset['ignore'], dataset['split']])}")
    yield from ("training.early_stopping=null", "training.monitor=auto", "training.steps=null")
