"""`dlrun runs ls` and `dlrun runs show RUN`."""

from __future__ import annotations

import typer

from dlrun.cli.options import RUNS_DIR, AsJson, Run, RunsDir

runs = typer.Typer(no_args_is_help=True, help="List and show runs.", rich_markup_mode=None)


@runs.command("ls")
def list_(runs_dir: RunsDir = RUNS_DIR, *, as_json: AsJson = False) -> None:
    """List the runs, the newest first."""
    from dlrun.cli.console import print_json
    from dlrun.cli.format import format_score, format_seconds, format_table
    from dlrun.runs.listing import list_runs

    found = list_runs(runs_dir)
    if as_json:
        print_json([run.plain() for run in found])
        return
    if not found:
        typer.echo(f"no runs in {runs_dir}; dlrun train CONFIG makes one", err=True)
        return
    rows = []
    for run in found:
        seconds = format_seconds(run.seconds) if run.seconds is not None else ""
        best = f"{run.best.metric} {format_score(run.best.value)}" if run.best else ""
        test = run.result.get("test", {})
        scores = "  ".join(f"{name} {format_score(value)}" for name, value in test.items())
        rows.append((run.id, run.status, run.model or "", run.dataset or "", seconds, best, scores or run.problem))
    typer.echo(format_table(("id", "status", "model", "dataset", "time", "best", "test"), rows))


@runs.command("show")
def show(run: Run, runs_dir: RunsDir = RUNS_DIR, *, as_json: AsJson = False) -> None:
    """Show one RUN: what it trained, on what, how far it came, and its scores."""
    from dlrun.cli.console import print_json
    from dlrun.cli.format import format_run
    from dlrun.runs.catalog import find_run

    folder = find_run(run, runs_dir=runs_dir)
    record, rows = folder.read_record(), folder.read_metrics()
    if as_json:
        print_json({**record.model_dump(mode="json"), "status": folder.status, "epochs": rows})
    else:
        typer.echo(format_run(record, rows, status=folder.status, path=folder.path))
