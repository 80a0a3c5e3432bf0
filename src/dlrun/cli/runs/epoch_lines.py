"""Lines of metrics.jsonl as a person, JSON or CSV has them."""

from __future__ import annotations

import json

from dlrun.cli.display.format import format_row
from dlrun.cli.display.printable import printable_text
from dlrun.cli.runs.output import Form
from dlrun.runs.history import parse_row
from dlrun.system.spreadsheet import csv_text


class EpochLines:
    """Turns one line after the other.

    Args:
        form: TABLE gives one plain line for each epoch.
    """

    def __init__(self, form: Form) -> None:
        self._form = form
        self._columns: list[str] = []

    def text(self, line: bytes) -> str | None:
        """What to print for a line; None for one that is damaged."""
        row = parse_row(line + b"\n")
        if row is None:
            return None
        if self._form is Form.JSON:
            return json.dumps(row)
        if self._form is Form.TABLE:
            return format_row(row)
        rows: list[list[object]] = [[row.get(column) for column in self._columns]]
        if not set(row) <= set(self._columns):  # the first, or one with a metric that none before had
            self._columns = list(row)
            rows = [[printable_text(name) for name in row], list(row.values())]
        return csv_text(rows).removesuffix("\n")
