"""The YAML keys that say how delimited files are written; shared by every dataset that reads them."""

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
    """How delimited files (CSV, TSV) are read; Parquet files and JSON lines need none of it but the encoding."""

    header: Literal["auto"] | bool = Field(
        default="auto",
        description="Whether the first line of a CSV file names the columns. false: it is a row, and the columns are "
        "called column_1, column_2, ... or as `names` says · auto: it does, unless `names` is set; a first line that "
        "looks like a row is reported.",
    )
    names: tuple[str, ...] = Field(
        default=(),
        description="Names for the columns of a CSV file without a line of names; with `header: true` they replace "
        "those of the file.",
    )
    delimiter: FileDelimiter = Field(
        default="auto",
        description="Between two values of a CSV file: comma, semicolon, tab, pipe, or the character. auto: detected "
        "from the first lines.",
    )
    quoted: bool = Field(
        default=True,
        description="Whether a value of a CSV file may stand in double quotes, with delimiters and line breaks in it. "
        "false: a quote is a letter like any other.",
    )
    encoding: FileEncoding = Field(
        default="auto",
        description="Of the characters in text files: utf-8, latin-1, utf-16, ... auto: detected from their bytes.",
    )

    @property
    def first_line(self) -> Header:
        """What is known of the first line."""
        return Header(None if self.header == "auto" else self.header, self.names)

    @property
    def file_format(self) -> FileFormat:
        """All that is known before a file is opened."""
        encoding = None if self.encoding == "auto" else self.encoding
        return FileFormat(known_delimiter(self.delimiter), encoding, self.quoted, self.first_line)

    def name_problems(self) -> Iterator[FieldProblem]:
        """Names that are empty or come twice."""
        for index, name in enumerate(self.names):
            if not name.strip():
                yield FieldProblem(("names", index), "the name is empty", "a name for each column")
            elif name in self.names[:index]:
                yield FieldProblem(("names", index), f"{name!r} is named twice", "names that differ")

    def format_problems(self, files: Iterable[DataFile], label: str) -> Iterator[FieldProblem]:
        """Keys for delimited files that are set where there are none.

        Args:
            files: The files.
            label: What to call them.
        """
        files = tuple(files)
        if not files or any(isinstance(file, CsvFile) for file in files):
            return
        for key in ("header", "names"):
            if key in self.model_fields_set and getattr(self, key) not in ("auto", ()):
                kind = "a Parquet file" if files[0].row_word == "row" else "a file of JSON lines"
                yield FieldProblem((key,), f"{label} is {kind}, whose columns have their names", f"no key {key}")
