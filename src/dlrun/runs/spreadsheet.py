"""Rows in, CSV out, in which no text is taken for a formula by the spreadsheet that opens it."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from typing import Any

_BEGINS_FORMULA = tuple("=+-@\t\r\n\uff1d\uff0b\uff0d\uff20")  # the last four are wide forms of the first four


def csv_text(rows: Iterable[Sequence[Any]]) -> str:
    """Rows as CSV.

    Args:
        rows: Texts, numbers, and None for an empty cell. Numbers stay as they are, the negative ones too.
    """
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows([safe_cell(value) for value in row] for row in rows)
    return text.getvalue()


def safe_cell(value: Any) -> Any:
    """A cell: a text that would begin a formula gets an apostrophe, which a spreadsheet takes for "this is text".

    A carriage return is written out, because csv puts it into a cell as it is, and readers take it for a line's end.

    Reference:
        OWASP, "CSV Injection".
    """
    if not isinstance(value, str):
        return value
    return ("'" if value.startswith(_BEGINS_FORMULA) else "") + value.replace("\r", "\\r")
