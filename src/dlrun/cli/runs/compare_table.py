"""A comparison of runs as a table."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from dlrun.cli.display.format import format_score, format_seconds, format_table
from dlrun.runs.compare.compare import Contrast, Line
from dlrun.runs.query.fields import as_text


def contrast_table(found: Contrast) -> str:
    """One line for each key, one column for each run; an empty line between the sections."""
    rows: list[tuple[str, ...]] = []
    section = ""
    for line in found.lines:
        if section not in ("", line.section):
            rows.append(("",) * (len(found.ids) + 1))
        section = line.section
        rows.append((line.key, *(_text(line, value) for value in line.values)))
    if not any(line.section == "spec" for line in found.lines):
        rows.insert(0, ("no key of the specs differs", *("" for _ in found.ids)))
    return format_table(("", *found.ids), rows)


def contrast_rows(found: Contrast) -> Iterator[tuple[Any, ...]]:
    """The same as rows of values."""
    for line in found.lines:
        values = (as_text(value) if isinstance(value, bool | list) else value for value in line.values)
        yield (line.section, line.key, *values)


def _text(line: Line, value: Any) -> str:
    if value is None and line.section != "spec":
        return "-"
    if line.section == "score" and isinstance(value, float):
        return format_score(value)
    if line.section == "outcome" and not isinstance(value, str):
        return format_seconds(value) if line.key == "seconds" else f"{value:,.0f}"
    return as_text(value)
