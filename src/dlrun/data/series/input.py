"""Raw input of rows in time order: all windows of a file, or the columns of one window in an exported model."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt

from dlrun.data.columns import (
    Column,
    ColumnReading,
    RawBlock,
    TableFiles,
    UnknownCategories,
    column_places,
    deployed_texts,
    input_names,
    names_of,
    read_as,
    read_rows,
    shown_row,
    watch,
)
from dlrun.data.columns.numbers import parse_numbers
from dlrun.data.columns.texts import is_missing, known_values
from dlrun.data.raw_input import Array, Examples, RawInput
from dlrun.data.series.naive import NaiveForecast
from dlrun.data.series.order import check_times
from dlrun.data.series.splits import known_before
from dlrun.data.series.time import TimeColumn
from dlrun.data.table.target import TargetColumn
from dlrun.errors import DataError, UsageError
from dlrun.signature import Target

if TYPE_CHECKING:
    import keras
    import pyarrow as pa


_SHOWN_STEPS = 5


@dataclass(frozen=True)
class Places:
    """Values by column, and the first row of each example in them."""

    known: Mapping[str, Any]
    places: Array

    def __getitem__(self, name: str) -> _PlacedColumn:
        return _PlacedColumn(self.known[name], self.places)


@dataclass(frozen=True)
class _PlacedColumn:
    values: Any
    places: Array

    def slice(self, index: int, length: int) -> Any:
        return self.values.slice(int(self.places[index]), length)


@dataclass(frozen=True)
class Rows:
    """Consecutive rows.

    Args:
        first: Number of the first row, from 0.
        stored: Rows in stored form.
        truth: Targets, NaN if missing; None if they were not requested.
        known: Values by column, as read from the file.
        is_blank: Whether all features of a row are missing.

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
        """Return the rows of a block.

        Args:
            block: The block.
            truth: The targets.
            given: The feature columns except the time, which alone contains no information.
        """
        is_blank = np.ones(len(block.stored), np.bool_)
        for name in given:
            is_blank &= is_missing(block.known[name])
        return cls(block.first, block.stored, truth, block.known, is_blank)

    def blank(self, places: Array, *, history: int) -> int:
        """Return the number of windows starting at `places` in which all features are missing."""
        # Windows overlap, so their numbers of blank rows are differences of running totals, which one pass computes.
        before = np.concatenate([[0], np.cumsum(self.is_blank)])
        return int((before[places + history] - before[places] == history).sum())

    def followed_by(self, rows: Rows) -> Rows:
        """Return these rows followed by others."""
        import pyarrow as pa

        truth = None if self.truth is None or rows.truth is None else np.concatenate([self.truth, rows.truth])
        known = {name: pa.concat_arrays([self.known[name], values]) for name, values in rows.known.items()}
        is_blank = np.concatenate([self.is_blank, rows.is_blank])
        return Rows(self.first, np.concatenate([self.stored, rows.stored]), truth, known, is_blank)

    def last(self, count: int) -> Rows:
        """Return the last rows."""
        before = len(self.stored) - count
        truth = None if self.truth is None else self.truth[before:]
        known = {name: values.slice(before) for name, values in self.known.items()}
        return Rows(self.first + before, self.stored[before:], truth, known, self.is_blank[before:])


