"""Check a spec for contradictions that matter only for training, such as a length that cannot be reached.

These checks apply only before a training. Existing runs that fail them, because an earlier version of dlrun was less
strict, can still be evaluated.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from dlrun.component import FieldProblem, Path
from dlrun.data import Source
from dlrun.models.parts.layer_selection import selection_problem
from dlrun.schedules import ReduceOnPlateau, Step
from dlrun.signature import Description
from dlrun.spec.decision import validation_problems
from dlrun.spec.transfer.phases import Phase
from dlrun.spec.types import Draft, Spec, Training


def training_problems(draft: Draft, description: Description | None) -> Iterator[FieldProblem]:
    """Yield the problems that prevent a training.

    Args:
        draft: The valid parts of the spec.
        description: Description of the data; None if unknown, which skips some checks.
    """
    training = draft.training
    if draft.decision is not None and draft.dataset is not None:
        there = has_validation(draft.dataset, description)
        yield from validation_problems(draft.decision, has_validation=there)
    if training is None:
        return
    if training.epochs and training.steps:
        what = f"epochs ({training.epochs}) and steps ({training.steps}) are both set"
        yield FieldProblem(("training", "steps"), what, "only one of them")
        return
    yield from _two_metrics(training)
    yield from _phases(draft, training.phases or ())
    examples = None if description is None else description.examples.get("train")
    steps_per_epoch = training.steps_per_epoch(examples) if examples else None
    yield from _warmups(draft, training, steps_per_epoch)
    steps = training.total_steps(steps_per_epoch)
    accumulated = getattr(draft.optimizer, "gradient_accumulation_steps", None)
    if steps and isinstance(accumulated, int) and accumulated > steps:
        what = f"the weights are updated every {accumulated} steps, but training has only {steps}"
        yield FieldProblem(("optimizer", "gradient_accumulation_steps"), what, f"at most {steps}")
    epochs = training.epochs or (-(-steps // steps_per_epoch) if steps and steps_per_epoch else None)
    rule = training.early_stopping
    if epochs and rule and rule.start_epoch > epochs:
        what = f"early stopping starts in epoch {rule.start_epoch}, but training has only {epochs} epochs"
        yield FieldProblem(("training", "early_stopping", "start_epoch"), what, f"at most {epochs}")


def has_validation(dataset: Source, description: Description | None) -> bool:
    """Return whether the data has a validation split, as far as it is known."""
    is_held_out = bool(dataset.validation) or dataset.fold is not None
    return is_held_out or (description is not None and "validation" in description.examples)


def find_unreached(spec: Spec, *, steps_per_epoch: int, steps: int) -> Iterator[str]:
    """Yield messages about changes of the learning rate that the schedule reaches only after the training.

    Args:
        spec: Spec of the run.
        steps_per_epoch: Number of steps in an epoch.
        steps: Number of steps of the whole training.
    """
    schedule, epochs = spec.schedule, steps / steps_per_epoch
    for number, phase in enumerate(spec.phases(), start=1):
        if phase.first_epoch >= epochs:
            yield f"phase {number} of training.phases never begins, because training ends after {epochs:.4g} epochs"
    if isinstance(schedule, Step) and schedule.every_epochs >= epochs:
        yield f"schedule.every_epochs is {schedule.every_epochs:g}, but training ends after {epochs:.4g} epochs"
    if isinstance(schedule, ReduceOnPlateau) and schedule.patience_epochs >= epochs:
        yield f"schedule.patience_epochs is {schedule.patience_epochs}, but training ends after {epochs:.4g} epochs"
    boundaries = getattr(schedule, "boundaries", ())
    late = [step for step in boundaries if step >= steps] if isinstance(boundaries, tuple) else []
    if late:
        listed = ", ".join(map(str, late))
        yield f"schedule.boundaries: step {listed} is never reached, because training ends after {steps:,} steps"


def _phases(draft: Draft, phases: Sequence[Phase]) -> Iterator[FieldProblem]:
    """Yield what contradicts the phases, and layers that the backbone does not have."""
    path: Path = ("training", "phases")
    if phases and draft.training is not None and draft.training.steps:
        what = "phases are counted in epochs, but training.steps is set"
        yield FieldProblem(("training", "steps"), what, "epochs", "--set training.steps=null")
    if phases and getattr(draft.optimizer, "use_ema", False):
        what = "use_ema does not work with phases, in which other weights learn"
        yield FieldProblem(("optimizer", "use_ema"), what, "false, or no phases")
    for index, phase in enumerate(phases):
        if phase.epochs is None and index < len(phases) - 1:
            yield FieldProblem((*path, index), f"phase {index + 1} has no epochs", "epochs, except in the last phase")
        if draft.model is None or phase.trainable is None:
            continue
        names, place = draft.model.backbone_layer_names(), (*path, index, "trainable")
        of = getattr(draft.model, "backbone", draft.model.type_name)
        if names and (problem := selection_problem(phase.trainable, names, path=place, of=of)):
            yield problem
        if phase.trainable == "none" and phase.backbone_learning_rate is not None:
            what = "backbone_learning_rate has no effect while no layer of the backbone learns"
            yield FieldProblem((*path, index, "backbone_learning_rate"), what, "no such key in this phase")


def _two_metrics(training: Training) -> Iterator[FieldProblem]:
    rule = training.early_stopping
    if rule is None or not rule.restore_best or "auto" in (training.monitor, rule.metric):
        return
    if training.monitor != rule.metric:
        what = f"the best epoch is selected by {rule.metric} here but by {training.monitor} in training.monitor"
        hint = "remove training.monitor, or set restore_best: false to use one for stopping and the other for the best"
        yield FieldProblem(("training", "early_stopping", "metric"), what, "a single metric", hint)


def _warmups(draft: Draft, training: Training, steps_per_epoch: int | None) -> Iterator[FieldProblem]:
    """Yield warm-ups that are longer than the training."""
    of_epochs = getattr(draft.schedule, "warmup_epochs", None) or 0
    steps = training.total_steps(steps_per_epoch)
    if training.epochs and of_epochs >= training.epochs:
        what = f"the warm-up takes {of_epochs} epochs, but training has only {training.epochs}"
        yield FieldProblem(("schedule", "warmup_epochs"), what, f"less than {training.epochs}")
    elif of_epochs and steps and steps_per_epoch and round(of_epochs * steps_per_epoch) >= steps:
        rising = round(of_epochs * steps_per_epoch)
        what = f"the warm-up takes {of_epochs} epochs ({rising} steps), but training has only {steps} steps"
        yield FieldProblem(("schedule", "warmup_epochs"), what, f"less than {steps / steps_per_epoch:.4g}")
    paths: tuple[tuple[Path, object], ...] = (
        (("schedule", "warmup_steps"), draft.schedule),
        (("optimizer", "warmup_steps"), draft.optimizer),
    )
    for path, component in paths:
        rising = getattr(component, "warmup_steps", None) or 0
        if steps and rising >= steps:
            what = f"the warm-up takes {rising} steps, but training has only {steps}"
            yield FieldProblem(path, what, f"less than {steps}")
