"""CSV and TSV files: columns by the names in their first line; quotes may hold separators and line breaks."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from dlrun.data.files.detected import Told
from dlrun.data.files.dialect import Dialect, known_delimiter, opened_rows, read_dialect
from dlrun.data.text.rows import Row, TextFile, absent_label
from dlrun.errors import DataError


@dataclass(frozen=True)
class DelimitedFile(TextFile):
    """A file of rows whose fields are separated by a character."""

    def names(self) -> tuple[str, ...]:
        """The names of its columns: the fields of its first row, or those that the reading gives."""
        return self._names(self._dialect(head_only=True))

    def rows(self, *, labelled: bool) -> Iterator[Row]:
        """Its rows; lines with nothing in them are no rows."""
        dialect = self._dialect()
        names = self._names(dialect)
        self.check_columns(names, labelled=labelled)
        text, label = names.index(self.reading.text), names.index(self.reading.label) if labelled else 0
        kept = [names.index(name) for name in self.reading.keep]
        hint = "quoted: false, if quotes in this file are letters like any other"
        with opened_rows(self.path, dialect, strict=True, hint=hint) as rows:
            if self.reading.header.is_first_line(dialect.first):
                next(rows)
            for number, fields in rows:
                if len(fields) != len(names):
                    raise self._wrong_width(number, fields, names)
                said = fields[label].strip() if labelled else None
                if said == "":
                    raise absent_label(self.place(number), self.reading)
                yield Row(number, fields[text], said, tuple(fields[place] for place in kept))

    def told(self) -> Iterator[tuple[str, Told]]:
        """Also the delimiter."""
        return ((self.path, told) for told in self._dialect().told)

    def warnings(self) -> Iterator[str]:
        """A first line that looks like a row and is read as names, or the other way round."""
        dialect = self._dialect(head_only=True)
        return self.reading.header.warnings(self.path, dialect.row_like, is_name_like=dialect.is_name_like)

    def _names(self, dialect: Dialect) -> tuple[str, ...]:
        return self.reading.header.names_of(self.path, dialect.first)

    def _dialect(self, *, head_only: bool = False) -> Dialect:
        reading = self.reading
        return read_dialect(
            self.path,
            delimiter=known_delimiter(reading.delimiter),
            encoding=reading.known_encoding,
            quoted=reading.quoted,
            head_only=head_only,
        )

    def _wrong_width(self, number: int, fields: list[str], names: tuple[str, ...]) -> DataError:
        return DataError(
            f"{self.path}:{number}: the row has {len(fields)} field{'s'[: len(fields) > 1]}: {_shown(fields)}",
            expected=f"{len(names)}, as the first line has: {', '.join(names)}",
            hint="a text with a delimiter in it stands in double quotes",
        )


def _shown(fields: list[str]) -> str:
    text = repr(fields)
    return text if len(text) <= 100 else text[:100] + "..."  # noqa: PLR2004  what fits a line