@dataclass(frozen=True)
class SeriesInput(RawInput):
    """Windows of rows.

    Args:
        columns: The feature columns in the order of a stored row.
        targets: The target columns.
        history: Number of rows of a window.
        horizon: Number of rows to predict after a window.
        reading: How to read values.
        times: The time columns, by which new files must be in order, too.
        unknown_categories: How to handle a column with mostly unknown values: `error`, or `allow`.
        naive_season: Number of rows after which the naive forecast repeats; 1 for the last value.
        type: Discriminator of the kinds of raw input.
    """

    columns: tuple[Column, ...]
    targets: tuple[TargetColumn, ...]
    history: int
    horizon: int
    reading: ColumnReading = field(default_factory=ColumnReading)
    times: tuple[TimeColumn, ...] = ()
    unknown_categories: Literal["error", "allow"] = "error"
    naive_season: int = 1
    type: Literal["series"] = "series"

    @property
    def has_steps(self) -> bool:
        """True, since the examples are windows."""
        return True

    def read(self, source: str, *, at_once: int, target: Target | None = None) -> Iterator[Examples]:
        """Read every window of a CSV or Parquet file, or of `-` for standard input.

        The last window predicts the rows after the end of the file. An example is named after the first row that it
        predicts. With `target`, only windows with all targets are read.

        Raises:
            DataError: There are fewer rows than a window has, a column is missing, a value is not a number, or time
                goes back.
        """
        found = waiting = 0
        with self.reading.open(source) as table:
            self._check_time(table)
            for examples in self._windows(table, at_once, is_labelled=target is not None):
                found += len(examples)
                waiting += examples.unlabelled
                if found:  # yield nothing before the first example, since a file without any is an error
                    yield replace(examples, unlabelled=waiting)
                    waiting = 0
            if not found:
                raise self._all_missing(table)

    def keeping(self, columns: Sequence[str]) -> SeriesInput:
        """Refuse to keep columns, since a prediction belongs to a window, not to a row.

        Raises:
            UsageError: Always.
        """
        what = f"cannot keep {', '.join(columns)}: predictions of a series belong to windows, not to single rows"
        raise UsageError(what, expected="predictions by name: `row 7` is the first row that is predicted")

    def build(self) -> keras.Model:
        """Build the Keras model with one input `(batch, history)` for each column: floats with NaN, or strings."""
        import keras

        names = input_names(self.columns)
        inputs, parts = {}, []
        for column in self.columns:
            dtype = column.input_dtype if column.kind == "numeric" else "string"
            tensor = keras.Input((self.history,), dtype=dtype, name=names[column.name])
            inputs[names[column.name]] = tensor
            parts.append(column.build(keras.ops.expand_dims(tensor, -1), self.reading.missing_values))
        outputs = keras.ops.concatenate(parts, axis=-1) if len(parts) > 1 else parts[0]
        return keras.Model(inputs, outputs, name="raw")

    def read_as(self, dataset: Any) -> SeriesInput:
        """Return this input with the current keys of the dataset for unknown categories and the first line."""
        return replace(
            self,
            reading=read_as(self.reading, dataset),
            unknown_categories=getattr(dataset, "unknown_categories", self.unknown_categories),
        )

    def names(self) -> Mapping[str, tuple[str, ...]]:
        """Return the names of the columns, of their categories and words, and the units of numbers."""
        numbers = [(each.name, each.notation) for each in self.targets if not each.classes]
        return names_of(self.columns, units=numbers)

    def watched(self, blocks: Iterator[Examples], *, tell: Callable[[str], object]) -> Iterator[Examples]:
        """Yield the same blocks, and report unknown categories of their newest rows to `tell` at the end.

        Raises:
            DataError: Most values of a column are unknown; raised before the last block is yielded.
        """

        def newest(block: Examples) -> tuple[Array, Mapping[str, pa.Array]]:
            # Each row is part of up to `history` windows, but the newest of only one, so it is counted once.
            places = block.origin.places + self.history - 1
            return block.stored[:, -1], {name: values.take(places) for name, values in block.origin.known.items()}

        refuses = self.unknown_categories == "error"
        return watch(blocks, UnknownCategories(self.columns), newest, tell=tell, refuses=refuses)

    def columns_of_stored(self) -> Mapping[str, tuple[int, ...]]:
        """Return the places of each column in a stored row."""
        return column_places(self.columns)

    def deployed(self, examples: Examples, index: int) -> Mapping[str, Array]:
        """Return the values of one window by the names of the inputs of the exported model."""
        names = input_names(self.columns)
        window: dict[str, Array] = {}
        for column in self.columns:
            values = examples.origin[column.name].slice(index, self.history)
            if column.kind == "numeric":
                window[names[column.name]] = column.given(values)[None]
            else:
                window[names[column.name]] = np.array([deployed_texts(column, values)])
        return window

    def shown(self, stored: Array) -> Mapping[str, str]:
        """Return the last values of a window by column, the newest last."""
        rows = [shown_row(self.columns, row) for row in stored[-_SHOWN_STEPS:]]
        before = "..., " if len(stored) > len(rows) else ""
        return {column.name: before + ", ".join(row[column.name] for row in rows) for column in self.columns}

    def _check_time(self, table: TableFiles) -> None:
        """Check the order of rows. A file may lack the time columns unless they are features."""
        if self.times and all(column.name in table.names for column in self.times):
            check_times(table, self.times, missing=self.reading.missing_values)

    @property
    def _given(self) -> tuple[str, ...]:
        """The feature columns except dates and times; all columns if there are no others."""
        times = [column.name for column in self.times]
        names = tuple(column.name for column in self.columns)
        return (
            tuple(column.name for column in self.columns if column.kind != "date" and column.name not in times) or names
        )

    def _windows(self, table: TableFiles, at_once: int, *, is_labelled: bool) -> Iterator[Examples]:
        also = [column.name for column in self.targets] if is_labelled else []
        span = self.history + (self.horizon if is_labelled else 0)
        kept: Rows | None = None
        for block in read_rows(table, self.columns, self.reading, at_once=max(at_once, span), also=also):
            rows = Rows.of(block, self._truth(table, block) if is_labelled else None, given=self._given)
            kept = rows if kept is None else kept.followed_by(rows)
            count = len(kept.stored) - span + 1
            if count > 0:
                yield from self._examples(kept, count, at_once)
                # The windows that begin in these rows end in the next block.
                kept = kept.last(span - 1)
        # `kept` begins at row 0 as long as no window was found, since `last` moves it on after the first one.
        if kept is None or (kept.first == 0 and len(kept.stored) < span):
            found = 0 if kept is None else len(kept.stored)
            raise DataError(f"{table.label} has {found} rows", expected=f"at least {span}, which one prediction needs")

    def _all_missing(self, table: TableFiles) -> DataError:
        """Return the error for a file with windows but without targets after them."""
        never = {column.name for column in self.targets}
        for block in table.blocks(list(never)):
            known = {name: known_values(values, self.reading.missing_values) for name, values in block.columns.items()}
            never = {name for name in never if is_missing(known[name]).all()}
        names = ", ".join(column.name for column in self.targets if column.name in never)
        what = f"all targets are missing: no row has a value of {names}"
        if not never:
            steps = f"in the next {self.horizon} rows" if self.horizon > 1 else "in the next row"
            what = f"no window of {self.history} rows is followed by a value of every target {steps}"
        elif len(never) < len(self.targets):
            what = f"no row has a value of the target {names}"
        return DataError(f"{table.label}: {what}", expected="a file with values of the targets")

    def _examples(self, rows: Rows, count: int, at_once: int) -> Iterator[Examples]:
        windows = np.lib.stride_tricks.sliding_window_view(rows.stored, self.history, axis=0).swapaxes(1, 2)
        known = rows.truth
        if known is not None and not np.isnan(known).all(axis=0).any():  # else no window has a target
            known = known_before(known)
        forecast = NaiveForecast(self.naive_season)
        for start in range(0, count, at_once):
            places = np.arange(start, min(start + at_once, count))
            truth, naive, asked = None, None, len(places)
            if rows.truth is not None and known is not None:
                steps = places[:, None] + self.history + np.arange(self.horizon)
                truth = rows.truth[steps].reshape(len(places), -1)
                places, truth = places[given := ~np.isnan(truth).any(axis=1)], truth[given]
                truth = truth[:, 0] if truth.shape[1] == 1 else truth
                naive = forecast.values(known, places, history=self.history, horizon=self.horizon)
            names = [f"row {rows.first + place + self.history + 1}" for place in places.tolist()]
            unlabelled, blank = asked - len(places), rows.blank(places, history=self.history)
            yield Examples(
                names,
                windows[places],
                truth,
                Places(rows.known, places),
                unlabelled=unlabelled,
                blank=blank,
                naive=naive,
            )

    def _truth(self, table: TableFiles, block: RawBlock) -> Array:
        values = []
        for column in self.targets:
            numbers, wrong = parse_numbers(block.known[column.name], column.notation)
            if wrong is not None:
                found, place = block.known[column.name][wrong].as_py(), table.place(block.first + wrong)
                raise DataError(f"{place}: column {column.name!r} contains {found!r}", expected="a number")
            values.append(numbers)
        dtype = np.float64 if any(column.dtype == "float64" for column in self.targets) else np.float32
        return np.stack(values, axis=-1).astype(dtype)
