"""Count categories that are unknown from training, to report them, or to refuse a file in which they prevail."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from dlrun.data.columns.column import CategoricalColumn, Column, Stored
from dlrun.data.columns.numbers import is_numbers
from dlrun.data.columns.rows import CodedRows
from dlrun.data.columns.texts import as_texts
from dlrun.data.raw_input import Examples
from dlrun.errors import DataError

if TYPE_CHECKING:
    import pyarrow as pa

_SHOWN_COLUMNS = 5
_SHOWN_VALUES = 4
_LONGEST_SHOWN = 40
_FEW_VALUES = 10
"""With fewer values, a column is never refused: a single new row may well have a new category."""

_MOST = 0.5
_OFTEN_NEW = 50
"""Number of categories from which on many new ones are plausible, if training did not measure their fraction."""


@dataclass
class _Count:
    rows: int = 0
    given: int = 0
    unknown: int = 0
    example: str = ""


class UnknownCategories:
    """Counts rows with unknown categories, in bounded memory.

    Args:
        columns: Columns in the order of a stored row.
    """

    def __init__(self, columns: Sequence[Column]) -> None:
        self._columns: list[tuple[CategoricalColumn, int]] = []
        place = 0
        for column in columns:
            if column.kind == "categorical":
                self._columns.append((column, place))
            place += column.width
        self._counts = {column.name: _Count() for column, _ in self._columns}

    @classmethod
    def of_rows(cls, rows: CodedRows, columns: Sequence[Column], indices: npt.NDArray[Any]) -> UnknownCategories:
        """Count coded rows.

        Args:
            rows: Coded rows of all tables.
            columns: Fitted columns.
            indices: Indices of the rows to count.
        """
        unknown = cls(columns)
        for column, _ in unknown._columns:
            coded = rows.columns[column.name]
            known = set(column.vocabulary)
            is_new = np.array([*(text not in known for text in coded.texts), False])  # the last entry is for MISSING
            ids = coded.values[indices]
            new = is_new[ids]
            count = unknown._counts[column.name]
            count.rows, count.given, count.unknown = len(ids), int((ids >= 0).sum()), int(new.sum())
            count.example = coded.texts[ids[np.argmax(new)]] if count.unknown else ""
        return unknown

    def add(self, stored: Stored, known: Mapping[str, pa.Array]) -> None:
        """Count some rows.

        Args:
            stored: Rows in stored form.
            known: Values by column, null if missing.

        Shape:
            stored: `(rows, width)`.
        """
        for column, place in self._columns:
            count, is_given = self._counts[column.name], _is_given(known[column.name])
            unknown = (stored[:, place] == 0) & is_given
            count.rows += len(stored)
            count.given += int(is_given.sum())
            if unknown.any():
                count.unknown += int(unknown.sum())
                value = known[column.name].slice(int(np.argmax(unknown)), 1)
                count.example = count.example or str(as_texts(value)[0].as_py())

    def message(self) -> str:
        """Return a message with the number of rows of each column, worst first; empty if all are known."""
        worst = [column for column in self._worst() if self._counts[column.name].unknown]
        if not worst:
            return ""
        more = len(worst) - _SHOWN_COLUMNS
        rest = f"; and {more} more column{'s' * (more > 1)}" if more > 0 else ""
        counts = "; ".join(self._message_of(column) for column in worst[:_SHOWN_COLUMNS])
        return f"values that are unknown from training: {counts}{rest}"

    def refuse_most(self, what: str = "") -> None:
        """Check that no column consists mostly of unknown categories.

        Args:
            what: Name of the file for the message.

        Raises:
            DataError: Most values of a column are unknown, and the training rows do not make that plausible.
        """
        strange = [column for column in self._worst() if self._is_strange(column)]
        if not strange:
            return
        where = f"{what}: " if what else ""
        raise DataError(
            f"{where}most values are unknown from training: {self._message_of(strange[0])}"
            + (f"; the same holds for {', '.join(column.name for column in strange[1:])}" if strange[1:] else ""),
            expected="the categories of the training rows in the same spelling",
            hint="if they are really new: --set dataset.unknown_categories=allow",
        )

    def _worst(self) -> Iterator[CategoricalColumn]:
        columns = (column for column, _ in self._columns)
        return iter(sorted(columns, key=lambda column: -self._counts[column.name].unknown))

    def _is_strange(self, column: CategoricalColumn) -> bool:
        """Return whether most of a column is unknown, and far more than expected from the training rows."""
        count, expected = self._counts[column.name], column.new_share
        if expected is None:
            expected = 1.0 if len(column.vocabulary) >= _OFTEN_NEW else 0.0
        return count.given >= _FEW_VALUES and count.unknown > max(_MOST, 2 * expected) * count.given

    def _message_of(self, column: CategoricalColumn) -> str:
        count = self._counts[column.name]
        shown = ", ".join(map(_shown, column.vocabulary[:_SHOWN_VALUES]))
        shown += ", ..." if len(column.vocabulary) > _SHOWN_VALUES else ""
        counted = f"{count.unknown:,} of {count.rows:,} rows"
        return f"{column.name}: {counted}, such as {_shown(count.example)} (known: {shown or 'none'})"


def watch(
    blocks: Iterator[Examples],
    unknown: UnknownCategories,
    rows_of: Callable[[Examples], tuple[Stored, Mapping[str, pa.Array]]],
    *,
    tell: Callable[[str], object],
    refuses: bool,
) -> Iterator[Examples]:
    """Yield the same blocks, and count their unknown categories.

    The last block is yielded only after all rows are checked, so that a refused file never looks complete.

    Args:
        blocks: Blocks of examples.
        unknown: Counter of unknown categories.
        rows_of: Function from a block to its rows in stored form and their values by column.
        tell: Function that receives a message at the end if there are unknown categories.
        refuses: Whether mostly unknown categories in a column are an error.

    Raises:
        DataError: See `UnknownCategories.refuse_most`.
    """
    before: Examples | None = None
    for block in blocks:
        unknown.add(*rows_of(block))
        if before is not None:
            yield before
        before = block
    if refuses:
        unknown.refuse_most()
    if before is not None:
        yield before
    if message := unknown.message():
        tell(message)


def _is_given(values: pa.Array) -> npt.NDArray[np.bool_]:
    import pyarrow.compute as pc

    absent: npt.NDArray[np.bool_] = pc.is_null(values, nan_is_null=is_numbers(values)).to_numpy(zero_copy_only=False)
    return ~absent


def _shown(text: str) -> str:
    return repr(text if len(text) <= _LONGEST_SHOWN else text[:_LONGEST_SHOWN] + "...")
