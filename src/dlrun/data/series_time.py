"""The columns of a series that tell the time, checked to never go back."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from dlrun.data.columns import TableFiles
from dlrun.errors import DataError

if TYPE_CHECKING:
    import pyarrow as pa

_OFFSET = re.compile(r"\d{2}:\d{2}\S* ?[+-]\d{2}:?\d{2}$")


def check_time(table: TableFiles, names: Sequence[str]) -> None:
    """Refuse rows that are not in time order.

    Args:
        table: The series.
        names: Columns of the time, from the slowest on: numbers, or dates as ISO 8601 writes them.

    Raises:
        DataError: A time is before that of the row above, or is neither: names both rows.
    """
    before: tuple[Any, ...] | None = None
    for block in table.blocks(list(names)):
        columns = [_comparable(table, block.first, name, block.columns[name]) for name in names]
        for row, now in enumerate(zip(*columns, strict=True)):
            if before is not None and now < before:
                raise DataError(
                    f"{table.place(block.first + row)}: the time {_written(now)} comes after {_written(before)}",
                    expected="rows in time order",
                    hint=f"sort the file by {', '.join(names)}",
                )
            before = now


def _comparable(table: TableFiles, first: int, name: str, values: pa.Array) -> list[Any]:
    """Numbers if all are, else text: of ISO 8601 the alphabet's order is that of time."""
    texts = values.to_pylist()
    try:
        numbers = [float(text) for text in texts]
    except TypeError as error:
        row = texts.index(None)
        raise DataError(f"{table.place(first + row)}: column {name!r} has no value", expected="a time") from error
    except ValueError:
        import pyarrow.compute as pc

        is_iso = pc.match_substring_regex(values.cast("string"), r"^\s*\d{4}-\d{2}(-\d{2})?").to_pylist()
        if not all(is_iso):
            row = is_iso.index(False) if False in is_iso else is_iso.index(None)
            raise DataError(
                f"{table.place(first + row)}: column {name!r} holds {texts[row]!r}",
                expected="a number, or a time as ISO 8601 writes it: 2024-03-31 14:00",
                hint="leave `time` out, if the rows are in order",
            ) from None
        return [_instant(text.strip()) for text in texts]
    return numbers


def _instant(text: str) -> str:
    """A time with an offset as UTC has it: clocks go back in autumn, and time does not."""
    if not _OFFSET.search(text):
        return text
    try:
        return dt.datetime.fromisoformat(text).astimezone(dt.UTC).isoformat(" ")
    except (ValueError, OverflowError):  # of the years 1 and 9999 some hours have no UTC
        return text


def _written(time: tuple[Any, ...]) -> str:
    return " ".join(f"{part:g}" if isinstance(part, float) else str(part) for part in time)
