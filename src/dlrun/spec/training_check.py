"""A spec that is well formed, held against itself: lengths that cannot be reached, and keys that contradict each other.

What is found here keeps a training from its start. A run that exists, trained by a version that looked less closely,
can be evaluated all the same.
"""

from __future__ import annotations

from collections.abc import Iterator

from dlrun.component import FieldProblem, Path
from dlrun.schedules import ReduceOnPlateau, Step
from dlrun.signature import Description
from dlrun.spec.types import Draft, Spec, Training


def training_problems(draft: Draft, description: Description | None) -> Iterator[FieldProblem]:
    """Yield what makes no sense to train.

    Args:
        draft: The parts that are well formed.
        description: What is known of the data; None if nothing is, which leaves fewer things to check.
    """
    training = draft.training
    if training is None:
        return
    if training.epochs and training.steps:
        said = f"epochs ({training.epochs}) and steps ({training.steps}) are both given"
        yield FieldProblem(("training", "steps"), said, "one of them")
        return
    yield from _two_metrics(training)
    examples = None if description is None else description.examples.get("train")
    steps_per_epoch = training.steps_per_epoch(examples) if examples else None
    yield from _warmups(draft, training, steps_per_epoch)
    steps = training.total_steps(steps_per_epoch)
    accumulated = getattr(draft.optimizer, "gradient_accumulation_steps", None)
    if steps and isinstance(accumulated, int) and accumulated > steps:
        said = f"the weights change every {accumulated} steps, and training takes {steps}: they never would"
        yield FieldProblem(("optimizer", "gradient_accumulation_steps"), said, f"at most {steps}")
    epochs = training.epochs or (-(-steps // steps_per_epoch) if steps and steps_per_epoch else None)
    rule = training.early_stopping
    if epochs and rule and rule.start_epoch > epochs:
        said = f"early stopping begins in epoch {rule.start_epoch}, of {epochs}"
        yield FieldProblem(("training", "early_stopping", "start_epoch"), said, f"at most {epochs}")


def unreached(spec: Spec, *, steps_per_epoch: int, steps: int) -> Iterator[str]:
    """Yield, for people, what a schedule would do only after the end of the training.

    Args:
        spec: The spec.
        steps_per_epoch: Steps in one epoch.
        steps: Steps of the whole training.
    """
    schedule, epochs = spec.schedule, steps / steps_per_epoch
    if isinstance(schedule, Step) and schedule.every_epochs >= epochs:
        yield f"schedule.every_epochs is {schedule.every_epochs:g}, and training ends after {epochs:.4g} epochs"
    if isinstance(schedule, ReduceOnPlateau) and schedule.patience_epochs >= epochs:
        yield f"schedule.patience_epochs is {schedule.patience_epochs}, and training ends after {epochs:.4g} epochs"
    boundaries = getattr(schedule, "boundaries", ())
    late = [step for step in boundaries if step >= steps] if isinstance(boundaries, tuple) else []
    if late:
        listed = ", ".join(map(str, late))
        yield f"schedule.boundaries: step {listed} is never reached, as training ends after {steps:,} steps"


def _two_metrics(training: Training) -> Iterator[FieldProblem]:
    rule = training.early_stopping
    if rule is None or not rule.restore_best or "auto" in (training.monitor, rule.metric):
        return
    if training.monitor != rule.metric:
        said = f"training ends with the best epoch, by {rule.metric} here and by {training.monitor} in training.monitor"
        hint = "leave training.monitor out; or restore_best: false, to stop by one and to know the best by the other"
        yield FieldProblem(("training", "early_stopping", "metric"), said, "one metric", hint)


def _warmups(draft: Draft, training: Training, steps_per_epoch: int | None) -> Iterator[FieldProblem]:
    """A learning rate that has not risen to its height when training ends."""
    of_epochs = getattr(draft.schedule, "warmup_epochs", None) or 0
    steps = training.total_steps(steps_per_epoch)
    if training.epochs and of_epochs >= training.epochs:
        said = f"the learning rate rises for {of_epochs} epochs, of {training.epochs}"
        yield FieldProblem(("schedule", "warmup_epochs"), said, f"less than {training.epochs}")
    elif of_epochs and steps and steps_per_epoch and round(of_epochs * steps_per_epoch) >= steps:
        rising = round(of_epochs * steps_per_epoch)
        said = f"the learning rate rises for {of_epochs} epochs, which are {rising} steps, and training takes {steps}"
        yield FieldProblem(("schedule", "warmup_epochs"), said, f"less than {steps / steps_per_epoch:.4g}")
    paths: tuple[tuple[Path, object], ...] = (
        (("schedule", "warmup_steps"), draft.schedule),
        (("optimizer", "warmup_steps"), draft.optimizer),
    )
    for path, component in paths:
        rising = getattr(component, "warmup_steps", None) or 0
        if steps and rising >= steps:
            said = f"the learning rate rises for {rising} steps, and training takes {steps}"
            yield FieldProblem(path, said, f"less than {steps}")
