"""YAML keys for the format of delimited files, shared by every dataset that reads them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Literal

from pydantic import Field

from dlrun.component import FieldProblem, Fields
from dlrun.data.files.csv_file import CsvFile
from dlrun.data.files.data_file import DataFile, FileFormat
from dlrun.data.files.dialect import FileDelimiter, known_delimiter
from dlrun.data.files.encoding import FileEncoding
from dlrun.data.files.header import Header


class FileKeys(Fields):
    """Format of delimited files (CSV, TSV). For JSON lines only the encoding applies, for Parquet files no key does."""

    header: Literal["auto"] | bool = Field(
        default="auto",
        description="Whether the first line of a CSV file contains the column names. false: it is a row, and the "
        "columns are called column_1, column_2, ... or as in `names` · auto: it does, unless `names` is set; a warning "
        "reports a first line that looks like a row.",
    )
    names: tuple[str, ...] = Field(
        default=(),
        description="Column names for a CSV file whose first line does not contain them; with `header: true` they "
        "replace the names in the file.",
    )
    delimiter: FileDelimiter = Field(
        default="auto",
        description="Delimiter between two values of a CSV file: comma, semicolon, tab, pipe, or the character itself. "
        "auto: detected from the first lines.",
    )
    quoted: bool = Field(
        default=True,
        description="Whether a value of a CSV file may be enclosed in double quotes, and then contain delimiters and "
        "line breaks. false: a quote is an ordinary character.",
    )
    encoding: FileEncoding = Field(
        default="auto",
        description="Character encoding of text files: utf-8, latin-1, utf-16, ... auto: detected from the bytes.",
    )

    @property
    def first_line(self) -> Header:
        """Return the settings for the first line."""
        return Header(None if self.header == "auto" else self.header, self.names)

    @property
    def file_format(self) -> FileFormat:
        """Return the format, as far as it is known before a file is opened."""
        encoding = None if self.encoding == "auto" else self.encoding
        return FileFormat(known_delimiter(self.delimiter), encoding, self.quoted, self.first_line)

    def name_problems(self) -> Iterator[FieldProblem]:
        """Yield a problem for each name that is empty or repeated."""
        for index, name in enumerate(self.names):
            if not name.strip():
                yield FieldProblem(("names", index), "the name is empty", "one name for each column")
            elif name in self.names[:index]:
                yield FieldProblem(("names", index), f"the name {name!r} is repeated", "distinct names")

    def format_problems(self, files: Iterable[DataFile], label: str) -> Iterator[FieldProblem]:
        """Yield a problem for each key for delimited files that is set although no file is delimited.

        Args:
            files: The files.
            label: Name of the files in messages.
        """
        files = tuple(files)
        if not files or any(isinstance(file, CsvFile) for file in files):
            return
        for key in ("header", "names"):
            if key in self.model_fields_set and getattr(self, key) not in ("auto", ()):
                kind = "a Parquet file" if files[0].row_word == "row" else "a JSON lines file"
                problem = f"{label} is {kind}, which contains its own column names"
                yield FieldProblem((key,), problem, f"no key {key}")
