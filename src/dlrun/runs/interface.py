"""Read a run's `interface.json`, the description of its model's input and output."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from dlrun.data.interface import Interface, parse_interface
from dlrun.data.series.input import SeriesInput
from dlrun.data.table.input import TableInput
from dlrun.errors import RunError
from dlrun.runs.folder import RunFolder
from dlrun.runs.sums import check_presence, check_sum
from dlrun.system.disk import disk, explained

_LARGEST_BYTES = 1 << 28  # the file contains vocabularies
_NAMED = 8


def read_interface(folder: RunFolder) -> Interface:
    """Return the description of the input and output of a run's model, without importing TensorFlow.

    Args:
        folder: the run.

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
    return parse_interface(text, origin=str(folder.interface_json))


def data_changes(folder: RunFolder, fingerprint: str, now: Interface) -> tuple[str, ...]:
    """Compare the current data with the data that a run was trained on: its bytes, columns and classes.

    The columns are compared too because the fingerprint covers numbers only, so it does not show a renamed column.

    Args:
        folder: the run.
        fingerprint: the fingerprint of the current data.
        now: the interface of a model for the current data.

    Returns:
        A sentence for each difference; none for a run that ended before its data was loaded.
    """
    recorded = folder.read_record().dataset
    changes = list(_find_renamed(read_interface(folder), now)) if folder.interface_json.exists() else []
    if recorded is not None and recorded.fingerprint != fingerprint:
        changes.append(f"the dataset fingerprint was {recorded.fingerprint}, and is now {fingerprint}")
    return tuple(changes)


def _find_renamed(before: Interface, now: Interface) -> Iterator[str]:
    pairs = (
        ("columns", _columns(before), _columns(now)),
        ("targets", before.target.names, now.target.names),
        ("classes", before.target.class_names, now.target.class_names),
    )
    for what, then, there in pairs:
        missing, added = _without(then, there), _without(there, then)
        if missing or added:
            parts = [
                f"{verb} {', '.join(names[:_NAMED])}"
                for verb, names in (("without", missing), ("with", added))
                if names
            ]
            yield f"its {what} differ: {' and '.join(parts)}"
        elif then != there:
            yield f"its {what} are in another order"


def _columns(interface: Interface) -> tuple[str, ...]:
    raw = interface.raw
    return tuple(column.name for column in raw.columns) if isinstance(raw, TableInput | SeriesInput) else ()


def _without(names: Sequence[str], others: Sequence[str]) -> list[str]:
    known = set(others)
    return [name for name in names if name not in known]
