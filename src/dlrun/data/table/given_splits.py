"""The splits that a table gives, by its files or by a column, with the groups and weights of their rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt

from dlrun.data.columns import CodedRows
from dlrun.data.example_columns.columns import ExampleColumns, refuse_missing_groups, refuse_shared_groups
from dlrun.data.example_columns.division import refuse_given_twice
from dlrun.data.splits import Array, Split
from dlrun.data.table.keys import TableKeys

Indices = npt.NDArray[np.integer[Any]]


def given_parts(
    coded: CodedRows, tables: Sequence[str], described: ExampleColumns, *, source: TableKeys, notes: list[str]
) -> dict[str, Indices]:
    """Return the rows of the splits that the data gives, by its files or by its split column.

    Args:
        coded: All rows.
        tables: Names of the splits that have a table each.
        described: The columns that describe the rows.
        source: The keys of the table.
        notes: List for a note on the choice.

    Raises:
        DataError: The split column gives a split that is to be held out, too, or no row for training.
    """
    numbers = np.arange(len(coded), dtype=np.int32 if len(coded) < 2**31 else np.int64)
    ends = np.cumsum(coded.lengths)[:-1]
    parts: dict[str, Indices] = dict(zip(tables, np.split(numbers, ends), strict=True))
    if described.split is None:
        return parts
    parts = described.divided(parts["train"])
    refuse_given_twice(parts, source, column=source.split or "")
    found = ", ".join(f"{len(rows):,} for {'training' if name == 'train' else name}" for name, rows in parts.items())
    notes.append(f"split: {found}, by the column {source.split}")
    return parts


def whole_splits(
    parts: Mapping[str, Indices],
    values: Array | None,
    described: ExampleColumns,
    *,
    source: TableKeys,
    coded: CodedRows,
) -> dict[str, Split]:
    """Return the splits that the data gives, whose features are row numbers, with groups and weights of the rows.

    Args:
        parts: Rows of each split.
        values: Targets of all rows; None for an autoencoder.
        described: The columns that describe the rows.
        source: The keys of the table.
        coded: All rows.

    Raises:
        DataError: A row has no group, or a group is in two splits.
    """
    groups: dict[str, Array] = {}
    if described.group is not None and source.group is not None:
        groups = {name: described.group[part] for name, part in parts.items()}
        for name, part in parts.items():
            refuse_missing_groups(groups[name], source.group, partial(_place, coded, part))
        refuse_shared_groups(groups, name=source.group, group_names=described.group_names)
    return {
        name: Split(
            part,
            None if values is None else values[part],
            group=groups.get(name),
            weight=None if described.weight is None else described.weight[part],
        )
        for name, part in parts.items()
    }


def _place(coded: CodedRows, part: Indices, row: int) -> str:
    return coded.place(int(part[row]))
