"""The page that compares several runs: what differs between them, their scores, and their curves in shared plots."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from dlrun.report.content import directions_of
from dlrun.report.drawing import Drawing, draw_figure, figures
from dlrun.report.markup import Markup, document, facts, number, table, tag
from dlrun.report.plots import MOST_CURVES
from dlrun.runs.compare.compare import ComparisonLine, RunComparison, compare_runs
from dlrun.runs.folder import RunFolder
from dlrun.runs.query.fields import as_text
from dlrun.system.disk import disk, explained

_CURVES = 12
_FEWEST_WITH_A_BEST = 2
_MOST_COLUMNS = 8
_TITLES = {"score": "Scores", "spec": "What differs in the specs", "outcome": "Outcome", "environment": "Environment"}


def write_comparison(folders: Sequence[RunFolder], path: Path) -> None:
    """Write a page that compares several runs.

    Args:
        folders: Folders of the runs.
        path: File to write.

    Raises:
        UsageError: There are fewer than two runs, or a run occurs twice.
        RunError: A run cannot be read, or the page cannot be written.
    """
    found = compare_runs(folders)
    body = [
        tag("h1", f"{len(folders)} runs"),
        *(tag("p", warning, class_="soft") for warning in found.warnings),
        *_tables(found, _directions(folders)),
        tag("h2", "Learning"),
        figures(_curves(folders)),
    ]
    with explained(f"write {path}"):
        disk.make_folders(path.resolve().parent)
        disk.write_atomically(path, document(f"{len(folders)} runs", body).encode())


def _tables(found: RunComparison, directions: Mapping[str, str]) -> Iterator[Markup]:
    known = _comparable(found, directions)
    for section, title in _TITLES.items():
        lines = [line for line in found.lines if line.section == section]
        if lines:
            # Test scores come first because they are the result, although runs are selected by their validation scores.
            lines.sort(key=lambda line: not line.key.startswith("test "))
            yield tag("h2", title)
            # One row per run, because there may be many runs but few differences.
            header = ("run", *(line.key for line in lines))
            if section == "spec" and len(lines) > _MOST_COLUMNS:
                yield _cards(lines, found.ids)
                continue
            bests = [_best(line, known) for line in lines]
            rows = (
                (run_id(run), *(_cell(line, row, best) for line, best in zip(lines, bests, strict=True)))
                for row, run in enumerate(found.ids)
            )
            yield table(header, rows, is_stacked=True)


def _cards(lines: Sequence[ComparisonLine], runs: Sequence[str]) -> Markup:
    """Return the values of each run as cards, for too many keys for a table."""
    cards = (
        tag("div", tag("b", run_id(run)), facts((line.key, _cell(line, row, None)) for line in lines), class_="card")
        for row, run in enumerate(runs)
    )
    return tag("div", *cards, class_="deck")


def _comparable(found: RunComparison, directions: Mapping[str, str]) -> Mapping[str, str]:
    """Return the directions of the comparable scores: none with different data, all except a different loss."""
    if any(line.key in ("data fingerprint", "data names") for line in found.lines):
        return {}
    has_one_loss = not any(line.section == "spec" and line.key.startswith("loss") for line in found.lines)
    return directions if has_one_loss else {name: way for name, way in directions.items() if name != "loss"}


def run_id(run: str) -> Markup:
    """Return the id of a run without line breaks, so that it can be copied as a whole."""
    return tag("span", run, class_="id", title=run)


def _cell(line: ComparisonLine, row: int, best: float | None) -> str:
    value = line.values[row]
    if value is None:
        return "" if line.section == "spec" else "-"
    if isinstance(value, float):
        return tag("b", number(value)) if value == best else number(value)
    return f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else as_text(value)


def _best(line: ComparisonLine, directions: Mapping[str, str]) -> float | None:
    """Return the best validation score of a line; None if its direction is unknown."""
    known = [value for value in line.values if isinstance(value, float)]
    direction = directions.get(line.key.rpartition(" ")[2].removeprefix("val_"))
    # Runs are selected by validation scores, so only these have a best run.
    is_choice = line.section == "score" and line.key.startswith(("validation ", "best "))
    if not is_choice or len(known) < _FEWEST_WITH_A_BEST or direction is None:
        return None
    return max(known) if direction == "max" else min(known)


def _directions(folders: Sequence[RunFolder]) -> dict[str, str]:
    """Return the directions of the scores on which all runs agree."""
    found: dict[str, set[str]] = {}
    for folder in folders:
        for name, direction in directions_of(folder, folder.read_record()).items():
            found.setdefault(name, set()).add(direction)
    return {name: next(iter(ways)) for name, ways in found.items() if len(ways) == 1}


def _curves(folders: Sequence[RunFolder]) -> Iterator[Drawing]:
    histories = {folder.id: folder.read_metrics() for folder in folders[:_CURVES]}
    names = dict.fromkeys(name for rows in histories.values() for row in rows[:1] for name in row)
    wanted = [name for name in names if name == "loss" or name.startswith("val_")]
    for name in wanted[:MOST_CURVES]:
        if any(row.get(name) is not None for rows in histories.values() for row in rows):

            def draw(axes: Any, name: str = name) -> None:
                for run, rows in histories.items():
                    points = [(row["epoch"], value) for row in rows if (value := row.get(name)) is not None]
                    if points:
                        axes.plot(*zip(*points, strict=True), label=run, marker="." if len(points) == 1 else None)
                axes.set_xlabel("epoch")
                axes.grid(visible=True)
                axes.legend(fontsize=6)

            yield draw_figure(f"compared_{name}", name, draw)
