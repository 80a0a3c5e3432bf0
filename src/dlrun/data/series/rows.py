"""Rows of a series as they are read block by block, kept as far back as the next window reaches."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from dlrun.data.columns import RawBlock
from dlrun.data.columns.texts import is_missing

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class Places:
    """The values of columns, from the place of an example on."""

    known: Mapping[str, Any]
    places: Array

    def __getitem__(self, name: str) -> _Column:
        return _Column(self.known[name], self.places)


@dataclass(frozen=True)
class _Column:
    values: Any
    places: Array

    def slice(self, index: int, length: int) -> Any:
        return self.values.slice(int(self.places[index]), length)


@dataclass(frozen=True)
class Rows:
    """Rows one after another.

    Args:
        first: Number of the first one, from 0.
        stored: As windows hold them.
        truth: What is to be predicted, NaN where it is missing; None if it was not asked for.
        known: By column, as they were read.
        is_blank: Whether a row has no value to predict from.

    Shape:
        stored: `(rows, width)`. truth: `(rows, targets)`. is_blank: `(rows,)`.
    """

    first: int
    stored: Array
    truth: Array | None
    known: Mapping[str, Any]
    is_blank: npt.NDArray[np.bool_]

    @classmethod
    def of(cls, block: RawBlock, truth: Array | None, *, given: Sequence[str]) -> Rows:
        """Of a block.

        Args:
            block: As it was read.
            truth: What is to be predicted.
            given: The columns to predict from, without those of the time, which say nothing alone.
        """
        is_blank = np.ones(len(block.stored), np.bool_)
        for name in given:
            is_blank &= is_missing(block.known[name])
        return cls(block.first, block.stored, truth, block.known, is_blank)

    def blank(self, places: Array, *, history: int) -> int:
        """How many of the windows that begin at `places` have not one value."""
        before = np.concatenate([[0], np.cumsum(self.is_blank)])
        return int((before[places + history] - before[places] == history).sum())

    def followed_by(self, rows: Rows) -> Rows:
        """These and those behind them."""
        import pyarrow as pa

        truth = None if self.truth is None or rows.truth is None else np.concatenate([self.truth, rows.truth])
        known = {name: pa.concat_arrays([self.known[name], values]) for name, values in rows.known.items()}
        is_blank = np.concatenate([self.is_blank, rows.is_blank])
        return Rows(self.first, np.concatenate([self.stored, rows.stored]), truth, known, is_blank)

    def last(self, count: int) -> Rows:
        """The last of them."""
        before = len(self.stored) - count
        truth = None if self.truth is None else self.truth[before:]
        known = {name: values.slice(before) for name, values in self.known.items()}
        return Rows(self.first + before, self.stored[before:], truth, known, self.is_blank[before:])
