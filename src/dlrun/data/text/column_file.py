"""Texts and labels in the columns of a file: delimited, Parquet, or JSON lines."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dlrun.data.files.csv_file import CsvFile
from dlrun.data.files.data_file import DataFile, clean, shown_value, written_label, written_value
from dlrun.data.files.encoding import Detected
from dlrun.data.files.json_lines import JsonLinesFile
from dlrun.data.text.rows import Row, TextFile, absent_label
from dlrun.errors import DataError


@dataclass(frozen=True)
class ColumnFile(TextFile):
    """A file with a column of texts; it is opened anew for each pass.

    Args:
        kind: What it is written in.
    """

    kind: type[DataFile] = CsvFile

    @property
    def is_delimited(self) -> bool:
        """Whether its values are divided by a delimiter."""
        return self.kind is CsvFile

    def names(self) -> tuple[str, ...]:
        """The names of its columns."""
        return self.open(head_only=True).names

    def rows(self, *, labelled: bool) -> Iterator[Row]:
        """Its rows; a text of null is empty."""
        file, keep = self.open(), self.reading.keep
        if self.kind is not JsonLinesFile:  # each of whose lines has keys of its own, and is checked by itself
            self.check_columns(file.names, labelled=labelled, row_like=file.row_like)
        columns = [self.reading.text, *([self.reading.label] if labelled else []), *keep]
        for number, values in file.records(columns):
            text = values[0]
            if text is not None and not isinstance(text, str):
                raise DataError(f"{self.place(number)}: the text is {shown_value(text)}", expected="text in quotes")
            label = self._label(values[1], number) if labelled else None
            kept = tuple(map(written_value, values[len(values) - len(keep) :]))
            yield Row(number, clean(text or ""), label, kept)

    def detected(self) -> Iterator[tuple[str, Detected]]:
        """The encoding, and the delimiter where there is one."""
        return ((self.path, found) for found in self.open().detected)

    def warnings(self) -> Iterator[str]:
        """A first line that looks like a row and is read as names, or the other way round."""
        return iter(self.open(head_only=True).warnings)

    def row_name(self, number: int) -> str:
        """By its line, or by its number in a Parquet file."""
        return self.kind.row_name(number)

    def place(self, number: int) -> str:
        """Where a row stands."""
        return self.kind.place(self.path, number)

    def open(self, *, head_only: bool = False) -> DataFile:
        """Read its beginning.

        Raises:
            DataError: It cannot be read.
        """
        return self.kind.open(Path(self.path), self.reading.file_format, head_only=head_only)

    def _label(self, value: Any, number: int) -> str:
        label = written_label(value)
        if label is None:
            problem = f"{self.place(number)}: the label is {shown_value(value)}"
            raise DataError(problem, expected="one name or one number")
        if not label:
            raise absent_label(self.place(number), self.reading)
        return label
