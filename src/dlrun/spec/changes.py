"""Check which keys may change when a run is resumed; training so far depends on the others."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from dlrun.component import FieldProblem, Path
from dlrun.spec.checks.check import best_metric, stopping_metric
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
    ("evaluation",),
    ("decision",),
}
"""Keys that affect only the rest of a run. The path of the data may change too, but not its fingerprint."""


def refused_changes(before: Spec, after: Spec) -> Iterator[FieldProblem]:
    """Yield every changed key that must not change.

    Args:
        before: Spec of the training so far.
        after: Spec to resume with.
    """
    may_change = _MAY_CHANGE | {("dataset", key) for key in before.dataset.place_keys}
    for path, old, new in _differences(before.plain(), after.plain(), ()):
        if not any(path[: len(allowed)] == allowed for allowed in may_change):
            name = ".".join(map(str, path))
            yield FieldProblem(
                path,
                f"{name} cannot change from {old!r} to {new!r} when a run is resumed",
                expected="the same value; keys that may change: " + ", ".join(sorted(map(".".join, may_change))),
                hint="start a new run with dlrun train",
            )
    yield from _other_metrics(before.training, after.training)
    is_longer = (before.training.epochs, before.training.steps) != (after.training.epochs, after.training.steps)
    if is_longer and (spanning := before.spanning_schedule()):
        yield FieldProblem(
            ("training", "epochs"),
            f"the {spanning} spans the whole training, whose length therefore cannot change",
            expected="the original length of the training",
            hint="start a new run of the other length with dlrun train",
        )


def _other_metrics(before: Training, after: Training) -> Iterator[FieldProblem]:
    """Yield a change of the score that selected the best epoch so far or that early stopping has watched."""
    if after.early_stopping is None:
        return
    pairs = [(best_metric(before), best_metric(after))]
    if before.early_stopping is not None:
        pairs.append((stopping_metric(before), stopping_metric(after)))
    for old, new in pairs:
        # `auto` stands for val_loss or loss, so writing one of them out is no change.
        if old != new and not ({old, new} <= {"auto", "val_loss", "loss"} and "auto" in (old, new)):
            what = f"the best epoch so far was selected by {_metric_text(old)} and cannot change to {_metric_text(new)}"
            hint = "start a new run with dlrun train"
            yield FieldProblem(("training", "early_stopping", "metric"), what, _metric_text(old), hint)
            return


def _metric_text(metric: str) -> str:
    return metric if metric != "auto" else "auto (val_loss, or loss without validation data)"


def _differences(before: Any, after: Any, path: Path) -> Iterator[tuple[Path, Any, Any]]:
    if isinstance(before, dict) and isinstance(after, dict):
        for key in (*before, *(key for key in after if key not in before)):
            yield from _differences(before.get(key), after.get(key), (*path, key))
    elif before != after:
        yield path, before, after
