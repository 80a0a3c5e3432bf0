"""The scores of groups of examples in a report: for each column a plot, a table of the groups, and the gaps."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from dlrun.report.drawing import Drawing, figures
from dlrun.report.markup import Markup, fold, number, table, tag
from dlrun.runs.compare.baseline import main_split
from dlrun.runs.record import RunRecord
from dlrun.scoring.slices import FEWEST_EXAMPLES, ColumnSlices, Estimate, is_class_rate

_MOST_RATES = 3
_MOST_GAPS = 30
_MOST_ROWS = 12
"""Larger tables are collapsed; the plot shows all groups."""


def shown_slices(record: RunRecord) -> tuple[ColumnSlices, ...]:
    """Return the scores of groups of the main split: those of the training, then more columns of `dlrun eval --by`."""
    split = main_split(record)
    found = record.slices.get(split, ())
    known = {column.column for column in found}
    later = record.evaluation[split].slices if split in record.evaluation else ()
    return (*found, *(column for column in later if column.column not in known))


def slice_section(record: RunRecord, drawings: Sequence[Drawing]) -> Iterator[Markup]:
    """Yield the markup for each column that examples are grouped by."""
    plots = iter([drawing for drawing in drawings if drawing.name.startswith("slices")])
    for column in shown_slices(record):
        yield tag("h3", f"By {column.column}, {main_split(record)} split")
        yield tag("p", f"{column.summary[:1].upper()}{column.summary[1:]}.")
        yield figures([next(plots)])
        few = len(column.slices) <= _MOST_ROWS
        yield _scores(column) if few else fold(f"the scores of all {len(column.slices)} groups", _scores(column))
        if column.gaps:
            yield _gaps(column)
        if remarks := ". ".join(_remarks(column)):
            yield tag("p", f"{remarks}.", class_="soft")


def _scores(column: ColumnSlices) -> Markup:
    scores = column.slices[0].scores if column.slices else {}
    rates = [score for score in scores if is_class_rate(score)]
    shown = [score for score in scores if score not in rates or len(rates) <= _MOST_RATES]
    header = [column.column, "examples", *(score.replace("_", " ") for score in shown)]
    rows = [
        [f"{each.name} *" if each.is_small else each.name, f"{each.examples:,}"]
        + [_estimate(each.score(score)) for score in shown]
        for each in column.slices
    ]
    return table(header, rows, is_stacked=True)


def _gaps(column: ColumnSlices) -> Markup:
    rows = [(gap.title, _estimate(gap.difference), gap.lowest, gap.highest) for gap in column.gaps[:_MOST_GAPS]]
    return table(("difference", "largest", "lowest for", "highest for"), rows, is_stacked=True)


def _estimate(score: Estimate) -> Markup:
    if score.low is None or score.high is None:
        return tag("span", number(score.value))
    interval = tag("small", f"{score.low:.3g} to {score.high:.3g}", class_="soft")
    return tag("span", number(score.value), Markup("<br>"), interval)


def _remarks(column: ColumnSlices) -> Iterator[str]:
    yield "Small figures are 95 % bootstrap intervals"
    if any(each.is_small for each in column.slices):
        yield f"* too small to judge: fewer than {FEWEST_EXAMPLES} examples"
    if column.note:
        yield column.note
