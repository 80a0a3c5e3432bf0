"""The command `dlrun runs gc`."""

from __future__ import annotations

from functools import partial
from typing import Annotated

import typer

from dlrun.cli.options import AnyRuns, AsCsv, AsJson, RunsDir, Where, Yes
from dlrun.runs import RUNS_DIR

_Keep = Annotated[str, typer.Option(metavar="best|last|none", help="The checkpoint to keep of each run.")]
_OlderThan = Annotated[
    str, typer.Option("--older-than", metavar="30d", help="Only runs that started longer ago than that.")
]
_Trial = Annotated[bool, typer.Option("--dry-run", help="Show what would be removed without removing it.")]


def gc(
    runs: AnyRuns = None,
    where: Where = "",
    keep: _Keep = "best",
    older_than: _OlderThan = "",
    runs_dir: RunsDir = RUNS_DIR,
    *,
    dry_run: _Trial = False,
    yes: Yes = False,
    as_json: AsJson = False,
    as_csv: AsCsv = False,
) -> None:
    """Remove checkpoints that are no longer needed.

    Without RUN or --where, it removes those of all runs. Scores and records stay. The files that eval, predict and
    export need stay too, unless you give --keep none, and so does the last checkpoint of an incomplete run, which needs
    it to resume.
    """
    from dlrun.cli.display.format import format_bytes, format_count
    from dlrun.cli.runs.output import Form
    from dlrun.cli.runs.removal import ask, chosen_runs, each_present, freed_rows, older
    from dlrun.runs.removal import parse_keep, remove_checkpoints

    form, kept = Form.of(as_json=as_json, as_csv=as_csv), parse_keep(keep)
    chosen = chosen_runs(runs or (), where, runs_dir=runs_dir)
    if older_than:
        chosen = older(chosen, older_than)
    remove = partial(remove_checkpoints, keep=kept, runs_dir=runs_dir)
    # A trial first: the question counts only the runs that have something to remove.
    found = {freed.run: freed for freed in each_present(chosen, partial(remove, is_trial=True)) if freed.removed}
    wanted = [folder for folder in chosen if folder.id in found]
    # Named runs are meant. A condition, or none, may match more runs than the user thinks of.
    if not dry_run and wanted and not runs:
        size = format_bytes(sum(freed.bytes for freed in found.values()))
        ask(f"remove the checkpoints of {format_count(len(wanted), 'run')} ({size}) and keep {keep}?", is_sure=yes)
    freed_rows(each_present(wanted, partial(remove, is_trial=dry_run)), form)
