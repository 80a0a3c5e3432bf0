"""Check that a search fits the rest of the spec: its objectives, its sampler, its halving, its validation split."""

from __future__ import annotations

from collections.abc import Iterator

from dlrun.component import FieldProblem
from dlrun.metrics.metric import Direction, Metric, directions_of
from dlrun.names import nearest
from dlrun.signature import Description
from dlrun.spec.checks.check import best_metric
from dlrun.spec.checks.training_check import has_validation
from dlrun.spec.search.section import COSTS, SearchSection
from dlrun.spec.search.space import Categorical, Number, Space
from dlrun.spec.types import Draft, Spec, Training

_PREFIX = "val_"
_LENGTHS = ("training.epochs", "training.steps")


def objectives_of(spec: Spec) -> tuple[tuple[str, Direction], ...]:
    """Return what the search of a spec improves: the names of validation scores and of costs, with their directions.

    Args:
        spec: A spec with the section `search`.
    """
    names = () if spec.search is None else spec.search.keys.metrics
    known = _directions(spec.metrics)
    return tuple((name, known[name]) for name in names or (_monitored(spec.training),))


def search_problems(draft: Draft, section: SearchSection, description: Description | None) -> Iterator[FieldProblem]:
    """Yield what is wrong with a search of a spec.

    Args:
        draft: The valid parts of the spec.
        section: The section `search`.
        description: Description of the data; None if unknown, which skips some checks.
    """
    yield from _space_problems(section)
    is_known = draft.dataset is not None and description is not None
    if draft.dataset is not None and is_known and not has_validation(draft.dataset, description):
        what = "a search is judged on the validation split, and there is none"
        yield FieldProblem(("search",), what, "a validation split", "--set dataset.validation=0.1")
    if draft.training is not None:
        yield from _objective_problems(draft, section, draft.training)
        yield from _halving_problems(section, draft.training)


def _space_problems(section: SearchSection) -> Iterator[FieldProblem]:
    space, sampler = section.space, ("search", "sampler")
    if not space.parameters:
        return
    if space.size == 1:
        yield FieldProblem(("search", "space"), "the space has a single point", "two or more values of some key")
    if section.keys.sampler == "grid" and space.size is None:
        endless = [each for each in space.all_parameters if isinstance(each, Number) and each.size is None]
        what = f"a grid has a limited number of points, but {endless[0].path} may be any number"
        hint = f"give {endless[0].path} a step or choices, or take another sampler, such as qmc"
        yield FieldProblem(sampler, what, "tpe, random, qmc or cmaes", hint)
    if section.keys.sampler == "cmaes":
        yield from _cmaes_problems(section, space)


def _cmaes_problems(section: SearchSection, space: Space) -> Iterator[FieldProblem]:
    path = ("search", "sampler")
    if choice := next((each for each in space.parameters if isinstance(each, Categorical)), None):
        yield FieldProblem(path, f"cmaes varies numbers only, but {choice.path} has choices", "tpe, random or qmc")
    elif len(space.parameters) == 1:
        yield FieldProblem(path, "cmaes varies at least two numbers, but the space has one", "tpe, random or qmc")
    if len(section.keys.metrics) > 1:
        what = "cmaes improves a single metric, but there are several"
        yield FieldProblem(path, what, "tpe, which is NSGA-II with several metrics, random, grid or qmc")


def _objective_problems(draft: Draft, section: SearchSection, training: Training) -> Iterator[FieldProblem]:
    names = section.keys.metrics
    if None in draft.metrics:
        return  # an objective may be a metric that could not be parsed
    known = _directions(draft.metrics)
    scores = [name for name in known if name not in COSTS]
    if not names and (watched := _monitored(training)) not in scores:
        what = f"training.monitor is {watched}, which is not a validation score"
        yield FieldProblem(("search",), what, f"search.metric: one of {', '.join(scores)}")
    for index, name in enumerate(names):
        path = ("search", "metric") if isinstance(section.keys.metric, str) else ("search", "metric", index)
        if name not in known:
            yield _unknown_objective(path, name, known, draft.metrics)
        elif name in names[:index]:
            yield FieldProblem(path, f"search.metric has {name} twice", "each score once")
    if names and all(name in COSTS for name in names):
        what = f"search.metric is {' and '.join(names)}, without a score of the model"
        hint = f"metric: [{scores[0]}, {names[0]}]"
        yield FieldProblem(("search", "metric"), what, f"also one of {', '.join(scores)}", hint)
    if "val_loss" in (names or (_monitored(training),)):
        yield from _incomparable_losses(section.space, scores)


