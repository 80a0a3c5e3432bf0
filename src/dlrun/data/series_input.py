"""Raw input that is rows in time order: a file of which every window is read, or the columns of one window."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from dlrun.data.columns import (
    Column,
    RawBlock,
    Reading,
    TableFiles,
    column_places,
    input_names,
    read_rows,
    shown_row,
)
from dlrun.data.columns.numbers import parse_numbers
from dlrun.data.columns.texts import as_texts
from dlrun.data.raw_input import Array, Examples, RawInput
from dlrun.data.series_order import check_times
from dlrun.data.series_time import TimeColumn
from dlrun.data.table_target import TargetColumn
from dlrun.errors import DataError
from dlrun.signature import Target

if TYPE_CHECKING:
    import keras

_SHOWN_STEPS = 5


@dataclass(frozen=True)
class SeriesInput(RawInput):
    """Windows of rows.

    Args:
        columns: The features, in the order of a stored row.
        targets: What is to be predicted.
        history: Rows of a window.
        horizon: Rows after it that are predicted.
        reading: How values are read.
        times: The columns of the time, which must not go back in new files either.
        type: Tells the kinds of raw input apart.
    """

    columns: tuple[Column, ...]
    targets: tuple[TargetColumn, ...]
    history: int
    horizon: int
    reading: Reading = field(default_factory=Reading)
    times: tuple[TimeColumn, ...] = ()
    type: Literal["series"] = "series"

    def read(self, source: str, *, at_once: int, target: Target | None = None) -> Iterator[Examples]:
        """Read every window of a CSV or Parquet file, or of `-`; the last one is followed by what nobody knows yet.

        An example is called after the row that it predicts first. With `target`, only those that are followed by all
        the values to be predicted.

        Raises:
            DataError: There are fewer rows than a window has, a column is missing, a value is no number, or time goes
                back.
        """
        also = [column.name for column in self.targets] if target is not None else []
        span = self.history + (self.horizon if target is not None else 0)
        kept: _Rows | None = None
        with self.reading.open(source) as table:
            self._check_time(table)
            for block in read_rows(table, self.columns, self.reading, at_once=max(at_once, span), also=also):
                truth = self._truth(table, block) if target is not None else None
                rows = _Rows.of(block, truth)
                kept = rows if kept is None else kept.followed_by(rows)
                count = len(kept.stored) - span + 1
                if count > 0:
                    yield from self._examples(kept, count, at_once)
                    kept = kept.last(span - 1)
            if kept is None or (kept.first == 0 and len(kept.stored) < span):
                found = 0 if kept is None else len(kept.stored)
                raise DataError(
                    f"{table.label} has {found} rows", expected=f"at least {span}, as one prediction needs that many"
                )

    def build(self) -> keras.Model:
        """Make the Keras model: one input `(batch, history)` for each column, float32 with NaN or strings."""
        import keras

        names = input_names(self.columns)
        inputs, parts = {}, []
        for column in self.columns:
            dtype = "float32" if column.kind == "numeric" else "string"
            tensor = keras.Input((self.history,), dtype=dtype, name=names[column.name])
            inputs[names[column.name]] = tensor
            parts.append(column.build(keras.ops.expand_dims(tensor, -1), self.reading.missing_values))
        outputs = keras.ops.concatenate(parts, axis=-1) if len(parts) > 1 else parts[0]
        return keras.Model(inputs, outputs, name="raw")

    def columns_of_stored(self) -> Mapping[str, tuple[int, ...]]:
        """The columns of the table."""
        return column_places(self.columns)

    def deployed(self, examples: Examples, index: int) -> Mapping[str, Array]:
        """The values of one window, by the names of the model's inputs."""
        names = input_names(self.columns)
        window: dict[str, Array] = {}
        for column in self.columns:
            values = examples.origin[column.name].slice(index, self.history)
            if column.kind == "numeric":
                window[names[column.name]] = column.parse(values)[0][None]
            else:
                texts = [text or "" for text in as_texts(values).to_pylist()]
                window[names[column.name]] = np.array([texts])
        return window

    def shown(self, stored: Array) -> Mapping[str, str]:
        """The last rows of a window, by column: the newest value stands last."""
        rows = [shown_row(self.columns, row) for row in stored[-_SHOWN_STEPS:]]
        before = "..., " if len(stored) > len(rows) else ""
        return {column.name: before + ", ".join(row[column.name] for row in rows) for column in self.columns}

    def _check_time(self, table: TableFiles) -> None:
        """A file need not have the columns of the time, unless they are features."""
        if self.times and all(column.name in table.names for column in self.times):
            check_times(table, self.times, missing=self.reading.missing_values)

    def _examples(self, rows: _Rows, count: int, at_once: int) -> Iterator[Examples]:
        windows = np.lib.stride_tricks.sliding_window_view(rows.stored, self.history, axis=0).swapaxes(1, 2)
        for start in range(0, count, at_once):
            places = np.arange(start, min(start + at_once, count))
            truth = None
            if rows.truth is not None:
                steps = places[:, None] + self.history + np.arange(self.horizon)
                truth = rows.truth[steps].reshape(len(places), -1)
                places, truth = places[known := ~np.isnan(truth).any(axis=1)], truth[known]
                if not len(places):
                    continue
                truth = truth[:, 0] if truth.shape[1] == 1 else truth
            names = [f"row {rows.first + place + self.history + 1}" for place in places.tolist()]
            yield Examples(names, windows[places], truth, _Places(rows.known, places))

    def _truth(self, table: TableFiles, block: RawBlock) -> Array:
        values = []
        for column in self.targets:
            numbers, wrong = parse_numbers(block.known[column.name], column.notation)
            if wrong is not None:
                found, place = block.known[column.name][wrong].as_py(), table.place(block.first + wrong)
                raise DataError(f"{place}: column {column.name!r} holds {found!r}", expected="a number")
            values.append(numbers)
        return np.stack(values, axis=-1).astype(np.float32)


@dataclass(frozen=True)
class _Places:
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
class _Rows:
    """Rows one after another: stored, what is to be predicted, and as they were read."""

    first: int
    stored: Array
    truth: Array | None
    known: Mapping[str, Any]

    @classmethod
    def of(cls, block: RawBlock, truth: Array | None) -> _Rows:
        return cls(block.first, block.stored, truth, block.known)

    def followed_by(self, rows: _Rows) -> _Rows:
        import pyarrow as pa

        truth = None if self.truth is None or rows.truth is None else np.concatenate([self.truth, rows.truth])
        known = {name: pa.concat_arrays([self.known[name], values]) for name, values in rows.known.items()}
        return _Rows(self.first, np.concatenate([self.stored, rows.stored]), truth, known)

    def last(self, count: int) -> _Rows:
        before = len(self.stored) - count
        truth = None if self.truth is None else self.truth[before:]
        known = {name: values.slice(before) for name, values in self.known.items()}
        return _Rows(self.first + before, self.stored[before:], truth, known)
