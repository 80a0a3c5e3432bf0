"""The end of a batch: every run and, over seeds, mean and standard deviation; as a table, JSON or CSV."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from dlrun.batching.grid import SEED
from dlrun.batching.table import Table
from dlrun.cli.console import Console, print_json
from dlrun.cli.format import format_score, format_table
from dlrun.files.disk import disk, explained


def show_table(table: Table, *, csv: Path | None, as_json: bool) -> None:
    """Print the final table to stdout, and write it where the user wants it.

    Raises:
        RunError: The CSV file cannot be written.
    """
    if csv is not None:
        with explained(f"write {csv}"):
            disk.write_atomically(csv, table.csv().encode())
    if as_json:
        print_json(table.plain())
        return
    console = Console()
    console.result(format_table(*_runs(table)))
    if table.has_seeds:
        console.result()
        console.result(format_table(*_groups(table)))


def _runs(table: Table) -> tuple[Sequence[str], list[Sequence[str]]]:
    keys, several = table.keys, len({row.state.planned.spec.name for row in table.rows}) > 1
    head = (*(("name",) if several else ()), *(key.rpartition(".")[2] for key in keys), table.metric, "status", "run")
    rows: list[Sequence[str]] = []
    for row in table.rows:
        values, state = dict(row.values), row.state
        name = (state.planned.spec.name,) if several else ()
        score = "" if row.score is None else format_score(row.score)
        told = f"{state.stage}: {state.reason}" if state.reason else str(state.stage)
        rows.append(
            (*name, *(values.get(key, "") for key in keys), score, told, state.folder.name if state.folder else "")
        )
    return head, rows


def _groups(table: Table) -> tuple[Sequence[str], list[Sequence[str]]]:
    keys = [key for key in table.keys if key != SEED]
    several = len({group.name for group in table.groups}) > 1
    head = (
        *(("name",) if several else ()),
        *(key.rpartition(".")[2] for key in keys),
        "seeds",
        "mean",
        "std",
        "best run",
    )
    rows: list[Sequence[str]] = []
    for group in table.groups:
        name, values = ((group.name,) if several else ()), dict(group.values)
        seeds = f"{len(group.scores)}" if len(group.scores) == group.runs else f"{len(group.scores)} of {group.runs}"
        numbers = ("" if each is None else format_score(each) for each in (group.mean, group.deviation))
        rows.append((*name, *(values.get(key, "") for key in keys), seeds, *numbers, group.best or ""))
    return head, rows
