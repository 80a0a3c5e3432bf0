"""Formats the scores of groups of examples, and the gaps between the groups."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from dlrun.cli.display.format import format_score, format_table, widest
from dlrun.scoring.slices import FEWEST_EXAMPLES, ColumnSlices, Estimate, is_class_rate

if TYPE_CHECKING:
    from dlrun.scoring.slices import Slice

_MOST_GAPS = 12
_MOST_RATES = 3
"""With more rates of classes than those of one class, only their gaps are shown."""


def slice_tables(slices: Sequence[ColumnSlices], *, width: int | None = None) -> Iterator[str]:
    """Yield, for each column, its largest gap in a sentence, the scores of each group, and all gaps.

    Args:
        slices: The scores of groups of examples.
        width: The width of the terminal; scores that do not fit beside each other follow in further tables.
    """
    for column in slices:
        yield f"by {column.column}: {column.summary}"
        tables = list(_score_tables(column, width))
        yield "\n\n".join(tables) + "".join(f"\n{text}" for text in _remarks(column))
        if column.gaps:
            yield _gap_table(column)


def plain_slices(slices: Sequence[ColumnSlices]) -> list[dict[str, Any]]:
    """Return the scores of groups in plain values for JSON, with null for a score that is undefined."""
    return [asdict(column) for column in slices]


def _score_tables(column: ColumnSlices, width: int | None) -> Iterator[str]:
    """Yield the scores in as many tables as it takes to fit the width."""
    shown: list[str] = []
    for score in _shown_scores(column):
        if shown and width is not None and widest(_table(column, [*shown, score])) > width:
            yield _table(column, shown)
            shown = []
        shown.append(score)
    if shown:
        yield _table(column, shown)


def _shown_scores(column: ColumnSlices) -> list[str]:
    scores: Mapping[str, Estimate] = column.slices[0].scores if column.slices else {}
    rates = [score for score in scores if is_class_rate(score)]
    left = [score for score in scores if score != column.main and (score not in rates or len(rates) <= _MOST_RATES)]
    return [column.main, *left] if column.main in scores else left


def _table(column: ColumnSlices, scores: Sequence[str]) -> str:
    rows = [
        (_name(each), f"{each.examples:,}", *(_cell(each.score(score)) for score in scores)) for each in column.slices
    ]
    return format_table((column.column, "examples", *scores), rows)


def _name(each: Slice) -> str:
    return f"{each.name} *" if each.is_small else each.name


def _cell(score: Estimate) -> str:
    if score.low is None or score.high is None:
        return format_score(score.value)
    return f"{format_score(score.value)} ({format_score(score.low)} to {format_score(score.high)})"


def _remarks(column: ColumnSlices) -> Iterator[str]:
    if any(each.is_small for each in column.slices):
        yield f"* too small to judge: fewer than {FEWEST_EXAMPLES} examples"
    if column.note:
        yield column.note


def _gap_table(column: ColumnSlices) -> str:
    # The gap of the main score stays the first, and the largest of the others follow.
    first = [gap for gap in column.gaps if gap.score == column.main]
    others = sorted((gap for gap in column.gaps if gap not in first), key=lambda gap: not is_class_rate(gap.score))
    shown = [*first, *others][:_MOST_GAPS]
    rows = [(gap.title, _cell(gap.difference), gap.lowest, gap.highest) for gap in shown]
    left = len(column.gaps) - len(shown)
    more = f"\nand {left:,} more differences: --json" if left else ""
    return format_table(("difference", "largest", "lowest for", "highest for"), rows) + more
