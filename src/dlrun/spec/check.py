"""A spec held against what is known of its data: every misfit between dataset, model, loss, metrics and training."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from dlrun.component import Component, FieldProblem, Path
from dlrun.data import held_out_count
from dlrun.losses import losses_for
from dlrun.metrics import metrics_for
from dlrun.registry import nearest
from dlrun.signature import Description, Features, Target
from dlrun.spec.types import Spec

_SPLITS = ("train", "validation", "test")


def find_problems(spec: Spec, description: Description | None) -> Iterator[FieldProblem]:
    """Yield what does not fit together.

    Args:
        spec: Each part of it is well formed by itself.
        description: What is known of the data; None if nothing is, which leaves fewer things to check.
    """
    yield from _own_problems(spec)
    yield from _metric_names(spec, description)
    if description is None:
        return
    yield from _sizes(spec, description)
    yield from _model_fits(spec, description.features)
    target = target_of(spec, description.features, description.target)
    if target is None:
        yield FieldProblem(("dataset",), "the data has no labels to learn", "labels, or a model of type autoencoder")
        return
    yield from _loss_fits(spec, target)
    yield from _class_weight_fits(spec, target)


def target_of(spec: Spec, features: Features, target: Target | None) -> Target | None:
    """What the spec's model has to predict: the data's target, or for an autoencoder its own input."""
    return Target.of_input(features) if spec.model.target_is_input else target


def settled_target(spec: Spec, target: Target) -> Target:
    """The target as the loss takes it, with the activation that the model really ends in."""
    settled = spec.loss.settle(target)
    return replace(settled, activation=spec.model.output_activation(settled))


def monitored(spec: Spec, metric: str, *, has_validation: bool) -> str:
    """The log key that `auto`, or a metric's name, stands for."""
    if metric == "auto":
        metric = spec.training.monitor
    return metric if metric != "auto" else ("val_loss" if has_validation else "loss")


def log_names(spec: Spec, *, has_validation: bool) -> tuple[str, ...]:
    """The scores that a row of metrics.jsonl has."""
    names = ("loss", *(metric.log_name for metric in spec.metrics))
    return names + tuple(f"val_{name}" for name in names) if has_validation else names


def _own_problems(spec: Spec) -> Iterator[FieldProblem]:
    parts: list[tuple[Path, Component]] = [
        (("dataset",), spec.dataset),
        (("model",), spec.model),
        (("optimizer",), spec.optimizer),
        (("schedule",), spec.schedule),
        (("loss",), spec.loss),
        *((("metrics", index), metric) for index, metric in enumerate(spec.metrics)),
    ]
    for path, component in parts:
        yield from _below(component.problems(), *path)
    if spec.training.epochs and spec.training.steps:
        said = f"epochs ({spec.training.epochs}) and steps ({spec.training.steps}) are both given"
        yield FieldProblem(("training", "steps"), said, "one of them")


def _metric_names(spec: Spec, description: Description | None) -> Iterator[FieldProblem]:
    seen: set[str] = {"loss"}
    for index, metric in enumerate(spec.metrics):
        if metric.log_name in seen:
            hint = f"give one a name of its own: {{type: {metric.type_name}, name: ...}}"
            yield FieldProblem(
                ("metrics", index), f"two scores are called {metric.log_name!r}", "one of each name", hint
            )
        seen.add(metric.log_name)
    has_validation = bool(spec.dataset.validation) if description is None else "validation" in description.examples
    known = ("auto", *log_names(spec, has_validation=has_validation))
    watched: list[tuple[Path, str]] = [(("training", "monitor"), spec.training.monitor)]
    if spec.training.early_stopping:
        watched.append((("training", "early_stopping", "metric"), spec.training.early_stopping.metric))
    if hasattr(spec.schedule, "metric"):
        watched.append((("schedule", "metric"), spec.schedule.metric))
    for path, name in watched:
        if name not in known:
            near = nearest(name, known)
            hint = f"did you mean {near!r}?" if near else ""
            yield FieldProblem(path, f"no score is called {name!r}", "one of " + ", ".join(known), hint)


def _sizes(spec: Spec, description: Description) -> Iterator[FieldProblem]:
    examples = description.examples
    validation = spec.dataset.validation
    if isinstance(validation, str):
        if validation not in examples:
            there = ", ".join(name for name in examples)
            yield FieldProblem(("dataset", "validation"), f"there is no split {validation!r}", f"one of {there}")
    elif validation:
        train = examples.get("train", 0) + examples.get("validation", 0)
        held_out = held_out_count(validation, train)
        if held_out >= train > 0:
            said = f"{held_out} of {train} training examples are held out for validation"
            yield FieldProblem(("dataset", "validation"), said, "some left to train on", "a fraction, such as 0.1")
    batch_size = spec.training.batch_size
    if spec.training.drop_remainder and batch_size > (train := examples.get("train", batch_size)):
        said = f"a batch of {batch_size} with drop_remainder leaves nothing of {train} training examples"
        yield FieldProblem(("training", "batch_size"), said, f"at most {train}")


def _model_fits(spec: Spec, features: Features) -> Iterator[FieldProblem]:
    if features.kind not in spec.model.takes:
        said = f"a model of type {spec.model.type_name} cannot take {features.kind} features of shape {features.shape}"
        yield FieldProblem(("model", "type"), said, "features of kind " + " or ".join(spec.model.takes))
        return
    yield from _below(spec.model.misfits(features), "model")


def _loss_fits(spec: Spec, target: Target) -> Iterator[FieldProblem]:
    said = {
        "classes": f"{target.size} classes",
        "values": "a real number" if target.size == 1 else f"{target.size} real numbers",
        "input": "the model's own input",
    }[target.kind]
    if not spec.loss.accepts(target):
        expected = "one of " + ", ".join(losses_for(target))
        yield FieldProblem(("loss", "type"), f"{spec.loss.type_name} cannot take the target: {said}", expected)
        return
    settled = settled_target(spec, target)
    yield from _below(spec.model.misfits_target(settled), "model")
    yield from _below(spec.loss.misfits(settled), "loss")
    for index, metric in enumerate(spec.metrics):
        yield from _below(metric.misfits(settled), "metrics", index)
        if not metric.accepts(settled):
            expected = "one of " + ", ".join(metrics_for(settled))
            what = f"{metric.type_name} cannot take the target: {said}"
            yield FieldProblem(("metrics", index, "type"), what, expected)


def _class_weight_fits(spec: Spec, target: Target) -> Iterator[FieldProblem]:
    weights = spec.training.class_weight
    path = ("training", "class_weight")
    if weights is None:
        return
    if target.kind != "classes":
        yield FieldProblem(path, f"class weights for a target of {target.kind}", "a target of classes")
    elif isinstance(weights, dict):
        known = (*target.class_names, *map(str, range(target.size)))
        for name in weights:
            if name not in known:
                classes = ", ".join(target.class_names or known)
                yield FieldProblem((*path, name), f"there is no class {name!r}", f"one of {classes}")


def _below(problems: Iterator[FieldProblem], *path: str | int) -> Iterator[FieldProblem]:
    """A component's problems, with their paths from the spec's root."""
    for problem in problems:
        yield replace(problem, path=(*path, *problem.path))
