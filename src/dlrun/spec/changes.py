"""What may change in the spec of a run that goes on, and what may not because training has depended on it already."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from dlrun.component import FieldProblem, Path
from dlrun.spec.check import best_metric, stopping_metric
from dlrun.spec.types import Spec, Training

_MAY_CHANGE = {
    ("training", "epochs"),
    ("training", "steps"),
    ("training", "max_minutes"),
    ("training", "checkpoint_minutes"),
    ("training", "keep_checkpoints"),
    ("training", "tensorboard"),
    ("training", "feed"),
    ("training", "early_stopping"),
    ("plugins",),
    ("tracking",),
}
"""Keys that decide only how a run goes on. Where the data lies may change too: its fingerprint may not."""


def refused_changes(before: Spec, after: Spec) -> Iterator[FieldProblem]:
    """Yield every key that a run cannot change any more.

    Args:
        before: The spec that the run was trained with.
        after: The spec that it is to go on with.
    """
    may_change = _MAY_CHANGE | {("dataset", key) for key in before.dataset.place_keys}
    for path, old, new in _differences(before.plain(), after.plain(), ()):
        if not any(path[: len(allowed)] == allowed for allowed in may_change):
            name = ".".join(map(str, path))
            yield FieldProblem(
                path,
                f"{name} was {old!r} when the run was trained, and cannot become {new!r}",
                expected="the same value; what may change: " + ", ".join(sorted(map(".".join, may_change))),
                hint="dlrun train makes a new run",
            )
    yield from _other_metrics(before.training, after.training)
    is_longer = (before.training.epochs, before.training.steps) != (after.training.epochs, after.training.steps)
    if is_longer and before.schedule.spans_training:
        yield FieldProblem(
            ("training", "epochs"),
            f"the schedule {before.schedule.type_name} was laid out over the whole training, and cannot be made longer",
            expected="the length that the run began with",
            hint="dlrun train makes a new run of the other length",
        )


def _other_metrics(before: Training, after: Training) -> Iterator[FieldProblem]:
    """Early stopping by another score than the best epoch so far is the best of, or than it has waited for."""
    if after.early_stopping is None:
        return
    pairs = [(best_metric(before), best_metric(after))]
    if before.early_stopping is not None:
        pairs.append((stopping_metric(before), stopping_metric(after)))
    for old, new in pairs:
        if old != new and not ({old, new} <= {"auto", "val_loss", "loss"} and "auto" in (old, new)):
            said = f"the best epoch so far is the best by {_told(old)}, and cannot be that by {_told(new)}"
            hint = "dlrun train makes a new run"
            yield FieldProblem(("training", "early_stopping", "metric"), said, _told(old), hint)
            return


def _told(metric: str) -> str:
    return metric if metric != "auto" else "auto (val_loss, or loss without validation data)"


def _differences(before: Any, after: Any, path: Path) -> Iterator[tuple[Path, Any, Any]]:
    if isinstance(before, dict) and isinstance(after, dict):
        for key in (*before, *(key for key in after if key not in before)):
            yield from _differences(before.get(key), after.get(key), (*path, key))
    elif before != after:
        yield path, before, after
