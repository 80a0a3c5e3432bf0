"""Formats numbers, durations, tables and run pages for people to read."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from dlrun.cli.display.printable import printable_cell
from dlrun.runs.history import NOT_SCORES
from dlrun.system.duration import format_seconds

if TYPE_CHECKING:
    from dlrun.runs.record import EnsembleRecord, RunRecord

_MINUTE, _HOUR, _DAY, _YEAR = 60, 3600, 86_400, 31_557_600


def format_age(seconds: float) -> str:
    """Format an age in its largest unit: `3 h ago`."""
    for unit, name in ((_YEAR, "y"), (_DAY, "d"), (_HOUR, "h"), (_MINUTE, "min")):
        if seconds >= unit and math.isfinite(seconds):
            return f"{int(seconds // unit)} {name} ago"
    return f"{int(max(seconds, 0))} s ago" if math.isfinite(seconds) else ""


def format_score(value: float | None) -> str:
    """Format a score with four significant digits, without an exponent if possible; `-` if it is undefined."""
    if value is None or math.isnan(value):
        return "-"
    return f"{value:.4f}" if 0.01 <= abs(value) < 1000 or value == 0 else f"{value:.4g}"


def format_scores(scores: Mapping[str, float | None]) -> str:
    """Format scores with their names: `loss 0.0312  accuracy 0.9911`."""
    return "  ".join(f"{name} {format_score(value)}" for name, value in scores.items())


def format_row(row: Mapping[str, float | None]) -> str:
    """Format a row of metrics.jsonl: `epoch 3  loss 0.0312  accuracy 0.9911  after 8.2 s`."""
    scores = format_scores({name: value for name, value in row.items() if name not in NOT_SCORES})
    seconds = row.get("seconds")
    spent = f"  after {format_seconds(seconds)}" if seconds is not None else ""
    return printable_cell(f"epoch {_cell('epoch', row.get('epoch'))}  {scores}{spent}")


def format_count(count: int, noun: str) -> str:
    """Format a count with its noun: `1 run`, `2 runs`."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def format_phases(seconds: Mapping[str, float]) -> str:
    """Format the total time and its phases: `4.4 s: start 1.9, train 2.5`."""
    parts = ", ".join(f"{phase} {spent:.1f}" for phase, spent in seconds.items())
    return f"{format_seconds(sum(seconds.values()))}: {parts}"


def format_bytes(count: float) -> str:
    """Format a number of bytes: `1.4 MiB`."""
    for unit in ("B", "KiB", "MiB"):
        if count < 1024:
            return f"{count:.0f} {unit}" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1024
    return f"{count:.1f} GiB"


def format_table(
    header: Sequence[str], rows: Sequence[Sequence[str]], *, width: int | None = None, spare: Sequence[str] = ()
) -> str:
    """Format rows as a table with aligned columns, numbers to the right.

    Args:
        header: The names of the columns.
        rows: The cells of each row.
        width: The width of the terminal; None: lines may have any width.
        spare: Columns to leave out if the terminal is too narrow, in this order.
    """
    header, rows = (*map(printable_cell, header),), [(*map(printable_cell, row),) for row in rows]
    widths = {column: max(len(row[column]) for row in (header, *rows)) for column in range(len(header))}
    for name in spare:
        if width is not None and sum(widths.values()) + 2 * (len(widths) - 1) > width and name in header:
            del widths[header.index(name)]

    def line(cells: Sequence[str]) -> str:
        padded = (
            cells[column].rjust(cells_wide)
            if cells[column][:1].isdigit() or cells[column][:1] == "-"
            else cells[column].ljust(cells_wide)
            for column, cells_wide in widths.items()
        )
        return "  ".join(padded).rstrip()

    return "\n".join([line(header), *map(line, rows)])


def widest(text: str) -> int:
    """Return the length of the longest line."""
    return max(map(len, text.split("\n")))


def format_run(record: RunRecord, rows: Sequence[Mapping[str, float | None]], *, status: str, path: Path) -> str:
    """Format a run as one page: its model, data, device, scores and epochs."""
    chosen = {
        "device": record.device,
        "precision": record.precision,
        "cpu shares": record.cpu_shares,
        "jit": record.jit,
    }
    facts = {
        "run": record.id,
        "status": status + (f": {record.reason}" if record.reason else ""),
        "search": f"trial {record.search.trial} of the search {record.search.name}" if record.search else "",
        "started": record.started or "",
        "trained": format_seconds(record.seconds) if record.seconds is not None else "",
        "model": f"{record.model.type}, {_parameters(record.model.parameters)}" if record.model else "",
        "dataset": f"{record.dataset.name}, {_counts(record.dataset.examples)}" if record.dataset else "",
        **{name: f"{choice.value}: {choice.reason}" for name, choice in chosen.items() if choice},
        "time": format_phases(record.time) if record.time else "",
        "throughput": f"{record.throughput:,.0f} examples/s" if record.throughput else "",
        "commit": _commit(record.git or {}),
        "best": f"{record.best.metric} {format_score(record.best.value)}, epoch {record.best.epoch}"
        if record.best
        else "",
        **{split: format_scores(scores) for split, scores in record.result.items()},
        "decision": record.decision.summary if record.decision else "",
        **(_ensemble_facts(record.ensemble) if record.ensemble else {}),
        "tags": ", ".join(record.tags),
        "removed": f"checkpoints, by dlrun runs gc, {record.checkpoints_removed}" if record.checkpoints_removed else "",
        "folder": str(path),
    }
    page = [f"{printable_cell(name):<11}{printable_cell(text)}" for name, text in facts.items() if text]
    if rows:
        columns = [name for name in rows[0] if name not in ("step", "data_wait")]
        cells = [[_cell(name, row.get(name)) for name in columns] for row in rows]
        page += ["", format_table(columns, cells)]
    return "\n".join(page)


def _ensemble_facts(ensemble: EnsembleRecord) -> dict[str, str]:
    members = ", ".join(f"{member.id} {member.weight:.3g}" for member in ensemble.members)
    return {
        "members": f"{len(ensemble.members)}, weights by {ensemble.method}: {members}",
        "their mean": f"validation {format_scores(ensemble.validation)}" if ensemble.validation else "",
    }


def _parameters(count: int | None) -> str:
    return "parameters not counted" if count is None else f"{count:,} parameters"


def _commit(git: Mapping[str, object]) -> str:
    commit = git.get("commit")
    return f"{str(commit)[:12]}{', with changes' if git.get('dirty') else ''}" if commit else ""


def _counts(examples: Mapping[str, int]) -> str:
    return ", ".join(f"{count:,} {split}" for split, count in examples.items())


def _cell(name: str, value: float | None) -> str:
    if name == "epoch" and value is not None:
        return f"{value:.0f}"
    return f"{value:,.0f}" if name == "examples_per_second" and value is not None else format_score(value)
