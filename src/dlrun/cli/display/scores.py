"""Formats an evaluation as tables that fit on a page, or as JSON."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from dlrun.cli.display.format import format_score, format_scores, format_table, widest
from dlrun.cli.display.slices import plain_slices
from dlrun.decision import Decision
from dlrun.scoring.breakdown import COUNTS, shown_count

if TYPE_CHECKING:
    from dlrun.evaluation.evaluate import Evaluation
    from dlrun.scoring.breakdown import Breakdown

_MOST_ROWS, _WORST, _MOST_COLUMNS = 20, 10, 1000
_MEANS = {"macro_": "macro mean", "weighted_": "weighted mean"}


def score_tables(evaluation: Evaluation, *, width: int | None = None) -> Iterator[str]:
    """Yield the overall scores, the scores of each class, label or value, and the confusion matrix.

    Args:
        evaluation: The evaluation of a split or file.
        width: The width of the terminal. If the confusion matrix is wider, the most frequent confusions are listed.
    """
    if evaluation.breakdown.weight is not None:
        yield f"weighted: {evaluation.breakdown.examples:,} examples count {shown_count(evaluation.breakdown.weight)}"
    breakdown, everything = evaluation.breakdown, f"{evaluation.table}" if evaluation.table else "--json"
    overall = _overall(breakdown.overall)
    if breakdown.decision is not None:
        yield _decision_table(breakdown)
    elif overall and len(breakdown.parts) != 1:  # with a single value, the table below repeats them
        yield format_scores(overall)
    if breakdown.parts:
        yield _parts_table(breakdown, everything)
    matrices = [*_matrices(breakdown)] if len(breakdown.parts) <= _MOST_ROWS else []
    if matrices and (width is None or max(map(widest, matrices)) <= width):
        yield from matrices
    elif breakdown.confusions:
        yield _frequent_confusions(breakdown)


def plain_evaluation(evaluation: Evaluation) -> dict[str, Any]:
    """Return loss and metrics by name, and everything else under `evaluation`; values that are not finite are null."""
    breakdown = evaluation.breakdown
    # More columns would put millions of numbers into the JSON.
    has_matrix = breakdown.confusions and len(breakdown.parts) <= _MOST_COLUMNS
    return {
        **_plain(evaluation.scores),
        "evaluation": {
            "kind": breakdown.kind,
            "checkpoint": evaluation.checkpoint,
            "examples": breakdown.examples,
            "weight": breakdown.weight,
            "naive": _plain(breakdown.naive),
            "overall": _plain(breakdown.overall),
            "decision": asdict(breakdown.decision) if breakdown.decision is not None else None,
            "undecided": _plain(breakdown.undecided),
            "parts": {name: _plain(part) for name, part in breakdown.parts.items()},
            "confusion": breakdown.matrix().tolist() if has_matrix else None,
            "slices": plain_slices(breakdown.slices),
            "table": str(evaluation.table) if evaluation.table else None,
        },
    }


def _overall(scores: Mapping[str, float]) -> dict[str, float]:
    return {key: value for key, value in scores.items() if not key.startswith((*_MEANS,))}


def _decision_table(breakdown: Breakdown) -> str:
    """Return what is predicted when, and the overall scores with and without the decision."""
    decision, overall = breakdown.decision or Decision(), _overall(breakdown.overall)
    names = tuple(breakdown.parts) if breakdown.kind == "labels" else tuple(breakdown.parts)[1:]
    rows = [
        (title, *(format_score(scores.get(name)) for name in overall))
        for title, scores in (("with the decision", breakdown.overall), ("as in training", breakdown.undecided))
    ]
    if decision.thresholds:
        at = f"{decision.thresholds[0]:g}" if len(decision.thresholds) == 1 else "thresholds"
        rows = [(f"{title}, at {value}", *cells) for (title, *cells), value in zip(rows, (at, "0.5"), strict=True)]
    return f"decision   {decision.describe(names)}\n\n" + format_table(("", *overall), rows)


def _parts_table(breakdown: Breakdown, everything: str) -> str:
    columns = [*next(iter(breakdown.parts.values()))]
    parts, shown = breakdown.parts, [*breakdown.parts]
    if len(shown) > _MOST_ROWS:
        shown = breakdown.worst_parts(_WORST)
    rows = [(name, *(_cell(column, parts[name][column]) for column in columns)) for name in shown]
    for prefix, title in _MEANS.items():
        means = [breakdown.overall.get(prefix + column) for column in columns]
        if any(mean is not None for mean in means):
            rows.append((title, *("" if mean is None else format_score(mean) for mean in means)))
    table = format_table((breakdown.part_kind, *columns), rows)
    cut = f"the {len(shown)} worst of {len(parts):,}; for all see {everything}\n" if len(shown) < len(parts) else ""
    return cut + table


def _matrices(breakdown: Breakdown) -> Iterator[str]:
    if breakdown.confusions:
        for column, names, matrix in breakdown.matrices():
            rows = [(name, *map(shown_count, row)) for name, row in zip(names, matrix.tolist(), strict=True)]
            of = "pixels, " if breakdown.counted == "pixels" else ""
            yield format_table((f"{column} {of}true \\ predicted".lstrip(), *names), rows)


def _frequent_confusions(breakdown: Breakdown) -> str:
    names = [*breakdown.parts]
    wrong = sorted((pair for pair in breakdown.confusions if pair[0] != pair[1]), key=lambda pair: -pair[2])[:_WORST]
    rows = [(names[true], names[predicted], shown_count(count)) for true, predicted, count in wrong]
    if not rows:
        return f"no {breakdown.counted.removesuffix('s')} was misclassified"
    return format_table(("true", "predicted", breakdown.counted), rows)


def _cell(column: str, value: float) -> str:
    return shown_count(value) if column in COUNTS else format_score(value)


def _plain(scores: Mapping[str, float]) -> dict[str, float | None]:
    return {name: value if math.isfinite(value) else None for name, value in scores.items()}
