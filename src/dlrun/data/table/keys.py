"""The YAML keys of a table: its files, its targets, and how to read its columns."""

from __future__ import annotations

import abc
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from functools import partial
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field
from pydantic_core import PydanticCustomError

from dlrun.component import FieldProblem
from dlrun.data.columns import ColumnKeys, name_problem
from dlrun.data.columns.texts import known_values
from dlrun.data.dataset import Source
from dlrun.data.example_columns.columns import ExampleColumns, ExampleReader, WeightColumn
from dlrun.data.example_columns.keys import ExampleKeys
from dlrun.data.files.table_files import TableFiles
from dlrun.data.labels import Task
from dlrun.errors import DataError
from dlrun.system.paths import FROM_WHERE

DESCRIBED_BYTES = 1 << 23
"""Files up to this size are read when a spec is validated, which takes a few tenths of a second."""

_HINTED = 5
"""Maximum number of misspelled targets with a "did you mean" hint."""


def _check_names(value: Any) -> Any:
    names = value if isinstance(value, tuple) else (value,)
    if value is None or (names and all(isinstance(name, str) for name in names)):
        return value
    raise PydanticCustomError("names", "Input should be the name of a column, or a list of names")


Names = Annotated[str | tuple[str, ...], BeforeValidator(_check_names)]
"""The name of a column, or several names."""


class TableKeys(ColumnKeys, ExampleKeys, Source, abc.ABC):
    """The YAML keys of a table."""

    place_keys = ("path", "validation_path", "test_path")
    path_keys = place_keys
    reach_keys = ("path", "validation_path", "test_path")

    path: str = Field(
        description="The training rows: a CSV or Parquet file, or a pattern (data/*.csv) for several files with the "
        f"same columns. {FROM_WHERE}"
    )
    validation_path: str | None = Field(default=None, description="A separate file for the validation split.")
    test_path: str | None = Field(default=None, description="A separate file for the test split.")
    target: Names | None = Field(
        default=None,
        description="The column to predict, or several of one kind: all numbers, or all classes with a softmax for "
        "each column. null: none, for an autoencoder.",
    )
    task: Task = Field(
        default="auto",
        description="classification or regression. auto: regression for numbers, except few distinct whole numbers; "
        "classification for everything else.",
    )
    missing_target: Literal["error", "drop"] = Field(
        default="error",
        description="How to handle rows without a target. error: refuse them · drop: leave them out.",
    )

    @property
    def targets(self) -> tuple[str, ...]:
        """The columns to predict."""
        if self.target is None:
            return ()
        return (self.target,) if isinstance(self.target, str) else self.target

    @property
    def not_features(self) -> Mapping[str, str]:
        """The reason why each column that describes the examples is not a feature."""
        return self.example_columns

    def split_keys(self) -> Mapping[str, str]:
        """Return the splits other than `train` that are given by keys, also those in the split column of a file."""
        given = {**super().split_keys()}
        if self.split is not None and (self.test or self.validation or self.fold):
            with suppress(DataError):  # load() raises it: the data is wrong, not the spec
                table = self.open_table(self.path)
                if table.size <= DESCRIBED_BYTES:
                    splits = self.read_example_columns((table,)).splits
                    given |= {name: "split" for name in splits if name != "train"}
        return given

    def read_example_columns(self, tables: Sequence[TableFiles], weight: WeightColumn | None = None) -> ExampleColumns:
        """Read the columns that describe the rows, of all tables one after another.

        Args:
            tables: The tables.
            weight: The column of weights, to read them, too.

        Raises:
            DataError: A table lacks such a column, or a value is wrong; the error names the row.
        """
        reader, names = ExampleReader(self, weight), tuple(self.example_columns)
        for table in tables if names else ():
            table.check_columns(names)
            for name in names:
                if name in table.unreadable:
                    raise DataError(f"{table.label}: column {name!r} cannot be used: {table.unreadable[name]}")
            for block in table.blocks(names):
                known = {name: known_values(block.columns[name], self.missing_texts) for name in names}
                reader.add(known, partial(_place, table, block.first))
        return reader.columns()

    def problems(self) -> Iterator[FieldProblem]:
        """Yield the problems of the keys, including missing columns if the file can be read now."""
        yield from super().problems()
        if self.missing.numeric == "last":
            what = "rows of a table have no order, so there is no last known value"
            yield FieldProblem(("missing", "numeric"), what, "median, indicator or error", "type: series has it")
        try:
            table = self.open_table(self.path, head_only=True)
        except DataError:  # load() raises it: the data is wrong, not the spec
            table = None
        yield from self.example_problems({"target": self.targets})
        for key, name in self.described_by.items():
            if table is not None:
                yield from name_problem((key,), name, table)
        if self.split is not None and (listed := self.listed.get(self.split, "ignore")) != "ignore":
            what = f"{self.split!r} is also listed under {listed}, but it names the split of each row"
            yield FieldProblem(("split",), what, "only one of them")
        before: set[str] = set()
        for index, name in enumerate(self.targets):
            path = ("target",) if isinstance(self.target, str) else ("target", index)
            if table is not None:
                yield from name_problem(path, name, table, hinted=index < _HINTED)
            if name in before:
                yield FieldProblem(path, f"{name!r} is named twice", "each column once")
            before.add(name)
        yield from self.column_problems(table, self.targets)


def _place(table: TableFiles, first: int, row: int) -> str:
    return table.place(first + row)
