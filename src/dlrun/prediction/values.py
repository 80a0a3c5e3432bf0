"""The columns of predicted numbers: the value, its quantiles, and the bounds of an interval around it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from dlrun.errors import UsageError
from dlrun.runs.folder import RunFolder
from dlrun.runs.intervals import StoredIntervals, read_intervals
from dlrun.scoring.conformal import check_probability
from dlrun.signature import Target

if TYPE_CHECKING:
    from dlrun.training.predictor import Predictor

Array = npt.NDArray[Any]
_LOWER, _UPPER = "_lower", "_upper"


@dataclass(frozen=True)
class PredictionInterval:
    """The interval that predictions get.

    Args:
        level: The probability that the truth is within it.
        stored: The conformity scores of the validation split.
    """

    level: float
    stored: StoredIntervals

    def check_checkpoint(self, name: str, folder: RunFolder) -> None:
        """Check that the scores belong to the checkpoint that predicts.

        Raises:
            UsageError: They belong to another one.
        """
        if not self.stored.is_of(folder, name):
            raise UsageError(
                f"the intervals of {folder.id} were measured with {self.stored.checkpoint}, not with {name}",
                expected="the checkpoint that they belong to",
                hint=f"dlrun eval {folder.id} --split validation measures those of the final checkpoint",
            )


def find_interval(folder: RunFolder, target: Target, level: float | None) -> PredictionInterval | None:
    """Return the interval for a level; None without a level.

    Args:
        folder: The run.
        target: What its model predicts.
        level: The probability that the truth is within the interval.

    Raises:
        UsageError: The level is not possible, the model does not predict numbers, or the run has no scores.
        RunError: The scores are damaged.
    """
    if level is None:
        return None
    check_probability(level)
    if target.kind != "values":
        raise UsageError(f"intervals are for numbers, but the model predicts {_found(target)}", **_instead(target))
    stored = read_intervals(folder, target)
    if stored is None:
        record = folder.read_record()
        has_validation = record.dataset is None or "validation" in record.dataset.examples
        hint = "train with dataset.validation"
        if has_validation:
            hint = f"dlrun eval {folder.id} --split validation measures them"
        elif record.ensemble is not None:
            hint = "join its members again: dlrun ensemble measures the intervals of folds out of fold"
        raise UsageError(
            f"{folder.id} has no intervals, which are measured on the validation split at the end of a training",
            expected="a run with a validation split, or an ensemble of folds",
            hint=hint,
        )
    stored.conformal.check_level(level)
    return PredictionInterval(level, stored)


def with_extra_columns(target: Target, interval: PredictionInterval | None) -> Target:
    """Return a target that has the quantiles and bounds of each value as values of their own.

    Their names are those of the values with an ending: `price`, `price_q0.05`, `price_lower`.

    Args:
        target: What the model predicts.
        interval: The interval to add; None for none.
    """
    endings = list(_endings(target, interval))
    if target.kind != "values" or endings == [""]:
        return target
    names = target.output_names
    # A value may already have the name of another one's bound.
    while len({name + end for name in names for end in endings}) < len(names) * len(endings):
        endings = [end and "_" + end for end in endings]
    every = tuple(name + end for name in names for end in endings)
    mean, scale = (tuple(each for each in numbers for _ in endings) for numbers in (target.mean, target.scale))
    return replace(target, size=len(every), names=every, class_names=(), mean=mean, scale=scale, levels=())


def extended_values(predictor: Predictor, stored: Array, interval: PredictionInterval | None) -> Array:
    """Return the predictions in the columns of `with_extra_columns`.

    Args:
        predictor: The predictor of the model.
        stored: The examples, as a split stores them.
        interval: The interval to add.

    Shape:
        Returns: `(n, columns)`, float64 if the values need it, else float32.
    """
    from dlrun.experiment.intervals import interval_bounds

    target, learned = predictor.target, predictor.learned(stored)
    main = target.main_level
    others = [place for place in range(len(target.levels)) if place != main]
    own = predictor.in_own_unit(learned)
    columns = [own[:, main], *(own[:, place] for place in others)]
    if interval is not None:
        columns += interval_bounds(predictor, learned, interval.stored.conformal, level=interval.level)
    side_by_side = np.stack(columns, axis=2).reshape(len(own), -1)
    return side_by_side if target.needs_float64 else side_by_side.astype(np.float32)


def _endings(target: Target, interval: PredictionInterval | None) -> list[str]:
    others = [f"_q{level:g}" for place, level in enumerate(target.levels) if place != target.main_level]
    return ["", *others, *([] if interval is None else [_LOWER, _UPPER])]


def _found(target: Target) -> str:
    return {"labels": "yes-or-no labels", "input": "its own input", "mask": "masks"}.get(target.kind, "classes")


def _instead(target: Target) -> dict[str, str]:
    hints = {
        "classes": "--top all shows the probability of every class",
        "class_columns": "--top all shows the probability of every class",
        "labels": "the probability of each label says how sure the model is",
    }
    return {"expected": "a model that predicts numbers", "hint": hints.get(target.kind, "")}
