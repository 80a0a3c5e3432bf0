"""Suggest how to train a run longer if it was still improving when it ended."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from dlrun.errors import RunError
from dlrun.runs.flat_spec import read_flat_spec
from dlrun.runs.folder import RunFolder
from dlrun.runs.record import RunRecord

_TIMES = 2


@dataclass(frozen=True)
class SpecLength:
    """How the spec of a run gives the length of its training.

    Args:
        steps: The number of steps, if the length is given in steps.
        is_fixed: Whether a schedule spans the whole training, so that only a new run can be longer.
    """

    steps: int | None
    is_fixed: bool


def read_length(folder: RunFolder) -> SpecLength | None:
    """Read the length from a spec, which may come from someone else, so no plugin is loaded.

    Args:
        folder: The run.

    Returns:
        The length; None if the spec is damaged, its schedule is a plugin, or its model is a least-squares solution,
        which longer training does not improve.
    """
    from dlrun.schedules import schedules

    try:
        spec = read_flat_spec(folder.spec_yaml)
    except RunError:
        return None
    if spec.get("model.solver") == "least_squares":
        return None
    keys, steps = ("schedule", "model.dropout_schedule", "optimizer.weight_decay_schedule"), spec.get("training.steps")
    # A schedule without keys of its own is written as its name.
    names = (spec.get(f"{key}.type", spec.get(key, "constant")) for key in keys)
    found = [schedules.find(str(name)) for name in names]
    if None in found or not (steps is None or type(steps) is int):
        return None
    return SpecLength(steps, any(schedule is not None and schedule.spans_training for schedule in found))


def longer_command(
    record: RunRecord,
    rows: Sequence[Mapping[str, float | None]],
    length: SpecLength,
    *,
    resume: str,
    anew: str,
) -> str:
    """Return the command that trains a run longer if it was still improving when it ended.

    Args:
        record: The record of the run. If its `reason` is set, it ended early, and more epochs would change nothing.
        rows: The rows of its metrics.jsonl.
        length: The length in its spec.
        resume: The command that resumes the run.
        anew: The command that trains its spec from the start.

    Returns:
        The command; empty if the best epoch is not the last, or there is no held-out split.
    """
    best, last = record.best, rows[-1].get("epoch") if rows else None
    if record.reason or best is None or best.value is None or last is None or best.epoch != last:
        return ""
    if not best.metric.startswith("val_"):  # the training loss nearly always keeps falling
        return ""
    longer = f"steps={_TIMES * length.steps}" if length.steps else f"epochs={_TIMES * best.epoch}"
    begins_anew = length.is_fixed or (length.steps is not None and _may_end_inside_epoch(rows))
    return f"{anew if begins_anew else resume} --set training.{longer}"


def _may_end_inside_epoch(rows: Sequence[Mapping[str, float | None]]) -> bool:
    """Return whether the last epoch may be incomplete although it counts as one; such a run cannot be made longer."""
    first, last = (row.get("step") for row in (rows[0], rows[-1]))
    return len(rows) == 1 or not first or last is None or last % first > 0
