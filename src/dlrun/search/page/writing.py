"""Draw the page of a search and write it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from dlrun.report.drawing import Drawing
from dlrun.search.outcome import SearchOutcome
from dlrun.search.page.front import fronts
from dlrun.search.page.importance import importance_plot
from dlrun.search.page.page import search_page
from dlrun.search.page.parallel import parallel_coordinates
from dlrun.search.page.progress import progress
from dlrun.search.page.rungs import rung_curves
from dlrun.search.page.slices import slices
from dlrun.system.disk import disk, explained


def draw_search_page(outcome: SearchOutcome, *, path: Path) -> None:
    """Draw and write the page of a search in this process, and replace an earlier one.

    Args:
        outcome: The search.
        path: The file to write.

    Raises:
        RunError: The page cannot be written.
    """
    text = search_page(outcome, list(drawings(outcome)))
    with explained(f"write {path}"):
        # A name from the config may have half of a character that UTF-16 writes in two, which UTF-8 cannot write.
        disk.write_atomically(path, text.encode(errors="replace"))


def drawings(outcome: SearchOutcome) -> Iterator[Drawing]:
    """Yield the plots of a search."""
    for draw in (fronts, progress, parallel_coordinates, slices, importance_plot, rung_curves):
        yield from draw(outcome)
