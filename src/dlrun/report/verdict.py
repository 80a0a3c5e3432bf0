"""What a run has come to, in a sentence: whether its model is better than predicting without one."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from dlrun.report.findings import Score
from dlrun.report.markup import number
from dlrun.runs.record import RunRecord

Mood = Literal["good", "bad", "open"]

_LAST_VALUE = "the last value"
_MOST_SCORES = 3


@dataclass(frozen=True)
class Verdict:
    """A sentence at the top of a report.

    Args:
        text: For people.
        mood: `open`: the scores do not tell.
        command: What to try.
    """

    text: str
    mood: Mood
    command: str = ""


@dataclass(frozen=True)
class _Comparison:
    """A score of the model beside that of a prediction without one."""

    name: str
    value: float
    naive: float
    is_better: bool

    def __str__(self) -> str:
        return f"{self.name} {number(self.value)} against {number(self.naive)}"


def main_split(record: RunRecord) -> str:
    """Return the split whose scores are the result: the test split, if there is one."""
    return next((split for split in ("test", "validation", "train") if record.result.get(split)), "")


def naive_method(record: RunRecord) -> str:
    """Return what is predicted without a model."""
    return record.baseline.method if record.baseline else _LAST_VALUE  # earlier versions had a baseline of series only


def verdicts(
    record: RunRecord,
    *,
    intervals: Sequence[Score] = (),
    directions: Mapping[str, str],
    longer: int | None = None,
) -> Iterator[Verdict]:
    """Yield what there is to say at the top of a report.

    Args:
        record: Of the run.
        intervals: Of scores on the split that counts.
        directions: Of each score `min` or `max`.
        longer: Epochs to try, where the last one was the best.
    """
    split = main_split(record)
    if not split:
        yield Verdict(f"This run is {record.status}: it has no final scores.", "open")
        return
    if found := _against_naive(record, split, intervals, directions):
        yield found
    undefined = [name for name, value in record.result[split].items() if value is None]
    if undefined:
        said = f"Undefined on the {split} split: {', '.join(undefined)}. An AUC of one class is, or an R2 of one value."
        yield Verdict(said, "open")
    if longer:
        said = f"The last epoch ({longer // 2}) was the best: a longer training may be better still."
        yield Verdict(said, "open", f"dlrun resume {record.id} --set training.epochs={longer}")


def _against_naive(
    record: RunRecord,
    split: str,
    intervals: Sequence[Score],
    directions: Mapping[str, str],
) -> Verdict | None:
    compared = list(_comparisons(record, split, directions))
    if not compared:
        return None
    method = naive_method(record)
    naive = f"the naive {'forecast' if method == _LAST_VALUE else 'prediction'} ({method})"
    better = [each for each in compared if each.is_better]
    worse = [each for each in compared if not each.is_better]
    where = f"on the {split} split"
    if not worse:
        unsure = [each for each in better if any(_covers(score, each) for score in intervals)]
        if unsure:
            return Verdict(f"Hardly better than {naive} {where}: {_written(unsure)}, within the 95 % interval.", "open")
        return Verdict(f"Better than {naive} {where}: {_written(better)}.", "good")
    if not better:
        said = f"Worse than {naive} {where}: {_written(worse)}. As it is, the model is of no use."
        if all(each.value == each.naive for each in worse):
            said = f"No better than {naive} {where}: {_written(worse)}. The model has learnt nothing else."
        return Verdict(said, "bad")
    return Verdict(
        f"Not clearly better than {naive} {where}: better in {_written(better)}; worse in {_written(worse)}.", "open"
    )


def _comparisons(record: RunRecord, split: str, directions: Mapping[str, str]) -> Iterator[_Comparison]:
    scores, naive = record.result[split], record.naive.get(split, {})
    # The loss comes last: a metric is what people read.
    for name in sorted(scores, key=lambda name: name == "loss"):
        value, base, direction = scores[name], naive.get(name), directions.get(name)
        if value is None or base is None or direction is None or not (math.isfinite(value) and math.isfinite(base)):
            continue
        yield _Comparison(name, value, base, value > base if direction == "max" else value < base)


def _written(compared: Sequence[_Comparison]) -> str:
    return ", ".join(map(str, compared[:_MOST_SCORES]))


def _covers(score: Score, compared: _Comparison) -> bool:
    """Return whether a score's interval is that of what is compared, and holds the naive score."""
    is_same = math.isclose(score.value, compared.value, rel_tol=1e-3)
    return is_same and score.low <= compared.naive <= score.high
