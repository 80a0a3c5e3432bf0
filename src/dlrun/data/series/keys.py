"""The YAML keys of a series: its file, the targets, the window, and the time columns."""

from __future__ import annotations

import abc
from collections.abc import Iterator, Mapping
from typing import ClassVar, Literal

from pydantic import Field

from dlrun.component import AbsentKey, FieldProblem
from dlrun.data.columns import ColumnKeys, name_problem
from dlrun.data.dataset import HeldOut, Source
from dlrun.data.table.keys import Names
from dlrun.errors import DataError
from dlrun.system.paths import FROM_WHERE


class SeriesKeys(ColumnKeys, Source, abc.ABC):
    """The YAML keys of a series."""

    absent_keys: ClassVar[Mapping[str, AbsentKey]] = {
        "group": AbsentKey(
            "whose splits follow the time of all rows, so no group can be held out",
            "train each series by a config of its own",
        ),
        "split": AbsentKey("whose splits follow the time of the rows", "set validation and test to fractions"),
        "weight": AbsentKey("whose examples are windows of several rows, so a row has no weight of its own"),
    }
    place_keys = ("path",)
    path_keys = place_keys
    reach_keys = ("path",)

    path: str = Field(
        description="The rows in time order: a CSV or Parquet file, or a pattern (data/*.csv) for several files in the "
        f"order of their names. {FROM_WHERE}"
    )
    target: Names = Field(description="The column of numbers to predict, or several.")
    history: int = Field(ge=1, description="Number of rows to predict from.")
    horizon: int = Field(default=1, ge=1, description="Number of rows to predict.")
    time: Names | None = Field(
        default=None,
        description="The time column, or several from the slowest to the fastest ([year, month, day]): numbers, or "
        "dates (2024-03-31, 31.03.2024, 03/31/2024, with or without a time). Rows must be in this order. null: the "
        "order of the rows is trusted.",
    )
    difference: bool | Literal["seasonal"] = Field(
        default=False,
        description="Whether the model learns the change of each target from a value in the window. Predictions and "
        "scores are still of the values themselves. true: from the last value, for a series that grows or drifts · "
        "seasonal: from the value one `season` before, for a series that repeats · false: the values themselves.",
    )
    season: int | None = Field(
        default=None,
        ge=2,
        description="Number of rows after which the series repeats, such as 12 for months or 24 for hours, at most "
        "`history`. The naive forecast then repeats the value one season before if that has the smaller error on the "
        "training split. null: the naive forecast is the last value.",
    )
    missing_target: str = Field(
        default="drop",
        pattern="^(drop|error)$",
        description="How to handle windows with missing targets. drop: leave them out · error: refuse the data.",
    )
    test: HeldOut = Field(
        default=0,
        description="The last windows to hold out as test split: a fraction, or a number. Validation precedes them.",
    )

    @property
    def targets(self) -> tuple[str, ...]:
        """The columns to predict."""
        return (self.target,) if isinstance(self.target, str) else self.target

    @property
    def times(self) -> tuple[str, ...]:
        """The time columns."""
        return (self.time,) if isinstance(self.time, str) else self.time or ()

    @property
    def text_refusal(self) -> str:
        """Why text columns are left out: models of a series do not learn from texts."""
        return "" if self.unlisted_text == "learn" else "it is free text, which a series does not support"

    def fold_problems(self) -> Iterator[FieldProblem]:
        """Yield the problem of folds, which would train on what comes after the validation split."""
        if self.fold is not None:
            what = "a series has no folds: most of them would be trained on later values than they are scored on"
            grid = "dlrun batch CONFIG --grid dataset.validation=0.1,0.2,0.3"
            yield FieldProblem(("fold",), what, "one validation split by time", f"{grid} trains on growing windows")

    def problems(self) -> Iterator[FieldProblem]:
        """Yield the problems of the keys, including missing columns if the file can be read now."""
        yield from super().problems()
        if self.difference and self.numeric_scaling in ("robust", "quantile"):
            what = f"difference adds the last value to the output, which scaling: {self.numeric_scaling} does not keep"
            yield FieldProblem(("scaling",), what, "standard or none")
        yield from self._season_problems()
        if isinstance(self.validation, str) and self.validation != "test":
            what = f"a series has no split {self.validation!r}"
            yield FieldProblem(("validation",), what, "a fraction, a number, or test")
        try:
            table = self.open_table(self.path, head_only=True)
        except DataError:  # load() raises it: the data is wrong, not the spec
            table = None
        for key, names in (("target", self.targets), ("time", self.times)):
            for index, name in enumerate(names):
                path = (key,) if isinstance(getattr(self, key), str) else (key, index)
                if table is not None:
                    yield from name_problem(path, name, table)
        yield from self.column_problems(table, ())

    def _season_problems(self) -> Iterator[FieldProblem]:
        if self.season is None:
            if self.difference == "seasonal":
                what = "a seasonal difference needs the length of the season"
                yield FieldProblem(("difference",), what, "season: 12, for example", "or difference: true")
        elif self.season > self.history:
            what = f"a season of {self.season} rows is longer than the history of {self.history}"
            expected = f"at most {self.history}, because the value one season before must lie in the window"
            yield FieldProblem(("season",), what, expected, f"history: {self.season}")
