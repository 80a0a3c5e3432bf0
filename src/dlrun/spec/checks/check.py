"""Check that dataset, model, loss, metrics and training of a spec fit together and fit the data."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from dlrun.component import Component, FieldProblem, Path
from dlrun.data import Source, held_out_count
from dlrun.data.augmentation import RandomChanges
from dlrun.losses import Loss, losses, losses_for
from dlrun.metrics.metric import SPLIT_PREFIXES, Metric, metrics_for, without_split
from dlrun.models import Model, models
from dlrun.names import nearest
from dlrun.runs.history import NOT_SCORES
from dlrun.schedules import ReduceOnPlateau
from dlrun.signature import Description, Features, Target
from dlrun.spec.checks.class_weights import class_weight_problems
from dlrun.spec.checks.training_check import has_validation, training_problems
from dlrun.spec.decision import decision_problems, rule_problems
from dlrun.spec.types import Draft, Spec, Training


def find_problems(draft: Draft, description: Description | None, *, trains: bool = True) -> Iterator[FieldProblem]:
    """Yield the problems of a spec.

    Args:
        draft: The parts of the spec that are valid on their own.
        description: Description of the data; None if unknown, which skips some checks.
        trains: Whether the spec will be trained; False for the spec of a trained model.
    """
    yield from _own_problems(draft)
    if trains:
        yield from _trainable(draft.model_type)
        yield from training_problems(draft, description)
    if draft.training is not None:
        yield from _metric_names(draft, draft.training, description)
    if description is None:
        return
    if draft.dataset is not None:
        yield from _sizes(draft.dataset, draft.training, description)
    if draft.model is not None:
        yield from check_model_takes(draft.model, description.features, draft.dataset)
    yield from _transform_fits(draft, description)
    yield from _augmentation_fits(draft, description)
    if draft.model_type is None:
        return
    target = target_of(draft.model_type, description.features, description.target)
    if target is None:
        yield FieldProblem(
            ("dataset",), "the data has no labels to learn from", "labels, or a model of type autoencoder"
        )
        return
    yield from _target_fits(draft, target)
    if trains:
        yield from class_weight_problems(draft, target)


def _target_fits(draft: Draft, target: Target) -> Iterator[FieldProblem]:
    if draft.model_type is not None and draft.model_type.predicts_mask != (target.kind == "mask"):
        yield _mask_misfit(draft.model_type, target)
        return
    if draft.loss is not None:
        yield from _loss_fits(draft.loss, draft.model, draft.metrics, target)
    if draft.decision is not None:
        yield from decision_problems(draft.decision, target)


def _mask_misfit(model: type[Model], target: Target) -> FieldProblem:
    """Return the problem of a model for masks that gets none, or of masks with a model that predicts none."""
    predicting = [name for name in models.names() if (found := models.find(name)) is not None and found.predicts_mask]
    if target.kind == "mask":
        what = f"the dataset has masks, and a model of type {model.type_name} does not predict a class for each pixel"
        return FieldProblem(("model", "type"), what, "one of " + ", ".join(predicting))
    what = f"a model of type {model.type_name} predicts a class for each pixel, but the dataset has no masks"
    return FieldProblem(("model", "type"), what, "images with masks", "dataset: {type: images, masks: FOLDER, ...}")


def _trainable(model: type[Model] | None) -> Iterator[FieldProblem]:
    if model is not None and not model.is_trainable:
        what = f"a model of type {model.type_name} is joined from trained runs, and is not trained itself"
        yield FieldProblem(("model", "type"), what, "another model", "dlrun ensemble RUN... joins runs")


def target_of(model: type[Model] | Model, features: Features, target: Target | None) -> Target | None:
    """Return what a model predicts: the target of the data, or its own input for an autoencoder."""
    return Target.of_input(features) if model.target_is_input else target


def settled_target(loss: Loss, model: Model, target: Target) -> Target:
    """Return the target with the encoding of the loss and the last activation of the model."""
    settled = loss.settle(target)
    return replace(settled, activation=model.final_activation(settled))


def best_metric(training: Training) -> str:
    """Return the score that selects the best epoch, as named in the spec; `auto` if there is none."""
    rule = training.early_stopping
    return rule.metric if rule is not None and training.monitor == "auto" else training.monitor


def stopping_metric(training: Training) -> str:
    """Return the score that early stopping watches, as named in the spec; `auto` if there is none."""
    rule = training.early_stopping
    return training.monitor if rule is None or rule.metric == "auto" else rule.metric


def monitored_metric(spec: Spec, metric: str, *, has_validation: bool) -> str:
    """Return the log key for the name of a metric or `auto`."""
    if metric == "auto":
        metric = spec.training.monitor
    return metric if metric != "auto" else ("val_loss" if has_validation else "loss")


def _own_problems(draft: Draft) -> Iterator[FieldProblem]:
    parts: list[tuple[Path, Component | None]] = [
        (("dataset",), draft.dataset),
        (("model",), draft.model),
        (("optimizer",), draft.optimizer),
        (("schedule",), draft.schedule),
        (("loss",), draft.loss),
        (("tracking",), draft.tracking),
        *((("metrics", index), metric) for index, metric in enumerate(draft.metrics)),
    ]
    for path, component in parts:
        if component is not None:
            yield from _below(component.problems(), *path)
    if draft.dataset is not None and draft.evaluation is not None and draft.evaluation.by:
        yield from _below(draft.dataset.slicing_problems(draft.evaluation.by), "evaluation", "by")
    if draft.dataset is not None:
        yield from _below(draft.dataset.fold_problems(), "dataset")
    if draft.decision is not None:
        yield from rule_problems(draft.decision)


def _metric_names(draft: Draft, training: Training, description: Description | None) -> Iterator[FieldProblem]:
    # The loss is always a score, and needs no metric to say that smaller is better.
    names: dict[str, Metric | None] = {"loss": None}
    for index, metric in enumerate(draft.metrics):
        if metric is None:
            continue
        name, path = metric.log_name, ("metrics", index, "name" if metric.name else "type")
        hint = f"give it another name: {{type: {metric.type_name}, name: ...}}"
        prefix = next((prefix for prefix in SPLIT_PREFIXES if name.startswith(prefix)), "")
        if name in names:
            yield FieldProblem(path, f"two scores have the name {name!r}", "different names", hint)
        elif name in (*NOT_SCORES, "auto"):
            what = f"a score has the name {name!r}, which is already a column of metrics.jsonl"
            what = what if name != "auto" else "a score has the name 'auto', which is the default of training.monitor"
            yield FieldProblem(path, what, f"none of {', '.join((*NOT_SCORES, 'loss', 'auto'))}", hint)
        elif prefix:
            what = f"a score has the name {name!r}, which looks like the score {name.removeprefix(prefix)!r} of a split"
            yield FieldProblem(path, what, f"a name that does not start with {', '.join(SPLIT_PREFIXES)}", hint)
        names[name] = metric
    if None in draft.metrics or draft.dataset is None:
        return  # the watched score may be a metric that could not be parsed
    validates = has_validation(draft.dataset, description)
    known = ("auto", *names, *(f"val_{name}" for name in names if validates))
    for watching, name in _watched(draft, training):
        metric = names.get(without_split(name))
        if name not in known:
            near = nearest(name, known)
            hint = f"did you mean {near!r}?" if near else ""
            yield FieldProblem(watching, f"there is no score {name!r}", "one of " + ", ".join(known), hint)
        elif metric is not None and metric.larger_is_better is None:
            what = f"the metric {metric.type_name} does not define whether a larger or a smaller {name} is better"
            hint = f"set larger_is_better = True or False in the class {type(metric).__name__}"
            yield FieldProblem(watching, what, "a score with a direction", hint)


def _watched(draft: Draft, training: Training) -> Iterator[tuple[Path, str]]:
    """Yield the keys that name a score to watch, with that name."""
    yield ("training", "monitor"), training.monitor
    if training.early_stopping:
        yield ("training", "early_stopping", "metric"), training.early_stopping.metric
    if isinstance(draft.schedule, ReduceOnPlateau):
        yield ("schedule", "metric"), draft.schedule.metric


def _sizes(dataset: Source, training: Training | None, description: Description) -> Iterator[FieldProblem]:
    examples, validation = description.examples, dataset.validation
    if isinstance(validation, str):
        if validation not in examples or validation == "train":
            there = ", ".join(name for name in examples if name != "train")
            yield FieldProblem(("dataset", "validation"), f"there is no split {validation!r}", f"one of {there}")
    elif validation:
        # Both together are the examples that the validation split is taken from.
        train = examples.get("train", 0) + examples.get("validation", 0)
        held_out = held_out_count(validation, train)
        if held_out >= train > 0:
            what = f"{held_out} of {train} training examples would be held out for validation"
            yield FieldProblem(
                ("dataset", "validation"), what, "some examples left for training", "use a fraction, such as 0.1"
            )
    if training is not None and training.drop_remainder:
        # An unknown number of examples is not reported as too small.
        train = examples.get("train", training.batch_size)
        if training.batch_size > train:
            what = f"with drop_remainder, a batch size of {training.batch_size} uses none of {train} training examples"
            yield FieldProblem(("training", "batch_size"), what, f"at most {train}")


def check_model_takes(model: Model, features: Features, dataset: Source | None) -> Iterator[FieldProblem]:
    """Yield the reasons why a model cannot be built for the features of a dataset."""
    if features.kind not in model.takes:
        what = f"a model of type {model.type_name} does not accept {features.kind} features of shape {features.shape}"
        hint = _output_mode_hint(model, features, dataset)
        yield FieldProblem(("model", "type"), what, "features of kind " + " or ".join(model.takes), hint)
        return
    if features.embedded and not model.learns_embedded:
        names = ", ".join(repr(column.name) for column in features.embedded)
        of_text = [column.name for column in features.embedded if column.words is not None]
        what = f"a model of type {model.type_name} cannot embed the ids of {names}"
        off = [] if len(of_text) == len(features.embedded) else ["--set dataset.embedding=off"]
        hint = " and ".join(off + ([f"ignore: [{', '.join(of_text)}]"] if of_text else []))
        yield FieldProblem(("model", "type"), what, "a model with embeddings, such as mlp", hint)
    yield from _below(model.misfits(features), "model")


def _transform_fits(draft: Draft, description: Description) -> Iterator[FieldProblem]:
    """Yield the reasons why the target cannot be transformed: it is not a number, or the loss needs its own unit."""
    if draft.dataset is None or draft.dataset.target_transform == "none" or draft.model_type is None:
        return
    path, transform = ("dataset", "target_transform"), draft.dataset.target_transform
    target = target_of(draft.model_type, description.features, description.target)
    if target is not None and target.kind != "values":
        found = {"input": "its own input", "labels": "labels", "mask": "masks"}.get(target.kind, "classes")
        what = f"target_transform is {transform}, but the model predicts {found}"
        yield FieldProblem(path, what, "none, or numbers to predict", "--set dataset.target_transform=none")
    elif draft.loss is not None and draft.loss.takes.own_unit:
        what = f"target_transform is {transform}, but {draft.loss.type_name} needs values in the unit of the data"
        yield FieldProblem(path, what, "none, or a loss such as mean_squared_error", "--set loss=mean_squared_error")


def _output_mode_hint(model: Model, features: Features, dataset: Source | None) -> str:
    """Return a hint to turn texts into features that the model accepts; empty for other features."""
    fields = type(dataset).model_fields if dataset is not None else {}
    key = "output_mode" if "output_mode" in fields else "text.output_mode" if "text" in fields else ""
    if key and features.kind == "tokens" and "vector" in model.takes:
        return f"--set dataset.{key}=multi_hot turns each text into a vector"
    if key == "output_mode" and features.kind == "vector" and "tokens" in model.takes:
        return f"--set dataset.{key}=int keeps the tokens in their order"
    return ""


def _loss_fits(
    loss: Loss, model: Model | None, metrics: tuple[Metric | None, ...], target: Target
) -> Iterator[FieldProblem]:
    kind = {
        "classes": f"{target.size} classes",
        "class_columns": f"{len(target.parts)} class columns",
        "labels": f"{target.size} yes-or-no labels",
        "values": "a real number" if target.size == 1 else f"{target.size} real numbers",
        "input": "the model's own input",
        "mask": f"masks of {target.size} classes",
    }[target.kind]
    for index, metric in enumerate(metrics):
        if metric is not None and not metric.accepts(target):
            what = f"{metric.type_name} does not work with the target: {kind}"
            yield FieldProblem(("metrics", index, "type"), what, "one of " + ", ".join(metrics_for(target)))
    if not loss.accepts(target):
        what = f"{loss.type_name} does not work with the target: {kind}"
        one_hot = target.kind == "values" and target.size > 1 and loss.takes.classes is not None
        # Several numbers with a loss for classes suggest one-hot columns that were read as values.
        hint = "if the numbers are one-hot classes: --set dataset.task=classification" if one_hot else ""
        yield FieldProblem(("loss", "type"), what, "one of " + ", ".join(losses_for(target)), hint)
        return
    if model is None:
        return
    # Only now, because a loss can choose an encoding only for a target that it accepts.
    settled = settled_target(loss, model, target)
    yield from _below(model.misfits_target(settled), "model")
    yield from _below(loss.misfits(settled), "loss")
    for index, metric in enumerate(metrics):
        if metric is not None and metric.accepts(target):
            for part in settled.parts:
                yield from _below(metric.misfits(part.target), "metrics", index)


def _augmentation_fits(draft: Draft, description: Description) -> Iterator[FieldProblem]:
    augmentation = getattr(draft.dataset, "augmentation", None)
    if not isinstance(augmentation, RandomChanges) or not augmentation.changes:
        return
    path, features = ("dataset", "augmentation"), description.features
    if features.kind != "image":
        yield FieldProblem(path, f"augmentation is for images, but the features are of kind {features.kind}", "null")
    if augmentation.moves and draft.training is not None and draft.training.jit == "on":
        what = "training.jit is on, but XLA cannot compile rotation, translation and zoom of images"
        yield FieldProblem(("training", "jit"), what, "auto or off")
    if draft.model_type is None or draft.loss is None or not augmentation.mixes:
        return
    target = target_of(draft.model_type, features, description.target)
    if target and target.kind in ("classes", "mask") and draft.loss.takes.classes == "index":
        found = ((name, losses.find(name)) for name in losses_for(target))
        mixing = ", ".join(name for name, loss in found if loss is not None and loss.takes.classes != "index")
        # A mask is cut like its image, and each pixel keeps a single class.
        keys = ("mixup", "cutmix") if target.kind == "classes" else ("mixup",)
        for key in (key for key in keys if getattr(augmentation, key)):
            what = f"{key} mixes targets, but {draft.loss.type_name} needs the index of a single class"
            yield FieldProblem((*path, key), what, f"one of the losses {mixing}, or {key}: 0")


def _below(problems: Iterator[FieldProblem], *path: str | int) -> Iterator[FieldProblem]:
    """Yield the problems of a component with paths that start at the root of the spec."""
    for problem in problems:
        yield replace(problem, path=(*path, *problem.path))
