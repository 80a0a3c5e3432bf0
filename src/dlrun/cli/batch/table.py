"""Prints the results of a batch: every run, and the mean and standard deviation over seeds."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from dlrun.batching.table import BatchTable
from dlrun.cli.display.console import Console, output_width, print_json
from dlrun.cli.display.format import format_score, format_table, widest
from dlrun.system.disk import disk, explained


def show_table(table: BatchTable, *, csv: Path | None, as_json: bool) -> None:
    """Print the final table to stdout, and to a CSV file if one is given.

    Args:
        table: The results of the batch.
        csv: The CSV file to write; None: none.
        as_json: Whether to print JSON instead of a table.

    Raises:
        RunError: The CSV file cannot be written.
    """
    if csv is not None:
        with explained(f"write {csv}"):
            disk.write_atomically(csv, table.csv().encode())
    if as_json:
        print_json(table.plain())
        return
    console, width = Console(), output_width()
    console.result(_fit(*_runs(table, has_reasons=width is None), width, spare=("status",)))
    # The scores of the folds of a single spec follow in full.
    if table.has_groups and not (table.folds and len(table.groups) == 1):
        console.result()
        console.result(_fit(*_groups(table), width, spare=("test std", "std")))
    # On a terminal the reasons follow the table, whose rows they would make too wide.
    for row in table.rows if width is not None else ():
        if row.state.reason:
            console.result(f"{row.state.stage:<10} {row.state.label}: {row.state.reason}")
    for note in table.notes:
        console.say(f"note       {note}")


def _fit(head: Sequence[str], rows: list[Sequence[str]], width: int | None, *, spare: Sequence[str]) -> str:
    """Return a table that fits the terminal; if it is narrow, with only the last part of each run id."""
    text = format_table(head, rows)
    if width is None or widest(text) <= width:
        return text
    short = [(*row[:-1], row[-1].rpartition("-")[2]) for row in rows]
    # The last part alone may be the same in several ids, which then stay whole.
    has_ids = len({row[-1] for row in short}) == len({row[-1] for row in rows})
    return format_table(head, short if has_ids else rows, width=width, spare=spare)


def _runs(table: BatchTable, *, has_reasons: bool) -> tuple[Sequence[str], list[Sequence[str]]]:
    keys, several = table.keys, len({row.state.planned.label for row in table.rows}) > 1
    names = (table.metric, *((table.test_metric,) if table.test_metric else ()))
    head = (*(("name",) if several else ()), *(key.rpartition(".")[2] for key in keys), *names, "status", "run")
    rows: list[Sequence[str]] = []
    for row in table.rows:
        values, state = dict(row.values), row.state
        scores = [_score(score) for score in (row.score, row.test_score)][: len(names)]
        status = f"{state.stage}: {state.reason}" if state.reason and has_reasons else str(state.stage)
        name = (state.planned.label,) if several else ()
        run = state.folder.name if state.folder else ""
        rows.append((*name, *(values.get(key, "") for key in keys), *scores, status, run))
    return head, rows


def _groups(table: BatchTable) -> tuple[Sequence[str], list[Sequence[str]]]:
    keys = [key for key in table.keys if any(key in dict(group.values) for group in table.groups)]
    kinds = {group.over for group in table.groups}
    over = "runs" if len(kinds) > 1 else next(iter(kinds))
    last = {"seeds": "best run", "folds": "folds in runs/folds", "runs": "best run, or folds"}[over]
    several = len({group.label for group in table.groups}) > 1
    tests = ("test mean", "test std") if table.test_metric else ()
    names = (*(("name",) if several else ()), *(key.rpartition(".")[2] for key in keys))
    head = (*names, over, "mean", "std", *tests, last)
    rows: list[Sequence[str]] = []
    for group in table.groups:
        name, values, scores = ((group.label,) if several else ()), dict(group.values), group.scores
        count = len(scores.scores)
        seeds = f"{count}" if count == group.runs else f"{count} of {group.runs}"
        of_test = (_score(group.test_scores.mean), _score(group.test_scores.deviation)) if tests else ()
        numbers = (_score(scores.mean), _score(scores.deviation), *of_test)
        rows.append((*name, *(values.get(key, "") for key in keys), seeds, *numbers, group.folds or group.best or ""))
    return head, rows


def _score(value: float | None) -> str:
    return "-" if value is None else format_score(value)
