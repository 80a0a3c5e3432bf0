"""Weights of classes by name or by index: which class each is of, and where they would balance nothing."""

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
    """The weights that a spec gives, by the index of their class.

    All keys are names of classes, or all are indices. Classes may have digits for names: keys that can be read either
    way are names.

    Args:
        weights: As the spec has them; `class_weight_problems` has none about them.
        target: Of classes.
    """
    names = {name: index for index, name in enumerate(target.class_names)}
    if weights.keys() <= names.keys():
        return {names[key]: weight for key, weight in weights.items()}
    return {int(key): weight for key, weight in weights.items() if key.isdecimal()}


def class_weight_problems(draft: Draft, target: Target) -> Iterator[FieldProblem]:
    """Yield what is wrong about weights of classes, and of examples.

    Args:
        draft: Of the spec.
        target: What is learnt.
    """
    yield from _unbalanced(draft, target)
    weights = draft.training.class_weight if draft.training is not None else None
    if weights is None:
        return
    if target.kind != "classes":
        said = f"class weights for a target of {target.kind.replace('_', ' ')}"
        yield FieldProblem(_PATH, said, "a target of classes")
    elif isinstance(weights, dict):
        yield from _keys(weights, target)


def _keys(weights: Mapping[str, float], target: Target) -> Iterator[FieldProblem]:
    indices = [str(index) for index in range(target.size)]
    if len(weights) == target.size and not any(weights.values()):
        yield FieldProblem(_PATH, "every class weighs 0: nothing would be learnt", "a weight above 0 for some class")
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
        said = f"class {target.class_names[int(twice[0])]!r} has two weights: by its name, and as number {twice[0]}"
    else:
        said = f"some classes are named ({', '.join(named)}) and some numbered ({', '.join(numbered)})"
    hint = f"{numbered[0]} is the number of {target.class_names[int(numbered[0])]!r}"
    yield FieldProblem((*_PATH, numbered[0]), said, "the names of all classes, or the numbers of all", hint)


def _unbalanced(draft: Draft, target: Target) -> Iterator[FieldProblem]:
    """Weights with a loss that is one number for a batch: all it does with them is to become larger or smaller."""
    if draft.loss is None or not draft.loss.is_of_batch:
        return
    given = []
    if draft.training is not None and draft.training.class_weight is not None:
        given.append((_PATH, "class weights"))
    if getattr(draft.dataset, "sample_weight", None) is not None:
        given.append((("dataset", "sample_weight"), "weights of examples"))
    can = [name for name in losses_for(target) if (loss := losses.find(name)) is not None and not loss.is_of_batch]
    for path, what in given:
        said = f"{what} balance nothing in {draft.loss.type_name}, which is computed over a batch as a whole"
        yield FieldProblem(path, said, "a loss of single examples: " + ", ".join(can))
