"""Prints rows to stdout as a table, JSON or CSV."""

from __future__ import annotations

import enum
import json
import sys
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

import typer

from dlrun.cli.display.format import format_table
from dlrun.cli.display.printable import printable_text
from dlrun.system.spreadsheet import csv_text


class ListingColumn(NamedTuple):
    """One column of a listing.

    Args:
        heading: The heading, and the key in JSON.
        value: Returns the value of a row, for JSON and CSV.
        text: Formats that value for a table.
    """

    heading: str
    value: Callable[[Any], Any]
    text: Callable[[Any], str] = str


class Form(enum.Enum):
    """The output format of a listing."""

    TABLE = "table"
    JSON = "json"
    CSV = "csv"

    @classmethod
    def of(cls, *, as_json: bool, as_csv: bool) -> Form:
        """Return the form that the options select.

        Raises:
            typer.BadParameter: Both options are given.
        """
        if as_json and as_csv:
            raise typer.BadParameter("give only one of them", param_hint="--json, --csv")
        return cls.JSON if as_json else cls.CSV if as_csv else cls.TABLE


def show_rows(rows: Iterable[Any], columns: Sequence[ListingColumn] | None, form: Form) -> None:
    """Print rows in a form; JSON without columns prints all facts of each row."""
    if form is Form.JSON:
        plain = [{c.heading: c.value(row) for c in columns} if columns is not None else row.plain() for row in rows]
        # One line for each row: an indent makes json.dumps ten times slower, which shows with ten thousand runs.
        sys.stdout.write("[" + ",\n ".join(map(json.dumps, plain)) + "]\n")
        return
    columns = columns or ()
    if form is Form.CSV:
        write_csv([column.heading for column in columns], ([column.value(row) for column in columns] for row in rows))
    elif rows := list(rows):
        cells = [[column.text(column.value(row)) for column in columns] for row in rows]
        typer.echo(format_table([column.heading for column in columns], cells))


def write_csv(header: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """Print CSV whose texts cannot act as formulas in a spreadsheet or as escape sequences in a terminal."""
    sys.stdout.write(csv_text([_cell(value) for value in row] for row in (header, *rows)))
    sys.stdout.flush()


def _cell(value: Any) -> Any:
    if isinstance(value, list | tuple):
        value = ", ".join(map(str, value))
    return printable_text(value) if isinstance(value, str) else value
