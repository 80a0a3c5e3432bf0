"""Whether a run is worth more epochs, as far as its files tell: a report has no spec that is trusted and typed.

`advice.py` tells the same at the end of a training.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from dlrun.errors import RunError
from dlrun.runs.flat_spec import read_flat_spec
from dlrun.runs.folder import RunFolder
from dlrun.runs.record import RunRecord


def epochs_to_try(folder: RunFolder, record: RunRecord, rows: Sequence[Mapping[str, float | None]]) -> int | None:
    """Return twice the epochs of a run that was still getting better when it ended; None for any other run.

    Args:
        folder: The run.
        record: Its run.json.
        rows: Of its metrics.jsonl.
    """
    best, last = record.best, rows[-1].get("epoch") if len(rows) > 1 else None
    if record.reason or best is None or best.value is None or last is None or best.epoch != last:
        return None
    if not best.metric.startswith("val_"):  # the training loss falls as long as anybody waits
        return None
    return 2 * best.epoch if _can_be_longer(folder) else None


def _can_be_longer(folder: RunFolder) -> bool:
    """Return whether resume takes more epochs: not of a length in steps, nor of a schedule over the whole length."""
    from dlrun.schedules import schedules

    try:
        spec = read_flat_spec(folder.spec_yaml)
    except RunError:
        return False
    schedule = schedules.find(str(spec.get("schedule.type", "constant")))
    return schedule is not None and not schedule.spans_training and spec.get("training.steps") is None
