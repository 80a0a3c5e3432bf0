"""Read a run's `interface.json`, the description of its model's input and output, and compare it with other data."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from dlrun.data.columns import NumericColumn
from dlrun.data.interface import Interface, parse_interface
from dlrun.data.series.input import SeriesInput
from dlrun.data.table.input import TableInput
from dlrun.decision import Decision
from dlrun.errors import RunError
from dlrun.runs.folder import RunFolder
from dlrun.runs.record import DatasetRecord
from dlrun.runs.sums import check_presence, check_sum
from dlrun.signature import Target
from dlrun.system.disk import disk, explained

_LARGEST_BYTES = 1 << 28  # the file contains vocabularies
_NAMED, _HASH_LETTERS = 8, 8


def read_interface(folder: RunFolder) -> Interface:
    """Return the description of the input and output of a run's model, without importing TensorFlow.

    Its target has the decision of the run, if one was chosen.

    Args:
        folder: The run.

    Raises:
        RunError: The run ended before it had an interface, or the file is damaged or was changed.
    """
    check_presence(folder.path, folder.interface_json)
    if not folder.interface_json.exists():
        raise RunError(
            f"{folder.path} has no {folder.interface_json.name}",
            expected="a run that has started to train",
            hint=f"dlrun resume {folder.id}",
        )
    with explained(f"read {folder.interface_json}"):
        text = disk.read_file(folder.interface_json, largest=_LARGEST_BYTES)
    check_sum(folder.path, folder.interface_json, text)
    interface = parse_interface(text, origin=str(folder.interface_json))
    return replace(interface, target=interface.target.decided_by(read_decision(folder, interface.target)))


def read_decision(folder: RunFolder, target: Target) -> Decision | None:
    """Return the decision of a run; None if there is none, or one that changes nothing.

    Args:
        folder: The run.
        target: What its model predicts.

    Raises:
        RunError: The decision does not fit the target.
    """
    record = folder.read_record().decision
    if record is None or record.value == Decision():
        return None
    decision, needed = record.value, 1 if target.kind == "classes" else len(target.class_counts) or target.size
    counts = {
        "thresholds": (len(decision.thresholds), needed if target.has_threshold else 0),
        "temperatures": (len(decision.temperatures), needed if target.is_decided else 0),
        "curves": (len(decision.curves), needed if target.has_threshold else 0),
    }
    for name, (count, possible) in counts.items():
        if count not in (0, possible):
            raise RunError(f"{folder.run_json} is damaged: decision.{name} has {count} members instead of {possible}")
    return decision


def data_changes(folder: RunFolder, data: DatasetRecord, now: Interface) -> tuple[str, ...]:
    """Compare the current data with the data that a run was trained on: its numbers, and the names behind them.

    Args:
        folder: The run.
        data: The current data.
        now: The interface of a model for the current data.

    Returns:
        A sentence for each difference; none for a run that ended before its data was loaded.
    """
    recorded = folder.read_record().dataset
    before = read_interface(folder) if folder.interface_json.exists() else None
    changes = [] if before is None else list(_renamed(before.names(), now.names()))
    if recorded is not None and recorded.fingerprint != data.fingerprint:
        other = (*_resized(recorded, data), *(() if before is None else _remeasured(before, now)))
        if not other and not changes:
            then, there = (each.fingerprint[:_HASH_LETTERS] for each in (recorded, data))
            other = (f"some of its values differ (sha256 {then}..., and now {there}...)",)
        changes.extend(other)
    return tuple(changes)


def _renamed(before: Mapping[str, Sequence[str]], now: Mapping[str, Sequence[str]]) -> Iterator[str]:
    # What only one of them has belongs to a column that the other lacks, which the columns show.
    for what, then in before.items():
        there = now.get(what, then)
        missing, added = _without(then, there), _without(there, then)
        if missing or added:
            parts = [f"{verb} {_listed(names)}" for verb, names in (("without", missing), ("with", added)) if names]
            yield f"its {what} differ: {' and '.join(parts)}"
        elif tuple(then) != tuple(there):
            yield f"its {what} are in another order"


def _resized(before: DatasetRecord, now: DatasetRecord) -> Iterator[str]:
    for split in dict.fromkeys((*before.examples, *now.examples)):
        then, there = before.examples.get(split, 0), now.examples.get(split, 0)
        if then != there:
            yield f"{split} had {then:,} examples, and now has {there:,}"


def _remeasured(before: Interface, now: Interface) -> Iterator[str]:
    """Name the columns and targets whose values changed, as far as the statistics of the training split show it."""
    then, there = _statistics(before), _statistics(now)
    if names := [name for name, values in then.items() if there.get(name, values) != values]:
        yield f"values differ in {_listed(names)}"


def _statistics(interface: Interface) -> dict[str, tuple[float, ...]]:
    raw, target = interface.raw, interface.target
    columns = raw.columns if isinstance(raw, TableInput | SeriesInput) else ()
    found: dict[str, tuple[float, ...]] = dict(
        zip(target.names, zip(target.mean, target.scale, strict=True), strict=False)
    )
    for column in columns:
        if isinstance(column, NumericColumn):
            found[column.name] = (column.median, column.mean, column.variance, column.offset)
    return found


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - _NAMED:,} more" if len(names) > _NAMED else ""
    return ", ".join(names[:_NAMED]) + more


def _without(names: Sequence[str], others: Sequence[str]) -> list[str]:
    known = set(others)
    return [name for name in names if name not in known]
