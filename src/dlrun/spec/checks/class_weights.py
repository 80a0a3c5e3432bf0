"""Resolve and check class weights, whose keys are names or indices of classes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from dlrun.component import FieldProblem
from dlrun.losses import losses, losses_for
from dlrun.names import nearest
from dlrun.signature import Target
from dlrun.spec.types import Draft

_PATH = ("training", "class_weight")
_MOST_NAMED = 20


def weights_by_index(weights: Mapping[str, float], target: Target) -> dict[int, float]:
    """Return the class weights of a spec by class index.

    Either all keys are names of classes, or all are indices. Keys that could be both, because classes have numbers as
    names, are names.

    Args:
        weights: Weights of the spec, which `class_weight_problems` has checked.
        target: Target of classes.
    """
    names = {name: index for index, name in enumerate(target.class_names)}
    if weights.keys() <= names.keys():
        return {names[key]: weight for key, weight in weights.items()}
    return {int(key): weight for key, weight in weights.items() if key.isdecimal()}


def class_weight_problems(draft: Draft, target: Target) -> Iterator[FieldProblem]:
    """Yield the problems of class weights and example weights.

    Args:
        draft: Valid parts of the spec.
        target: Target of the model.
    """
    yield from _unbalanced(draft, target)
    weights = draft.training.class_weight if draft.training is not None else None
    if weights is None:
        return
    if target.kind != "classes":
        is_mask = target.kind == "mask"
        what = f"class weights do not work with a target of {'masks' if is_mask else target.kind.replace('_', ' ')}"
        hint = (
            "the Dice term of loss: dice_crossentropy counts each class alike, however few pixels it has"
            if is_mask
            else ""
        )
        yield FieldProblem(_PATH, what, "a target of classes", hint)
    elif isinstance(weights, dict):
        yield from _keys(weights, target)


def _keys(weights: Mapping[str, float], target: Target) -> Iterator[FieldProblem]:
    indices = [str(index) for index in range(target.size)]
    if len(weights) == target.size and not any(weights.values()):
        yield FieldProblem(
            _PATH, "all class weights are 0, so nothing would be learned", "a weight above 0 for at least one class"
        )
    known = {*target.class_names, *indices}
    unknown = [key for key in weights if key not in known]
    for key in unknown:
        names = target.class_names or indices
        shown = ", ".join(names[:_MOST_NAMED]) + (", ..." if len(names) > _MOST_NAMED else "")
        near = nearest(key, names)
        yield FieldProblem(
            (*_PATH, key), f"there is no class {key!r}", f"one of {shown}", f"did you mean {near!r}?" if near else ""
        )
    if unknown or weights.keys() <= {*target.class_names} or weights.keys() <= {*indices}:
        return
    named = [key for key in weights if key in target.class_names]
    numbered = [key for key in weights if key not in target.class_names]
    twice = [key for key in numbered if target.class_names[int(key)] in named]
    if twice:
        what = f"class {target.class_names[int(twice[0])]!r} has two weights, one by name and one by index {twice[0]}"
    else:
        what = f"some keys are names ({', '.join(named)}) and some are indices ({', '.join(numbered)})"
    hint = f"{numbered[0]} is the index of {target.class_names[int(numbered[0])]!r}"
    yield FieldProblem((*_PATH, numbered[0]), what, "either names or indices for all classes", hint)


def _unbalanced(draft: Draft, target: Target) -> Iterator[FieldProblem]:
    """Yield weights for a loss that is one number for the batch, which weights can only scale as a whole."""
    if draft.loss is None or not draft.loss.is_of_batch:
        return
    given = []
    if draft.training is not None and draft.training.class_weight is not None:
        given.append((_PATH, "class weights"))
    if getattr(draft.dataset, "weight", None) is not None:
        given.append((("dataset", "weight"), "weights of examples"))
    can = [name for name in losses_for(target) if (loss := losses.find(name)) is not None and not loss.is_of_batch]
    for path, weights in given:
        what = f"{weights} have no effect in {draft.loss.type_name}, which is computed over the whole batch"
        yield FieldProblem(path, what, "a loss that is computed per example: " + ", ".join(can))
