"""What is said of rows that are not in time order, and of values that are no time."""

from __future__ import annotations

import math
from collections.abc import Sequence

from dlrun.data.columns import TableFiles
from dlrun.errors import DataError


def written_time(table: TableFiles, names: Sequence[str], row: int) -> str:
    """The time of a row as the file has it."""
    for block in table.blocks(list(names)):
        if row < block.first + block.rows:
            return " ".join(str(block.columns[name][row - block.first].as_py()).strip() for name in names)
    raise IndexError(row)


def gone_back(
    table: TableFiles, row: int, written: tuple[str, str], names: Sequence[str], *, is_descending: bool = False
) -> DataError:
    """The error of a time that goes back.

    Args:
        table: The series.
        row: The row that does it, from 0.
        written: The time of the row above, and its own.
        names: The columns of the time.
        is_descending: Whether all rows do it.
    """
    before, now = written
    by = ", ".join(names)
    said = f"{table.place(row)}: the time {now} comes after {before} in {table.place(row - 1)}"
    if is_descending:
        return DataError(
            f"{said}, and so on to the end: the file is descending, its newest row stands first",
            expected="rows in time order, the oldest first",
            hint=f"turn the file round, or sort it by {by}: with pandas pd.read_csv(A)[::-1].to_csv(B, index=False)",
        )
    return DataError(
        said,
        expected="rows in time order, the oldest first",
        hint=f"sort the file by {by}; if its rows are of several things (shops, sensors), keep those of one",
    )


def no_time(table: TableFiles, row: int, name: str, found: object, *, expected: str, hint: str) -> DataError:
    """The error of a value that is no time, or is missing."""
    is_missing = found is None or (isinstance(found, float) and math.isnan(found))
    said = f"column {name!r} has no value" if is_missing else f"column {name!r} holds {found!r}"
    return DataError(f"{table.place(row)}: {said}", expected=expected, hint=hint)
