"""What a run that has ended tells its user: that a prediction without a model is better, how to make it longer."""

from __future__ import annotations

import math
from collections.abc import Iterator

from dlrun.runs.record import RunRecord
from dlrun.spec.types import Spec

_SPLITS = ("test", "validation", "train")
_LATER = 2
"""A run whose last epoch is its best may go on for as long again."""


def worse_than_naive(record: RunRecord) -> str:
    """Return the sentence on a model that no score shows to be better than a prediction without one.

    The loss counts where there is no metric: it may hold penalties on weights, which a naive prediction does not have.

    Args:
        record: Of a complete run, with its scores and the naive ones.

    Returns:
        Empty if some score is better, or nothing can be compared.
    """
    split = next((split for split in _SPLITS if record.result.get(split) and record.naive.get(split)), "")
    compared = list(_compared(record, split)) if split else []
    metrics = [each for each in compared if each[0] != "loss"] or compared
    if not metrics or any(gain > 0 for *_, gain in metrics):
        return ""
    how = "worse" if any(gain < 0 for *_, gain in metrics) else "no better"
    method = record.baseline.method if record.baseline is not None else "the last value"
    scores = ", ".join(f"{name} {value:.4f} against {naive:.4f}" for name, value, naive, _ in metrics)
    return f"the model is {how} than predicting {method} on the {split} split: {scores}"


def longer_command(record: RunRecord, spec: Spec, *, last_epoch: int, resume: str, anew: str) -> str:
    """Return the command that goes on with a run which was still getting better when it ended.

    Args:
        record: Of the run; `reason` says why it ended, if it did so early: then more epochs would train nothing.
        spec: Of the run.
        last_epoch: The last that was trained.
        resume: The command that goes on with it as it is.
        anew: The command that trains its spec again.

    Returns:
        Empty where the best epoch is not the last, or where no held-out split tells.
    """
    best = record.best
    if record.reason or best is None or best.epoch != last_epoch or not best.metric.startswith("val_"):
        return ""
    training = spec.training
    longer = f"steps={_LATER * training.steps}" if training.steps else f"epochs={_LATER * last_epoch}"
    if spec.schedule.spans_training:  # it was laid out over the whole training, so that only a new one can be longer
        return f"{anew} --set training.{longer}"
    return f"{resume} --set training.{longer}"


def _compared(record: RunRecord, split: str) -> Iterator[tuple[str, float, float, float]]:
    """Each score with that of the naive prediction, and by how much it is better."""
    for name, value in record.result[split].items():
        naive, direction = record.naive[split].get(name), record.directions.get(name, "min" if name == "loss" else None)
        if value is None or naive is None or direction is None or not math.isfinite(value - naive):
            continue
        yield name, value, naive, value - naive if direction == "max" else naive - value
