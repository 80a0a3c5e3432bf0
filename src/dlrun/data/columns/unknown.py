"""Rows as they are read for a trained model in; a sentence on the categories in them that training did not have out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from dlrun.data.columns.column import CategoricalColumn, Column, Stored
from dlrun.data.columns.numbers import is_numbers
from dlrun.data.columns.texts import as_texts

if TYPE_CHECKING:
    import pyarrow as pa

_SHOWN_COLUMNS = 5
_SHOWN_VALUES = 4
_LONGEST_SHOWN = 40


class UnknownCategories:
    """Counts the rows whose categories have no id of their own, in memory that does not grow with the rows.

    Args:
        columns: In the order of a stored row.
    """

    def __init__(self, columns: Sequence[Column]) -> None:
        self._rows = 0
        self._columns: list[tuple[CategoricalColumn, int]] = []
        self._counts: dict[str, int] = {}
        self._examples: dict[str, str] = {}
        place = 0
        for column in columns:
            if column.kind == "categorical":
                self._columns.append((column, place))
            place += column.width

    def add(self, stored: Stored, known: Mapping[str, pa.Array]) -> None:
        """Count some rows.

        Args:
            stored: The rows as they are stored.
            known: Their values, null for what is missing.

        Shape:
            stored: `(rows, width)`.
        """
        self._rows += len(stored)
        for column, place in self._columns:
            unknown = stored[:, place] == 0
            # Where training had no missing value, one has the id of unknown ones.
            if unknown.any() and not column.has_missing:
                unknown &= _is_given(known[column.name])
            if count := int(np.count_nonzero(unknown)):
                name = column.name
                self._counts[name] = self._counts.get(name, 0) + count
                if name not in self._examples:
                    value = known[name].slice(int(np.argmax(unknown)), 1)
                    self._examples[name] = str(as_texts(value)[0].as_py())

    def said(self) -> str:
        """How many rows of which columns, the worst first; empty if there are none."""
        worst = sorted(self._counts, key=lambda name: -self._counts[name])
        if not worst:
            return ""
        columns = {column.name: column for column, _ in self._columns}
        parts = [self._said_of(columns[name]) for name in worst[:_SHOWN_COLUMNS]]
        more = len(worst) - len(parts)
        rest = f"; and {more} more column{'s' * (more > 1)}" if more else ""
        return "values that the model does not know from training: " + "; ".join(parts) + rest

    def _said_of(self, column: CategoricalColumn) -> str:
        shown = ", ".join(map(_shown, column.vocabulary[:_SHOWN_VALUES]))
        shown += ", ..." if len(column.vocabulary) > _SHOWN_VALUES else ""
        count = f"{self._counts[column.name]:,} of {self._rows:,} rows"
        return f"{column.name}: {count}, such as {_shown(self._examples[column.name])} (known: {shown or 'none'})"


def _is_given(values: pa.Array) -> npt.NDArray[np.bool_]:
    import pyarrow.compute as pc

    absent: npt.NDArray[np.bool_] = pc.is_null(values, nan_is_null=is_numbers(values)).to_numpy(zero_copy_only=False)
    return ~absent


def _shown(text: str) -> str:
    return repr(text if len(text) <= _LONGEST_SHOWN else text[:_LONGEST_SHOWN] + "...")
