"""The command `dlrun runs rm RUN...`."""

from __future__ import annotations

from functools import partial

import typer

from dlrun.cli.options import AnyRuns, AsCsv, AsJson, RunsDir, Where, Yes
from dlrun.runs import RUNS_DIR


def remove(
    runs: AnyRuns = None,
    where: Where = "",
    runs_dir: RunsDir = RUNS_DIR,
    *,
    yes: Yes = False,
    as_json: AsJson = False,
    as_csv: AsCsv = False,
) -> None:
    """Remove run folders with everything in them."""
    from dlrun.cli.display.format import format_bytes
    from dlrun.cli.runs.output import Form
    from dlrun.cli.runs.removal import ask, chosen_runs, each_present, freed_rows, tell_children
    from dlrun.runs.removal import remove_run, size_of

    form = Form.of(as_json=as_json, as_csv=as_csv)
    if not runs and not where:
        raise typer.BadParameter("name the runs to remove", param_hint="RUN... or --where")
    chosen = chosen_runs(runs or (), where, runs_dir=runs_dir)
    tell_children(chosen, runs_dir=runs_dir)
    if chosen and not yes:
        # Only the question needs the size, which takes a walk through every folder.
        size = format_bytes(sum(size_of(folder.path) for folder in chosen))
        named = chosen[0].id if len(chosen) == 1 else f"{len(chosen)} runs, {chosen[0].id} to {chosen[-1].id}"
        ask(f"remove {named} ({size})?", is_sure=yes)
    freed_rows(each_present(chosen, partial(remove_run, runs_dir=runs_dir)), form)
