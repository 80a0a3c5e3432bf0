"""The dataset of a table: CSV or Parquet files with columns of numbers, categories and text, and columns to predict."""

from __future__ import annotations

import functools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

import numpy as np

from dlrun.component import FieldProblem
from dlrun.data.columns import (
    ColumnReading,
    ColumnsPreprocess,
    TableFiles,
    embedded_columns,
    read_slice_columns,
    slice_problems,
    stored_blocks,
    take_rows,
)
from dlrun.data.dataset import Dataset, datasets
from dlrun.data.files.locate import find_tables
from dlrun.data.splits import Array, Split
from dlrun.data.table.input import TableInput
from dlrun.data.table.keys import DESCRIBED_BYTES, TableKeys
from dlrun.data.table.rows import TableRows, divide_rows, plan_table
from dlrun.data.table.store import Stored, StoredTable, place_note, read_stored, store_key, write_stored
from dlrun.errors import DataError
from dlrun.signature import Description, Features
from dlrun.system.cache import Cached
from dlrun.system.disk import reason
from dlrun.system.memory import free_memory
from dlrun.system.user_folders import cache_folder

_PERHAPS_LARGE_BYTES = 1 << 26
"""Smaller files always fit in memory."""

IN_MEMORY_BYTES = 1 << 28
"""Coded rows up to this size stay in memory; larger ones are written to files."""

MEMORY_PART = 0.25
"""Fraction of the free memory that rows may take if no disk has space for them."""


@datasets.register("table")
class Table(TableKeys):
    """A table in CSV or Parquet files, one example in each row."""

    def describe(self) -> Description | None:
        """Return the description of a small table; None for a large or damaged one."""
        try:
            tables = self._tables()
            if sum(table.size for table in tables.values()) > DESCRIBED_BYTES:
                return None
            return self.load().describe()
        except DataError:  # load() raises it again: the data is wrong, not the spec
            return None

    def check_files(self) -> None:
        """Open every file, and read a small table completely.

        Raises:
            DataError: A file cannot be read.
        """
        if sum(table.size for table in self._tables().values()) <= DESCRIBED_BYTES:
            self.load()

    def load(self) -> Dataset:
        """Read the rows, plan the columns, and hold out test and validation rows.

        Raises:
            DataError: A file is missing or damaged, or a column or value does not fit the spec.
        """
        tables = self._tables()
        files = [path for table in tables.values() for path in table.paths]
        size = sum(table.size for table in tables.values())
        # From cheap to expensive:
        # 1. A small table has probably been read already, when the spec was validated.
        # 2. The rows of a large table may be cached by an earlier run, which saves even the survey.
        # 3. Whether rows fit in memory is known only after the survey, since a text column has many values per row.
        # 4. Rows that do not fit are written to the cache. Without room on a disk, memory is the last resort.
        if size <= DESCRIBED_BYTES:
            return _read_before(self, store_key({}, files))
        # The stored rows have the targets in the unit of the data.
        keyless = self.model_dump(mode="json", exclude={*self.place_keys, "target_transform"})
        key = store_key(keyless, files)
        if size > _PERHAPS_LARGE_BYTES and (found := read_stored(key)) is not None:
            return self._from_cache(found)
        plan = plan_table(self, tables)
        needed = plan.coded_bytes(self)
        if needed <= IN_MEMORY_BYTES:
            return self._from_memory(divide_rows(self, plan))
        try:
            stored = write_stored(
                key, lambda folder: divide_rows(self, plan, folder=folder), what=f"the table {self.path}", size=needed
            )
        except OSError as error:
            if needed > MEMORY_PART * free_memory():
                raise _no_room(needed, error) from error
            note = f"rows: {needed / 2**30:.1f} GiB in memory, because no disk has space for them: {reason(error)[0]}"
            return self._from_memory(divide_rows(self, plan), note)
        return self._from_cache(stored)

    def slicing_problems(self, names: Sequence[str]) -> Iterator[FieldProblem]:
        """Yield the columns that the training rows do not have, if the file can be read now."""
        try:
            table = self.open_table(self.path, head_only=True)
        except DataError:  # load() raises it: the data is wrong, not the names
            return
        yield from slice_problems(names, table)

    def read_slice_values(self, names: Sequence[str], splits: Mapping[str, Split]) -> Mapping[str, Mapping[str, Array]]:
        """Read columns of the files again, and select the rows of each split.

        Raises:
            DataError: A file lacks a column, or has fewer rows than when the dataset was loaded.
        """
        values = read_slice_columns(tuple(self._tables().values()), names, self)
        return {split: take_rows(values, part.rows, label=self.path) for split, part in splits.items()}

    def _load_small(self) -> Dataset:
        return self._from_memory(divide_rows(self, plan_table(self, self._tables())))

    def _from_cache(self, found: Cached[Stored]) -> Dataset:
        return self._dataset(*found.value, *found.notes, place_note(found))

    def _from_memory(self, rows: TableRows, *notes: str) -> Dataset:
        splits = {name: _in_memory(rows, split) for name, split in rows.splits.items()}
        return self._dataset(StoredTable.of(rows, splits), splits, *notes)

    def _dataset(self, table: StoredTable, splits: dict[str, Split], *notes: str) -> Dataset:
        train = splits["train"].features
        preprocess = ColumnsPreprocess.of(table.columns, train=train, scaling=self.numeric_scaling)
        continuous = preprocess.continuous(table.columns, train)
        reading = ColumnReading.of(self)
        return Dataset(
            find_tables(self.path)[0].name.partition(".")[0],
            Features("vector", preprocess.shape, embedded=embedded_columns(table.columns), continuous=continuous),
            table.target,
            preprocess,
            splits,
            table.fingerprint,
            (*table.notes, *notes),
            raw=TableInput(
                table.columns, table.targets, reading, self.missing_target, self.unknown_categories, weight=table.weight
            ),
            warnings=table.warnings,
            left_out=table.left_out,
            weight=self.weight or "",
        )

    def _tables(self) -> dict[str, TableFiles]:
        sources = {"train": self.path, "validation": self.validation_path, "test": self.test_path}
        return {name: self.open_table(source) for name, source in sources.items() if source}


@functools.lru_cache(maxsize=2)
def _read_before(source: Table, key: str) -> Dataset:  # noqa: ARG001  changed files have another key
    """Load a small table only once, for both validation and training."""
    return source._load_small()  # noqa: SLF001


def _no_room(needed: int, error: OSError) -> DataError:
    return DataError(
        f"the rows of the table take {needed / 2**30:.1f} GiB, which fit neither in memory nor in {cache_folder()}: "
        f"{reason(error)[0]}",
        expected="enough space for them",
        hint="set DLRUN_CACHE to a folder on another disk",
    )


def _in_memory(rows: TableRows, split: Split) -> Split:
    stored = np.concatenate(list(stored_blocks(rows.coded, rows.columns, split.features)))
    # Until here the features of a split were the numbers of its rows.
    return replace(split, features=stored, rows=split.features)
