"""The dataset of a time series: windows of rows predict the next values of some columns. Splits follow time."""

from __future__ import annotations

import functools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, cast

import numpy as np

from dlrun.data.columns import (
    Column,
    ColumnReading,
    ColumnsPreprocess,
    ColumnSurvey,
    Plan,
    TableFiles,
    code_rows,
    embedded_columns,
    fit_columns,
    plan_columns,
    stored_blocks,
    survey_columns,
)
from dlrun.data.columns.column import NumericColumn
from dlrun.data.columns.planned import PlannedColumn, plan_numbers
from dlrun.data.dataset import Dataset, datasets
from dlrun.data.files.locate import find_tables
from dlrun.data.mapped import Windows
from dlrun.data.preprocess import KERAS_EPSILON
from dlrun.data.series.input import SeriesInput
from dlrun.data.series.keys import SeriesKeys
from dlrun.data.series.naive import NaiveForecasts, naive_forecasts, rows_back
from dlrun.data.series.order import Times, check_order, describe_order, detect_time, read_times, remedy_of_order
from dlrun.data.series.splits import Cut, cut_by_time, known_before, targets_of
from dlrun.data.series.steps import steps_of, time_axis
from dlrun.data.splits import Array, Split, fingerprint_of
from dlrun.data.table.rows import lost_distinctions
from dlrun.data.table.store import store_key
from dlrun.data.table.target import TargetColumn
from dlrun.data.target_transform import check_transformable
from dlrun.errors import DataError
from dlrun.signature import Description, Features, LastValue, Target

_DESCRIBED_BYTES = 1 << 23
"""Files up to this size are read when a spec is validated, which takes a few tenths of a second."""


