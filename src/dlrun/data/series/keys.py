"""The keys of a series: its file, what is predicted from how many rows, and the columns of the time."""

from __future__ import annotations

import abc
from collections.abc import Iterator

from pydantic import Field

from dlrun.component import FieldProblem
from dlrun.data.columns import ColumnKeys, name_problem
from dlrun.data.dataset import HeldOut, Source
from dlrun.data.table.keys import Names
from dlrun.errors import DataError
from dlrun.system.paths import FROM_WHERE


class SeriesKeys(ColumnKeys, Source, abc.ABC):
    """What a spec says of a series."""

    place_keys = ("path",)
    path_keys = place_keys
    reach_keys = ("path",)

    path: str = Field(
        description="The rows in time order: a CSV or Parquet file, or a pattern (data/*.csv) that matches several, "
        f"one after the other by their names. {FROM_WHERE}"
    )
    target: Names = Field(description="The column of numbers to predict, or several.")
    history: int = Field(ge=1, description="Rows that a prediction is made from.")
    horizon: int = Field(default=1, ge=1, description="Rows after these that are predicted.")
    time: Names | None = Field(
        default=None,
        description="The column of the time, or several from the slowest on ([year, month, day]): numbers, or dates "
        "(2024-03-31, 31.03.2024, 03/31/2024, with a time or without); checked to never go back. null: the rows are "
        "taken as they stand.",
    )
    difference: bool = Field(
        default=False,
        description="Whether the model learns the difference of each target to its last value in the window, which is "
        "then added to what it gives: predictions, scores and exports are of the values themselves. It suits a series "
        "that grows or wanders, and whose last value is a good guess.",
    )
    missing_target: str = Field(
        default="drop",
        pattern="^(drop|error)$",
        description="What becomes of windows whose values to predict are missing. drop: left out · error: none may be.",
    )
    test: HeldOut = Field(
        default=0, description="The last windows, held out for the test: a fraction, or a number. Validation precedes."
    )

    @property
    def targets(self) -> tuple[str, ...]:
        """The columns to predict."""
        return (self.target,) if isinstance(self.target, str) else self.target

    @property
    def times(self) -> tuple[str, ...]:
        """The columns of the time."""
        return (self.time,) if isinstance(self.time, str) else self.time or ()

    @property
    def text_refusal(self) -> str:
        """No model of a series learns from texts."""
        return "" if self.unlisted_text == "learn" else "it is free text, which a series does not take"

    def problems(self) -> Iterator[FieldProblem]:
        """Columns that are not there, as far as the file can be read now."""
        yield from super().problems()
        if isinstance(self.validation, str) and self.validation != "test":
            said = f"a series has no split {self.validation!r}"
            yield FieldProblem(("validation",), said, "a fraction, a number, or test")
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
