"""Write rows as CSV in which spreadsheets do not take any text for a formula."""

from __future__ import annotations

import csv
import io
import math
import re
from collections.abc import Iterable, Sequence
from typing import Any

_BEGINS_FORMULA = tuple("=+-@\t\r\n\uff1d\uff0b\uff0d\uff20")  # the last four are full-width forms of the first four
_NUMBER = re.compile(r"[+-]?\d+(\.\d*)?([eE][+-]?\d+)?", re.ASCII)


def csv_text(rows: Iterable[Sequence[Any]]) -> str:
    """Return rows as CSV.

    Args:
        rows: Texts, numbers, and None for empty cells. NaN and infinities become empty cells too; all other numbers,
            including negative ones, are written as they are.
    """
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows([safe_cell(value) for value in row] for row in rows)
    return text.getvalue()


def safe_cell(value: Any) -> Any:
    """Return the content of a cell; a text that looks like a formula gets an apostrophe, so that it stays a text.

    A carriage return is escaped, because the csv module writes it unchanged, and readers take it for the end of a line.

    Args:
        value: The value of the cell.

    Reference:
        OWASP, "CSV Injection".
    """
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if not isinstance(value, str):
        return value
    return ("'" if is_formula(value) else "") + value.replace("\r", "\\r")


def is_formula(text: str) -> bool:
    """Return whether a spreadsheet would take a text for a formula; a class named -1 is a number to it."""
    return text.startswith(_BEGINS_FORMULA) and not _NUMBER.fullmatch(text)
