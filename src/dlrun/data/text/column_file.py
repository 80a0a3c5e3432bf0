"""Read texts and labels from columns of a delimited, Parquet or JSON lines file."""

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
    """A file with a column of texts, which is opened again for each pass.

    Args:
        kind: Class that reads the format of the file.
    """

    kind: type[DataFile] = CsvFile

    @property
    def is_delimited(self) -> bool:
        """Return whether the values are separated by a delimiter."""
        return self.kind is CsvFile

    def names(self) -> tuple[str, ...]:
        """Return the column names."""
        return self.open(head_only=True).names

    def rows(self, *, labelled: bool) -> Iterator[Row]:
        """Read the rows; a null text becomes an empty text."""
        file, keep = self.open(), self.reading.keep
        if self.kind is not JsonLinesFile:  # lines of JSON may have different keys, so each line is checked separately
            self.check_columns(file.names, labelled=labelled, row_like=file.row_like)
        columns = [self.reading.text, *([self.reading.label] if labelled else []), *keep]
        for number, values in file.records(columns):
            text = values[0]
            if text is not None and not isinstance(text, str):
                raise DataError(f"{self.place(number)}: the text is {shown_value(text)}", expected="text in quotes")
            label = self._label(values[1], number) if labelled else None
            # With no columns to keep, `values[-0:]` would be all values, so count from the front.
            kept = tuple(map(written_value, values[len(values) - len(keep) :]))
            yield Row(number, clean(text or ""), label, kept)

    def detected(self) -> Iterator[tuple[str, Detected]]:
        """Yield the path with the detected encoding, and with the detected delimiter if there is one."""
        return ((self.path, found) for found in self.open().detected)

    def warnings(self) -> Iterator[str]:
        """Return a warning if the first line looks like a row but is read as column names, or the other way round."""
        return iter(self.open(head_only=True).warnings)

    def row_name(self, number: int) -> str:
        """Return the name of a row within the file: its line, or its number in a Parquet file."""
        return self.kind.row_name(number)

    def place(self, number: int) -> str:
        """Return the place of a row for messages."""
        return self.kind.place(self.path, number)

    def open(self, *, head_only: bool = False) -> DataFile:
        """Open the file and read its beginning.

        Raises:
            DataError: The file cannot be read.
        """
        return self.kind.open(Path(self.path), self.reading.file_format, head_only=head_only)

    def _label(self, value: Any, number: int) -> str:
        label = written_label(value)
        if label is None:
            problem = f"{self.place(number)}: the label is {shown_value(value)}"
            raise DataError(problem, expected="a single name or number")
        if not label:
            raise absent_label(self.place(number), self.reading)
        return label
