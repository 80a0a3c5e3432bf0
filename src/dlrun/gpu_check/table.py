"""The Markdown table to paste."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from dlrun.gpu_check.check import CheckPlace, CheckRow

_LONGEST_CELL = 400


def describe_machine(place: CheckPlace) -> str:
    """Return the line above the table: versions, processor, and whether it is a rehearsal."""
    from dlrun.runs.provenance import machine as provenance

    found: Mapping[str, object] = provenance.machine()
    versions = ", ".join(f"{name} {version}" for name, version in provenance.versions().items())
    text = f"{versions}; {found['cpu']}, {found['usable_cores']} cores; {place.count} GPUs"
    if place.is_rehearsal:
        text = f"**Rehearsal on the CPU: this says nothing about a GPU.** {text.rpartition(';')[0]}"
    return text


def header() -> str:
    """Return the first two lines of the table."""
    return "| check | result | found | s |\n|---|---|---|---|"


def line(row: CheckRow, place: CheckPlace) -> str:
    """Return the line of a row.

    Args:
        row: The row.
        place: Where it was checked; a rehearsal is marked in every line.
    """
    verdict = row.verdict
    text = " ".join(verdict.text.split()).replace("|", "\\|")
    text = text if len(text) <= _LONGEST_CELL else f"{text[:_LONGEST_CELL]} ..."
    if verdict.status == "-":
        return f"| {row.name} | - | does not apply: {text} | |"
    if verdict.status == "failed":
        text = f"failed: {text}"
    mark = f"{verdict.status} (rehearsal)" if place.is_rehearsal else verdict.status
    return f"| {row.name} | {mark} | {text} | {row.seconds:.0f} |"


def count(rows: Sequence[CheckRow]) -> str:
    """Return the line below the table."""
    found = {status: sum(row.verdict.status == status for row in rows) for status in ("ok", "failed", "-")}
    return f"{found['ok']} passed, {found['failed']} failed, {found['-']} do not apply"