@datasets.register("series")
class Series(SeriesKeys):
    """A time series in CSV or Parquet files, one step in each row."""

    def describe(self) -> Description | None:
        """Return the description of a small series; None for a large or damaged one."""
        try:
            if self.open_table(self.path, head_only=True).size > _DESCRIBED_BYTES:
                return None
            return self.load().describe()
        except DataError:  # load() raises it again: the data is wrong, not the spec
            return None

    def check_files(self) -> None:
        """Open the files, and read a small series completely.

        Raises:
            DataError: The files cannot be read, or are not a series.
        """
        if self.open_table(self.path, head_only=True).size <= _DESCRIBED_BYTES:
            self.load()

    def load(self) -> Dataset:
        """Read the rows, divide them by time, and measure the columns on the training span.

        Raises:
            DataError: The file is missing or damaged, the time goes back, a target is not a number, or there are too
                few rows.
        """
        return _read_before(self, store_key({}, list(self.open_table(self.path, head_only=True).paths)))

    def _load(self) -> Dataset:
        table = self.open_table(self.path)
        plan, targets, surveys = self._plan(table)
        times = self._times(table)
        plan = replace(plan, columns=tuple(_written_as(times, column, surveys) for column in plan.columns))
        # A target that is a feature, too, is read once, by the plan of the feature.
        of_target = {column.name: column for column in targets}
        both = tuple(replace(column, is_target=column.name in of_target) for column in plan.columns)
        planned = of_target | {column.name: column for column in both}
        rows = code_rows((table,), tuple(planned.values()), self)
        dtype = np.float64 if any(column.merges for column in targets) else np.float32
        values = np.stack([rows.columns[column.name].values for column in targets], axis=-1).astype(dtype)
        check_transformable(values, self.targets, self.target_transform, place=rows.place)
        cut = cut_by_time(
            len(rows), history=self.history, horizon=self.horizon, test=self.test, validation=self.validation
        )
        # Later rows would tell the statistics about the future that the model is tested on.
        columns = fit_columns(rows, plan.columns, self, train=np.arange(cut.train_rows))
        stored = np.concatenate(list(stored_blocks(rows, columns, np.arange(len(rows)))))
        splits, notes = self._splits(stored, values, cut)
        naive = self._naive(values, splits)
        train = stored[: cut.train_rows]
        preprocess = self._preprocess(columns, train)
        continuous = preprocess.continuous(columns, train)
        target_columns = tuple(
            TargetColumn(column.name, (), column.notation, "float64" if column.merges else "float32")
            for column in targets
        )
        reading = ColumnReading.of(self)
        return Dataset(
            find_tables(self.path)[0].name.partition(".")[0],
            Features("sequence", preprocess.shape, embedded=embedded_columns(columns), continuous=continuous),
            self._target(values[: cut.train_rows], columns),
            preprocess,
            splits,
            _fingerprint(stored, splits),
            (*table.notes, *plan.notes(), *cut.notes(), *notes, *self._notes_of_time(table, surveys, times)),
            raw=SeriesInput(
                columns,
                target_columns,
                self.history,
                self.horizon,
                reading,
                () if times is None else times.columns,
                self.unknown_categories,
                naive_season=naive.best.season,
            ),
            naive=naive.by_method[naive.best.method],
            naive_method=naive.best.method,
            weaker_naive={name: made for name, made in naive.by_method.items() if name != naive.best.method},
            warnings=(*table.warnings, *lost_distinctions(rows)),
            times=_times_of(splits, times, history=self.history),
            left_out=plan.ignored,
        )

    def _preprocess(self, columns: tuple[Column, ...], train: Array) -> ColumnsPreprocess:
        fills_forward = self.missing.numeric == "last"
        return ColumnsPreprocess.of(
            columns, train=train, scaling=self.numeric_scaling, steps=(self.history,), fills_forward=fills_forward
        )

    def _plan(self, table: TableFiles) -> tuple[Plan, tuple[PlannedColumn, ...], Mapping[str, ColumnSurvey]]:
        table.check_columns((*self.targets, *self.times))
        names = [name for name in table.names if name not in table.unreadable]
        surveys = survey_columns(table, names, missing=self.missing_texts)
        for name in self.targets:
            if name in table.unreadable or not surveys[name].known:
                raise DataError(f"{table.label}: the target {name!r} has no values", expected="numbers")
        targets = tuple(plan_numbers(table, surveys[name], keys=self, is_target=True) for name in self.targets)
        plan = plan_columns(table, surveys, self)
        texts = [column.name for column in plan.columns if column.kind == "text"]
        if texts:
            what = f"{table.label}: column {texts[0]!r} is free text, which a series does not support"
            raise DataError(what, expected="numbers and categories", hint=f"ignore: [{', '.join(texts)}]")
        return plan, targets, surveys

    def _times(self, table: TableFiles) -> Times | None:
        if not self.times:
            return None
        times = read_times(table, self.times, missing=self.missing_texts)
        check_order(table, times)
        return times

    def _notes_of_time(
        self, table: TableFiles, surveys: Mapping[str, ColumnSurvey], times: Times | None
    ) -> Iterator[str]:
        if times is not None:
            yield from steps_of(times).notes()
        elif (found := detect_time(table, surveys, missing=self.missing_texts)) is not None:
            problem = describe_order(table, found)
            if problem:
                yield f"{problem}; {remedy_of_order(found)}"

    def _naive(self, values: Array, splits: Mapping[str, Split]) -> NaiveForecasts:
        starts = {name: cast("Any", split.features).starts for name, split in splits.items()}
        truth = np.asarray(splits["train"].target)
        sizes = {"history": self.history, "horizon": self.horizon}
        return naive_forecasts(known_before(values), starts, truth, season=self.season, **sizes)

    def _splits(self, stored: Array, values: Array, cut: Cut) -> tuple[dict[str, Split], tuple[str, ...]]:
        splits, notes = {}, []
        for name, starts in cut.starts.items():
            truth = targets_of(values, starts + self.history, self.horizon)
            known = np.asarray(~np.isnan(truth).any(axis=1))
            if not known.all():
                what = f"{int((~known).sum()):,} of {len(known):,} windows of the {name} split have missing targets"
                if self.missing_target == "error":
                    raise DataError(what, expected="values in every row", hint="missing_target: drop")
                notes.append(f"{what} and are left out")
            starts, truth = starts[known], truth[known]  # noqa: PLW2901
            if not len(starts):
                raise DataError(f"all windows of the {name} split have missing targets", expected="at least one target")
            windows = cast("Array", Windows(stored, starts, steps=self.history))
            splits[name] = Split(windows, truth[:, 0] if truth.shape[1] == 1 else truth)
        return splits, tuple(notes)

    def _target(self, values: Array, columns: Sequence[Column]) -> Target:
        steps = range(1, self.horizon + 1)
        names = tuple(name if self.horizon == 1 else f"{name} +{step}" for step in steps for name in self.targets)
        mean = np.nanmean(values, axis=0, dtype=np.float64)
        scale = np.nanstd(values, axis=0, dtype=np.float64)
        scale[scale == 0] = 1.0
        means, scales = (tuple(np.tile(numbers, self.horizon).tolist()) for numbers in (mean, scale))
        return Target(
            "values",
            len(names),
            encoding="value",
            names=names,
            mean=means,
            scale=scales,
            last=tuple(self._repeated(columns)) if self.difference else (),
        )

    def _repeated(self, columns: Sequence[Column]) -> Iterator[LastValue]:
        """Yield the place of the value in the window from which each step of each target learns the difference."""
        last = [self._last_value(name, columns) for name in self.targets]
        season = self.season if self.difference == "seasonal" and self.season else 1
        for back in rows_back(self.horizon, season):
            yield from (replace(each, rows_back=back) for each in last)

    def _last_value(self, name: str, columns: Sequence[Column]) -> LastValue:
        """Return the place of a target in the features, and the scale and offset to its own unit."""
        place = 0
        for column in columns:
            if column.name == name and isinstance(column, NumericColumn):
                if self.numeric_scaling == "none":
                    return LastValue(place, 1.0, column.offset)
                (mean, *_), (variance, *_) = column.measured
                return LastValue(place, max(variance**0.5, KERAS_EPSILON), mean + column.offset)
            place += column.width
        raise DataError(
            f"difference: the target {name!r} is not a numeric feature",
            expected="every target as a numeric feature, because its last value is added to the output of the model",
            hint=f"numeric: [{name}], or difference: false",
        )


