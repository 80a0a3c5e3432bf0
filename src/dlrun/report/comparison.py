"""Several runs in, one page out: what differs between them, their scores, and their curves in one picture each."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from dlrun.files.disk import disk, explained
from dlrun.report.drawing import Drawing, drawn
from dlrun.report.markup import Markup, number, table, tag
from dlrun.report.page import document, figures
from dlrun.runs.contrast import Contrast, contrast
from dlrun.runs.folder import RunFolder

_CURVES = 12
_TITLES = {"score": "Scores", "spec": "What differs in the specs", "outcome": "Outcome", "environment": "Environment"}


def write_comparison(folders: Sequence[RunFolder], path: Path) -> None:
    """Write one page about several runs.

    Args:
        folders: The runs.
        path: Of the page.

    Raises:
        UsageError: They are fewer than two, or one is named twice.
        RunError: A run cannot be read, or the page cannot be written.
    """
    found = contrast(folders)
    body = [
        tag("h1", f"{len(folders)} runs"),
        *(tag("p", warning, class_="soft") for warning in found.warnings),
        *_tables(found),
        tag("h2", "Learning"),
        figures(_curves(folders)),
    ]
    with explained(f"write {path}"):
        disk.make_folders(path.resolve().parent)
        disk.write_atomically(path, document(f"{len(folders)} runs", body).encode())


def _tables(found: Contrast) -> Iterator[Markup]:
    for section, title in _TITLES.items():
        lines = [line for line in found.lines if line.section == section]
        if lines:
            yield tag("h2", title)
            # A run to a row: their number is not bounded, and that of what differs is small.
            header = ("run", *(line.key for line in lines))
            yield table(
                header, ((run, *(_cell(line.values[row]) for line in lines)) for row, run in enumerate(found.ids))
            )


def _cell(value: Any) -> str:
    if value is None:
        return ""
    return number(value) if isinstance(value, float) else str(value)


def _curves(folders: Sequence[RunFolder]) -> Iterator[Drawing]:
    histories = {folder.id: folder.read_metrics() for folder in folders[:_CURVES]}
    names = dict.fromkeys(name for rows in histories.values() for row in rows[:1] for name in row)
    for name in names:
        is_known = any(row.get(name) is not None for rows in histories.values() for row in rows)
        if is_known and (name == "loss" or name.startswith("val_")):

            def draw(axes: Any, name: str = name) -> None:
                for run, rows in histories.items():
                    points = [(row["epoch"], value) for row in rows if (value := row.get(name)) is not None]
                    if points:
                        axes.plot(*zip(*points, strict=True), label=run, marker="." if len(points) == 1 else None)
                axes.set_xlabel("epoch")
                axes.grid(visible=True)
                axes.legend(fontsize=6)

            yield drawn(f"compared_{name}", name, draw)
