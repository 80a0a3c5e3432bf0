"""How to make a run longer that was still getting better when it ended."""

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
    """How the length of a training is given in its spec.

    Args:
        steps: If it is given in steps.
        is_fixed: Whether the schedule was laid out over the whole training, so that only a new one can be longer.
    """

    steps: int | None
    is_fixed: bool


def read_length(folder: RunFolder) -> SpecLength | None:
    """Read the length from a spec that may be a stranger's, of which no plugin is loaded.

    Returns:
        None if it is not known: the spec is damaged, or its schedule is a plugin.
    """
    from dlrun.schedules import schedules

    try:
        spec = read_flat_spec(folder.spec_yaml)
    except RunError:
        return None
    schedule, steps = schedules.find(str(spec.get("schedule.type", "constant"))), spec.get("training.steps")
    if schedule is None or not (steps is None or type(steps) is int):
        return None
    return SpecLength(steps, schedule.spans_training)


def longer_command(
    record: RunRecord,
    rows: Sequence[Mapping[str, float | None]],
    length: SpecLength,
    *,
    resume: str,
    anew: str,
) -> str:
    """Return the command that goes on with a run which was still getting better when it ended.

    Args:
        record: Of the run; `reason` says why it ended, if it did so early: then more epochs would train nothing.
        rows: Of its metrics.jsonl.
        length: Of its spec.
        resume: The command that goes on with it as it is.
        anew: The command that trains its spec from the start.

    Returns:
        Empty where the best epoch is not the last, or where no held-out split tells.
    """
    best, last = record.best, rows[-1].get("epoch") if rows else None
    if record.reason or best is None or best.value is None or last is None or best.epoch != last:
        return ""
    if not best.metric.startswith("val_"):  # the training loss falls as long as anybody waits
        return ""
    longer = f"steps={_TIMES * length.steps}" if length.steps else f"epochs={_TIMES * best.epoch}"
    begins_anew = length.is_fixed or (length.steps is not None and _may_end_inside_epoch(rows))
    return f"{anew if begins_anew else resume} --set training.{longer}"


def _may_end_inside_epoch(rows: Sequence[Mapping[str, float | None]]) -> bool:
    """Return whether the last epoch may be a part of one, which was counted as a whole: resume refuses to go on."""
    first, last = (row.get("step") for row in (rows[0], rows[-1]))
    return len(rows) == 1 or not first or last is None or last % first > 0
