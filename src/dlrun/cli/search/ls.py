"""The command `dlrun search ls`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dlrun.cli.display.terminal import tell
from dlrun.cli.options import AsCsv, AsJson, RunsDir
from dlrun.runs import RUNS_DIR

if TYPE_CHECKING:
    from dlrun.search.folder import SearchFolder
    from dlrun.search.outcome import SearchOutcome


def list_(runs_dir: RunsDir = RUNS_DIR, *, as_json: AsJson = False, as_csv: AsCsv = False) -> None:
    """List searches, the newest first."""
    from dlrun.cli.display.format import format_score
    from dlrun.cli.runs.output import Form, ListingColumn, show_rows
    from dlrun.errors import RunError
    from dlrun.search.folder import list_searches

    form = Form.of(as_json=as_json, as_csv=as_csv)
    found: list[tuple[SearchFolder, SearchOutcome]] = []
    for folder in reversed(list_searches(runs_dir)):
        try:
            found.append((folder, folder.read()))
        except RunError as error:
            tell(f"warning    {error.what}")
    if not found and form is Form.TABLE:
        tell(f"no searches in {runs_dir}; start one with dlrun search CONFIG")
        return
    columns = [
        ListingColumn("name", lambda row: row[0].name),
        ListingColumn("status", lambda row: _status(*row)),
        ListingColumn("trials", lambda row: sum(trial.counts for trial in row[1].trials)),
        ListingColumn("metric", lambda row: ", ".join(each.name for each in row[1].objectives)),
        ListingColumn("best", lambda row: row[1].best.scores[0] if row[1].best else None, format_score),
        ListingColumn("run", lambda row: " ".join(row[1].best.runs) if row[1].best else ""),
        ListingColumn("started", lambda row: row[1].started),
    ]
    show_rows(found, columns, form)


def _status(folder: SearchFolder, outcome: SearchOutcome) -> str:
    if folder.held_by() is not None:
        return "running"
    return "complete" if outcome.is_complete else "stopped"
