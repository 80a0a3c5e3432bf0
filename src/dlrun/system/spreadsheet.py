"""Rows in, CSV out, in which no text is taken for a formula by the spreadsheet that opens it."""

from __future__ import annotations

import csv
import io
import math
import re
from collections.abc import Iterable, Sequence
from typing import Any

_BEGINS_FORMULA = tuple("=+-@\t\r\n\uff1d\uff0b\uff0d\uff20")  # the last four are wide forms of the first four
_NUMBER = re.compile(r"[+-]?\d+(\.\d*)?([eE][+-]?\d+)?", re.ASCII)


def csv_text(rows: Iterable[Sequence[Any]]) -> str:
    """Rows as CSV.

    Args:
        rows: Texts, numbers, and None for an empty cell, as which numbers that are not finite are written too. The
            others stay as they are, the negative ones too.
    """
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows([safe_cell(value) for value in row] for row in rows)
    return text.getvalue()


def safe_cell(value: Any) -> Any:
    """Return a cell: a text that would begin a formula gets an apostrophe, which tells a spreadsheet that it is text.

    A carriage return is written out, because csv puts it into a cell as it is, and readers take it for a line's end.

    Reference:
        OWASP, "CSV Injection".
    """
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if not isinstance(value, str):
        return value
    return ("'" if is_formula(value) else "") + value.replace("\r", "\\r")


def is_formula(text: str) -> bool:
    """Whether a spreadsheet takes a text for a formula; a class that is called -1 is a number to it."""
    return text.startswith(_BEGINS_FORMULA) and not _NUMBER.fullmatch(text)