def _unknown_objective(
    path: tuple[str | int, ...], name: str, known: dict[str, Direction], metrics: tuple[Metric | None, ...]
) -> FieldProblem:
    expected = "one of " + ", ".join(known)
    if name.startswith("test_"):
        what = f"search.metric is {name}, but nothing is chosen on test data"
        return FieldProblem(path, what, expected, _did_you_mean(_PREFIX + name.removeprefix("test_"), known))
    if metric := next((each for each in metrics if each is not None and _PREFIX + each.log_name == name), None):
        what = f"the metric {metric.type_name} does not define whether a larger or a smaller {name} is better"
        hint = f"set larger_is_better = True or False in the class {type(metric).__name__}"
        return FieldProblem(path, what, "a score with a direction", hint)
    bare = name.removeprefix("train_").lstrip("+-")
    return FieldProblem(path, f"there is no score {name!r}", expected, _did_you_mean(bare, known))


def _did_you_mean(name: str, known: dict[str, Direction]) -> str:
    near = _PREFIX + name if _PREFIX + name in known else nearest(name, known)
    return f"did you mean {near!r}?" if near else ""


def _incomparable_losses(space: Space, scores: list[str]) -> Iterator[FieldProblem]:
    """Yield keys that change the meaning of the loss, whose values then cannot be compared."""
    for each in space.parameters:
        if each.path.partition(".")[0] == "loss" or each.path == "dataset.target_transform":
            what = f"the search varies {each.path}, so the losses of its trials cannot be compared"
            others = [score for score in scores if score != "val_loss"]
            hint = "" if others else "add a metric to metrics: and name it here, as val_..."
            expected = f"search.metric: {' or '.join(others)}" if others else "another metric than val_loss"
            yield FieldProblem(("search", "space", each.path), what, expected, hint)


def _halving_problems(section: SearchSection, training: Training) -> Iterator[FieldProblem]:
    halving, path = section.keys.halving, ("search", "halving")
    if halving is None:
        return
    if len(section.keys.metrics) > 1:
        what = "halving goes by a single metric, but search.metric has several"
        yield FieldProblem(path, what, "halving: null, or one metric")
    varied = next((each.path for each in section.space.all_parameters if each.path in _LENGTHS), None)
    if varied is not None:
        what = f"halving continues trials up to training.epochs, but the search varies {varied}"
        yield FieldProblem(path, what, "halving: null, or a fixed number of epochs")
    elif training.steps is not None:
        what = f"halving counts epochs, but the training is {training.steps} steps long"
        yield FieldProblem(path, what, "training.epochs instead of training.steps")
    elif training.epochs is not None and halving.min_epochs >= training.epochs:
        what = f"every trial is trained {halving.min_epochs} epochs, and a whole training has {training.epochs}"
        yield FieldProblem((*path, "min_epochs"), what, f"less than {training.epochs}")


def _monitored(training: Training) -> str:
    watched = best_metric(training)
    return f"{_PREFIX}loss" if watched == "auto" else watched


def _directions(metrics: tuple[Metric | None, ...]) -> dict[str, Direction]:
    """Return the direction of each possible objective by its name."""
    of_scores = directions_of(metric for metric in metrics if metric is not None)
    costs: dict[str, Direction] = dict.fromkeys(COSTS, "min")
    return {f"{_PREFIX}{name}": direction for name, direction in of_scores.items()} | costs
