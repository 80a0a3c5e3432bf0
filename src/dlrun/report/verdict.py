"""The verdict on a run: sentences that say whether its model is better than a naive prediction."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from dlrun.report.findings import Score
from dlrun.report.slices import shown_slices
from dlrun.runs.compare.baseline import (
    WHAT_TO_TRY,
    BaselineComparison,
    compare_with_naive,
    is_forecast,
    main_split,
    naive_method,
)
from dlrun.runs.record import RunRecord
from dlrun.scoring.breakdown import Breakdown

Mood = Literal["good", "bad", "open"]

_MOST_SCORES, _MOST_CLASSES = 3, 5
_HARDLY_FOUND = 0.05
"""Intersection over union of a class below which a model is said to hardly find it."""


@dataclass(frozen=True)
class Verdict:
    """A sentence at the top of a report.

    Args:
        text: The sentence.
        mood: Whether the result is `good`, `bad`, or undecided (`open`).
        command: Command to try next; may be empty.
    """

    text: str
    mood: Mood
    command: str = ""


def verdicts(
    record: RunRecord,
    *,
    intervals: Sequence[Score] = (),
    directions: Mapping[str, str],
    longer: str = "",
    breakdown: Breakdown | None = None,
) -> Iterator[Verdict]:
    """Yield the verdicts at the top of a report.

    Args:
        record: Record of the run.
        intervals: Scores with intervals on the main split.
        directions: Whether `min` or `max` is best for each score.
        longer: Command that continues the training, if the last epoch was the best.
        breakdown: Scores of each class on the main split, if they are known.
    """
    split = main_split(record)
    if not split:
        yield Verdict(f"This run is {record.status}: it has no final scores.", "open")
        return
    found = _against_naive(record, split, intervals, directions)
    if found:
        yield found
    # The first verdict is about the baseline on the main split; this is about validation, or a weaker naive forecast.
    if record.baseline and record.baseline.warning and (found is None or found.mood != "bad"):
        yield Verdict(f"{record.baseline.warning[:1].upper()}{record.baseline.warning[1:]}.", "bad")
    if breakdown is not None:
        yield from _not_found(breakdown, split)
    undefined = [name for name, value in record.result[split].items() if value is None]
    if undefined:
        why = "For example, AUC needs examples of both classes, and R2 needs values that differ."
        text = f"Undefined on the {split} split: {', '.join(undefined)}. {why}"
        yield Verdict(text, "open")
    for column in shown_slices(record):
        if column.gaps:
            more = f" Also: {column.fairness}." if column.fairness else ""
            yield Verdict(f"By {column.column} on the {split} split: {column.summary}.{more}", "open")
    if longer:
        yield Verdict("The last epoch was the best; longer training may improve the model.", "open", longer)


def _against_naive(
    record: RunRecord,
    split: str,
    intervals: Sequence[Score],
    directions: Mapping[str, str],
) -> Verdict | None:
    compared = compare_with_naive(record, split, directions)
    if not compared:
        return None
    method = naive_method(record)
    naive = f"the naive {'forecast' if is_forecast(method) else 'prediction'} ({method})"
    better = [each for each in compared if each.gain > 0]
    worse = [each for each in compared if each.gain <= 0]
    where = f"on the {split} split"
    if not worse:
        # A lead counts as uncertain only if that holds for every score with an interval.
        measured = {each: score for each in better for score in intervals if _is_of(score, each)}
        unsure = [each for each, score in measured.items() if score.low <= each.naive <= score.high]
        if unsure and len(unsure) == len(measured):
            return Verdict(f"Hardly better than {naive} {where}: {_written(unsure)}, within the 95 % interval.", "open")
        return Verdict(f"Better than {naive} {where}: {_written(better)}.", "good")
    if not better:
        text = f"Worse than {naive} {where}: {_written(worse)}. The model is not useful as it is."
        if all(each.gain == 0 for each in worse):
            text = f"No better than {naive} {where}: {_written(worse)}. The model has not learned more than that."
        text += f" {WHAT_TO_TRY[0].upper()}{WHAT_TO_TRY[1:]}." if is_forecast(method) else ""
        return Verdict(text, "bad")
    how = "worse" if any(each.gain < 0 for each in worse) else "no better"
    return Verdict(
        f"Not clearly better than {naive} {where}: better in {_written(better)}; {how} in {_written(worse)}.", "open"
    )


def _not_found(breakdown: Breakdown, split: str) -> Iterator[Verdict]:
    """Yield which classes of pixels are hardly ever found, which the accuracy of all pixels does not show."""
    missed = [
        (part["iou"], name)
        for name, part in breakdown.parts.items()
        if breakdown.kind == "mask" and part["pixels"] and part["iou"] < _HARDLY_FOUND
    ]
    if missed:
        named = ", ".join(f"{name} (IoU {iou:.2f})" for iou, name in sorted(missed)[:_MOST_CLASSES])
        more = f" and {len(missed) - _MOST_CLASSES} more" if len(missed) > _MOST_CLASSES else ""
        yield Verdict(f"Hardly found on the {split} split: {named}{more}.", "bad")


def _written(compared: Sequence[BaselineComparison]) -> str:
    return ", ".join(map(str, compared[:_MOST_SCORES]))


def _is_of(score: Score, compared: BaselineComparison) -> bool:
    """Return whether a score is the compared one, possibly under another name."""
    # Names differ between the two, so compare values; the run computed its own in float32 batches.
    return math.isclose(score.value, compared.value, rel_tol=1e-3)
