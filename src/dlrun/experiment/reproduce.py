"""Train a run again from its stored spec in a new folder, and compare the two epoch by epoch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dlrun.errors import UsageError
from dlrun.experiment.ensemble.join import EnsembleOptions, join_runs
from dlrun.experiment.session import TrainingResult
from dlrun.experiment.train import train_file
from dlrun.experiment.transfer.initialize import parent_changes
from dlrun.runs import RUNS_DIR
from dlrun.runs.folder import RunFolder
from dlrun.runs.history import Row
from dlrun.runs.interface import data_changes, read_interface
from dlrun.runs.provenance.environment import differences
from dlrun.runs.query.catalog import find_run
from dlrun.runs.record import EnsembleRecord, read_record
from dlrun.spec.parse import override_list
from dlrun.spec.sharing.kept import config_changes
from dlrun.spec.stored import read_stored_spec
from dlrun.training.progress.events import Listener, Note, silent

TIMINGS = ("seconds", "examples_per_second", "data_wait")
"""Columns of metrics.jsonl that hold times, which differ between any two runs."""


@dataclass(frozen=True)
class Reproduction:
    """How a run that was trained again compares with the first.

    Args:
        again: The new run.
        identical: Whether every variable is equal to the bit.
        first_epoch: The first epoch whose scores differ; None if none does.
        largest: The scores of that epoch that differ: name, value then, value now.
        environment: The parts of the environment that have changed: key, before, now.
        data: How the data has changed, a sentence each.
        parents: How the runs have changed that it started from, a sentence each.
    """

    again: TrainingResult
    identical: bool
    first_epoch: int | None
    largest: Mapping[str, tuple[float | None, float | None]]
    environment: tuple[tuple[str, str, str], ...]
    data: tuple[str, ...] = ()
    parents: tuple[str, ...] = ()

    def plain(self) -> dict[str, Any]:
        """Return the comparison in a form that JSON can hold."""
        return {
            "run": self.again.folder.id,
            "identical": self.identical,
            "first_epoch": self.first_epoch,
            "largest": {name: list(values) for name, values in self.largest.items()},
            "environment": [dict(zip(("key", "before", "now"), change, strict=True)) for change in self.environment],
            "data": list(self.data),
            "parents": list(self.parents),
        }

    def lines(self) -> list[str]:
        """Return the comparison as lines of text."""
        lines = ["bit-identical: every variable and every score" if self.identical else "not identical"]
        if self.first_epoch is not None:
            lines.append(f"epoch {self.first_epoch} differs first:")
            lines += [f"  {name}: {before} then, {now} now" for name, (before, now) in self.largest.items()]
        elif not self.identical:
            lines.append("the scores of every epoch are equal, but the variables at the end differ")
        lines += [
            f"changed since then: {key} was {before!r} and is now {now!r}" for key, before, now in self.environment
        ]
        lines += [f"the data has changed since then: {change}" for change in self.data]
        lines += self.parents
        return (
            lines
            if self.environment or self.data or self.parents or self.identical
            else [*lines, "nothing in the environment has changed"]
        )


def reproduce(
    run: str | Path,
    *,
    overrides: str | Sequence[str] = (),
    trust_plugins: bool = False,
    runs_dir: str | Path = RUNS_DIR,
    listener: Listener = silent,
) -> Reproduction:
    """Train a completed run again from its stored spec, in a new folder, and compare the two.

    Args:
        run: A completed run: an id, a part of one, a path, `last`, or `best:KEY`.
        overrides: `key=value` each: the new place of the data.
        trust_plugins: Whether to load the plugins, which are code, of a run that was made elsewhere.
        runs_dir: The folder to look for runs in, and to make the new one in.
        listener: Called with every event.

    Returns:
        Whether the new run is bit-identical, and where the two differ first.

    Raises:
        UsageError: The run was not completed.
        RunError: What it recorded is damaged.
    """
    overrides = override_list(overrides)
    before = find_run(str(run), runs_dir=Path(runs_dir))
    record = before.read_record()
    if record.weights_sha256 is None:
        raise UsageError(f"the run {before.id} was not completed", expected="a completed run", hint="dlrun resume")
    if record.ensemble is not None:
        return _join_again(before, record.ensemble, runs_dir=Path(runs_dir), overrides=overrides, listener=listener)
    parents = tuple(parent_changes(record, Path(runs_dir)))
    rows = before.read_metrics()  # damage is found here, before an hour of training
    file = read_stored_spec(before, overrides, trust_plugins=trust_plugins, trains=bool(overrides))
    if changes_of_config := config_changes(file, before):
        listener(Note("config", changes_of_config))
    again = train_file(file, runs_dir=Path(runs_dir), listener=listener)
    after = again.folder.read_record()
    first_epoch, largest = _first_difference(rows, again.folder.read_metrics())
    return Reproduction(
        again,
        identical=record.weights_sha256 == after.weights_sha256 and first_epoch is None,
        first_epoch=first_epoch,
        largest=largest,
        environment=tuple(differences(record.environment, after.environment)),
        data=() if after.dataset is None else data_changes(before, after.dataset, read_interface(again.folder)),
        parents=parents,
    )


def _join_again(
    before: RunFolder,
    made: EnsembleRecord,
    *,
    runs_dir: Path,
    overrides: tuple[str, ...],
    listener: Listener,
) -> Reproduction:
    """Join the members of an ensemble again, and compare the two.

    Raises:
        UsageError: A member was removed, or has been trained since.
    """
    for member in made.members:
        path = runs_dir / member.id
        now = read_record(path / "run.json").weights_sha256 if (path / "run.json").is_file() else None
        if now is None or now != member.weights_sha256:
            what = "is no longer there" if now is None else "has been trained since"
            raise UsageError(
                f"the ensemble {before.id} cannot be joined again, because its member {path} {what}",
                expected="its members as they were",
                hint=f"{before.id} is complete without them; dlrun eval {before.id} evaluates it",
            )
    record = before.read_record()
    options = EnsembleOptions(made.method, record.name, overrides)
    runs = [str(runs_dir / member.id) for member in made.members]
    again = join_runs(runs, options, runs_dir=runs_dir, listener=listener)
    after = again.folder.read_record()
    scores = {
        f"{split}_{name}": (value, after.result.get(split, {}).get(name))
        for split, values in record.result.items()
        for name, value in values.items()
        if value != after.result.get(split, {}).get(name)
    }
    return Reproduction(
        again,
        identical=record.weights_sha256 == after.weights_sha256 and not scores,
        first_epoch=None,
        largest=scores,
        environment=tuple(differences(record.environment, after.environment)),
        data=() if after.dataset is None else data_changes(before, after.dataset, read_interface(again.folder)),
    )


def _first_difference(before: Sequence[Row], after: Sequence[Row]) -> tuple[int | None, dict[str, tuple[Any, Any]]]:
    for epoch, (old, new) in enumerate(zip(before, after, strict=False), start=1):
        keys = [key for key in {**old, **new} if key not in TIMINGS and old.get(key) != new.get(key)]
        if keys:
            return epoch, {key: (old.get(key), new.get(key)) for key in keys}
    lengths = len(before), len(after)
    return (min(lengths) + 1, {"epochs": lengths}) if lengths[0] != lengths[1] else (None, {})