def _times_of(splits: Mapping[str, Split], times: Times | None, *, history: int) -> dict[str, Array]:
    """Return the time of the first predicted row of each window, if the time can be expressed as one number."""
    axis, is_seconds = time_axis(times) if times is not None else (None, False)
    if axis is None:
        return {}
    axis = axis.astype(np.int64) if is_seconds else axis
    return {name: axis[cast("Any", split.features).starts + history] for name, split in splits.items()}


def _written_as(times: Times | None, column: PlannedColumn, surveys: Mapping[str, ColumnSurvey]) -> PlannedColumn:
    """Return a date column with the layout in which the rows are in order, if its layout is ambiguous."""
    layout = next((time.layout for time in times.columns if time.name == column.name), None) if times else None
    survey = surveys[column.name]
    if column.kind == "date" and layout in ("ymd", "dmy", "mdy") and survey.layouts[layout] == survey.known:
        return replace(column, layout=layout)
    return column


@functools.lru_cache(maxsize=2)
def _read_before(source: Series, key: str) -> Dataset:  # noqa: ARG001  changed files have another key
    """Load a small series only once, for both validation and training."""
    return source._load()  # noqa: SLF001


def _fingerprint(stored: Array, splits: dict[str, Split]) -> str:
    """Return the fingerprint of the rows and of the starts of windows. Hashing overlapping windows would be slow."""
    starts = {name: Split(cast("Any", split.features).starts, split.target) for name, split in splits.items()}
    return fingerprint_of({"rows": Split(stored), **starts})
