"""Rows in, a table, JSON or CSV on stdout out."""

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
    """One column: its heading, a row's value as JSON and CSV have it, and that value as people read it."""

    heading: str
    value: Callable[[Any], Any]
    text: Callable[[Any], str] = str


class Form(enum.Enum):
    """How a listing is printed."""

    TABLE = "table"
    JSON = "json"
    CSV = "csv"

    @classmethod
    def of(cls, *, as_json: bool, as_csv: bool) -> Form:
        """The one that the options ask for."""
        if as_json and as_csv:
            raise typer.BadParameter("give one of them", param_hint="--json, --csv")
        return cls.JSON if as_json else cls.CSV if as_csv else cls.TABLE


def show_rows(rows: Iterable[Any], columns: Sequence[ListingColumn] | None, form: Form) -> None:
    """Print rows; as JSON without columns they are whole."""
    if form is Form.JSON:
        plain = [{c.heading: c.value(row) for c in columns} if columns is not None else row.plain() for row in rows]
        # One line for each: ten thousand with an indent take the encoder ten times as long.
        sys.stdout.write("[" + ",\n ".join(map(json.dumps, plain)) + "]\n")
        return
    columns = columns or ()
    if form is Form.CSV:
        write_csv([column.heading for column in columns], ([column.value(row) for column in columns] for row in rows))
    elif rows := list(rows):
        cells = [[column.text(column.value(row)) for column in columns] for row in rows]
        typer.echo(format_table([column.heading for column in columns], cells))


def write_csv(header: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """Print CSV in which text is text: for the spreadsheet no formula, for the terminal no command."""
    sys.stdout.write(csv_text([_cell(value) for value in row] for row in (header, *rows)))
    sys.stdout.flush()


def _cell(value: Any) -> Any:
    if isinstance(value, list | tuple):
        value = ", ".join(map(str, value))
    return printable_text(value) if isinstance(value, str) else value
