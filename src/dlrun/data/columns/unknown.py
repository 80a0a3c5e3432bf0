"""Categories that training did not have, counted in rows that are read: told, and refused where they are the most."""

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
"""Values of a column below which nothing is refused: one new category in one new row is what categories are for."""

_MOST = 0.5
_OFTEN_NEW = 50
"""Categories from which on a column may have many new ones, where training did not measure how many."""


@dataclass
class _Count:
    rows: int = 0
    given: int = 0
    unknown: int = 0
    example: str = ""


class UnknownCategories:
    """Counts the rows whose categories have no id of their own, in memory that does not grow with the rows.

    Args:
        columns: In the order of a stored row.
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
            rows: Of all tables.
            columns: With what was measured of them.
            indices: The rows to count.
        """
        unknown = cls(columns)
        for column, _ in unknown._columns:
            coded = rows.columns[column.name]
            known = set(column.vocabulary)
            is_new = np.array([*(text not in known for text in coded.texts), False])  # the last is what is missing
            ids = coded.values[indices]
            new = is_new[ids]
            count = unknown._counts[column.name]
            count.rows, count.given, count.unknown = len(ids), int((ids >= 0).sum()), int(new.sum())
            count.example = coded.texts[ids[np.argmax(new)]] if count.unknown else ""
        return unknown

    def add(self, stored: Stored, known: Mapping[str, pa.Array]) -> None:
        """Count some rows.

        Args:
            stored: The rows as they are stored.
            known: Their values, null for what is missing.

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

    def said(self) -> str:
        """How many rows of which columns, the worst first; empty if there are none."""
        worst = [column for column in self._worst() if self._counts[column.name].unknown]
        if not worst:
            return ""
        more = len(worst) - _SHOWN_COLUMNS
        rest = f"; and {more} more column{'s' * (more > 1)}" if more > 0 else ""
        said = "; ".join(self._said_of(column) for column in worst[:_SHOWN_COLUMNS])
        return f"values that the model does not know from training: {said}{rest}"

    def refuse_most(self, what: str = "") -> None:
        """Refuse rows of which a column is not what training had.

        Args:
            what: The file, for the message.

        Raises:
            DataError: Most values of a column were not seen in training, where that could not be expected.
        """
        strange = [column for column in self._worst() if self._is_strange(column)]
        if not strange:
            return
        where = f"{what}: " if what else ""
        raise DataError(
            f"{where}most values were not seen in training: {self._said_of(strange[0])}"
            + (f"; and so it is with {', '.join(column.name for column in strange[1:])}" if strange[1:] else ""),
            expected="the categories of the training rows, written as they are there",
            hint="if they are really new: --set dataset.unknown_categories=allow",
        )

    def _worst(self) -> Iterator[CategoricalColumn]:
        columns = (column for column, _ in self._columns)
        return iter(sorted(columns, key=lambda column: -self._counts[column.name].unknown))

    def _is_strange(self, column: CategoricalColumn) -> bool:
        """Whether most of a column is unknown, and far more than the training rows let expect."""
        count, expected = self._counts[column.name], column.new_share
        if expected is None:
            expected = 1.0 if len(column.vocabulary) >= _OFTEN_NEW else 0.0
        return count.given >= _FEW_VALUES and count.unknown > max(_MOST, 2 * expected) * count.given

    def _said_of(self, column: CategoricalColumn) -> str:
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
    """The same blocks, each counted; the last one is given once it is known that the rows are not refused.

    Args:
        blocks: One after another.
        unknown: What counts them.
        rows_of: Their rows as they are stored, and their values.
        tell: Called with a sentence at the end, if there is something to tell.
        refuses: Whether rows of which a column is unknown for the most part are an error.

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
    if said := unknown.said():
        tell(said)


def _is_given(values: pa.Array) -> npt.NDArray[np.bool_]:
    import pyarrow.compute as pc

    absent: npt.NDArray[np.bool_] = pc.is_null(values, nan_is_null=is_numbers(values)).to_numpy(zero_copy_only=False)
    return ~absent


def _shown(text: str) -> str:
    return repr(text if len(text) <= _LONGEST_SHOWN else text[:_LONGEST_SHOWN] + "...")
