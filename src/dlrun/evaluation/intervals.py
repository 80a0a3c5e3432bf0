"""Score prediction intervals in an evaluation, and measure them anew on the validation split."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from dlrun.errors import UsageError
from dlrun.prediction.values import PredictionInterval, find_interval
from dlrun.runs.folder import RunFolder
from dlrun.runs.interface import read_interface
from dlrun.runs.intervals import keep_scores, read_intervals
from dlrun.runs.provenance.trust import is_own
from dlrun.scoring.breakdown import Breakdown

if TYPE_CHECKING:
    from dlrun.experiment.intervals import Coverage
    from dlrun.training.predictor import Predictor
    from dlrun.training.setup import TrainingSetup

_USUAL_LEVEL = 0.9


@dataclass(frozen=True)
class ScoredInterval:
    """An interval whose coverage is to be scored.

    Args:
        interval: The interval.
        is_asked_for: Whether the user asked for it, so that it may not be left out.
    """

    interval: PredictionInterval
    is_asked_for: bool

    def coverage(self, predictor: Predictor, folder: RunFolder, checkpoint: str) -> Coverage | None:
        """Return an object that counts how often the truth is inside; None if the scores are of another checkpoint.

        Args:
            predictor: The predictor of the model.
            folder: The run.
            checkpoint: The name of its checkpoint.

        Raises:
            UsageError: The user asked for an interval, and the scores are of another checkpoint.
        """
        from dlrun.experiment.intervals import Coverage

        stored = self.interval.stored
        if self.is_asked_for:
            self.interval.check_checkpoint(checkpoint, folder)
        elif not stored.is_of(folder, checkpoint):
            return None
        return Coverage(predictor, stored.conformal, level=self.interval.level)


def read_interval(folder: RunFolder, level: float | None, *, split: str) -> ScoredInterval | None:
    """Return the interval to score: at the level that was asked for, or else at 0.9 if the run allows that.

    Args:
        folder: The run.
        level: The probability that was asked for; None for the usual one.
        split: The split to score; empty for a file.

    Raises:
        UsageError: A level was asked for, and is not possible.
        RunError: The scores of the run are damaged.
    """
    if level is not None and split in ("train", "validation"):
        what = f"intervals are measured on the validation split, so the {split} split does not show how good they are"
        raise UsageError(what, expected="--split test, or --data FILE")
    if split in ("train", "validation") or not folder.interface_json.exists():
        return None
    target = read_interface(folder).target
    if level is not None:
        found = find_interval(folder, target, level)
        return None if found is None else ScoredInterval(found, is_asked_for=True)
    stored = read_intervals(folder, target) if target.kind == "values" else None
    if stored is None or not stored.conformal.allows(_USUAL_LEVEL):
        return None
    return ScoredInterval(PredictionInterval(_USUAL_LEVEL, stored), is_asked_for=False)


def with_intervals(
    breakdown: Breakdown,
    scored: ScoredInterval | None,
    setup: TrainingSetup,
    *,
    split: str,
    folder: RunFolder,
    checkpoint: str,
) -> Breakdown:
    """Return the scores of a split with the coverage of the intervals. The validation split is left as it is.

    Args:
        breakdown: The scores of the split.
        scored: The interval to score; None for none.
        setup: The training setup with the weights of the checkpoint.
        split: The name of the split.
        folder: The run.
        checkpoint: The name of the checkpoint.
    """
    splits = setup.dataset.splits
    # With `validation: test`, one split has two names.
    if scored is None or split in ("train", "validation") or splits[split] is splits.get("validation"):
        return breakdown
    coverage = scored.coverage(setup.predictor(), folder, checkpoint)
    if coverage is None:
        return breakdown
    coverage.add_split(splits[split])
    return with_coverage(breakdown, coverage.scores())


def with_coverage(breakdown: Breakdown, scores: Mapping[str, Mapping[str, float]]) -> Breakdown:
    """Return a breakdown with the coverage and width of the intervals of each value.

    Args:
        breakdown: The scores of a split or file.
        scores: The coverage and width by the name of the value.
    """
    parts = {name: {**part, **scores.get(name, {})} for name, part in breakdown.parts.items()}
    # Several values may have different units, so only a single one is repeated among the overall scores.
    overall = {**breakdown.overall, **next(iter(scores.values()))} if len(scores) == 1 else breakdown.overall
    return replace(breakdown, parts=parts, overall=overall)


def measure_again(setup: TrainingSetup, folder: RunFolder, *, checkpoint: str) -> None:
    """Measure the conformity scores on the validation split, as at the end of a training, and store them.

    Args:
        setup: The training setup with the final weights.
        folder: The run. One that was made elsewhere is not changed.
        checkpoint: The name of their checkpoint.

    Raises:
        RunError: They cannot be written.
    """
    from dlrun.experiment.intervals import measure_scores

    if setup.target.kind != "values" or not is_own(folder):
        return
    conformal = measure_scores(setup.dataset.splits["validation"], setup.predictor())
    if conformal is not None:
        with folder.lock():
            keep_scores(folder, checkpoint, conformal)
