"""Take over the weights of an earlier run: every variable with an equal name and shape."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import keras

from dlrun.data.interface import Interface
from dlrun.errors import UsageError
from dlrun.models import Model
from dlrun.signature import Target
from dlrun.spec.transfer.initialize import Initialize
from dlrun.system.keras_internals import all_layers
from dlrun.training.transfer.parent import ParentRun


@dataclass(frozen=True)
class Takeover:
    """What a model gets from an earlier run.

    Args:
        parent: The run.
        taken: The variables that are taken over, by their paths.
        left: Why each of the others is not, by its path.
    """

    parent: ParentRun
    taken: dict[str, Any]
    left: dict[str, str]

    def assign(self) -> None:
        """Give the variables their values."""
        for path, variable in self.taken.items():
            variable.assign(self.parent.variables[path])

    def covers(self, layers: tuple[keras.Layer, ...]) -> bool:
        """Return whether all weights of these layers are taken over."""
        return all(weight.path in self.taken for layer in layers for weight in layer.weights)

    def text(self) -> str:
        """Return what is taken over and what is not, in one line for people."""
        reasons: dict[str, list[str]] = {}
        for path, reason in self.left.items():
            reasons.setdefault(reason, []).append(path)
        new = "; ".join(f"{_listed(paths)} ({reason})" for reason, paths in reasons.items())
        layers = list(dict.fromkeys(path.rpartition("/")[0] for path in self.taken))
        whole = f"{len(self.taken)} of {len(self.taken) + len(self.left)} variables of {self.parent.record.id}"
        return f"{whole}: {_listed(layers)}; " + (f"new: {new}" if new else "nothing is new")


def plan_takeover(core: keras.Model, model: Model, wanted: Initialize, parent: ParentRun, now: Interface) -> Takeover:
    """Compare the variables of a model with those of an earlier run, one by one, without assigning any.

    Args:
        core: The built model.
        model: Its description.
        wanted: Which layers to take over.
        parent: The run.
        now: The description of the model's input and output.

    Raises:
        UsageError: Nothing can be taken over.
    """
    kept = {id(weight) for layer in model.backbone_layers(core) for weight in layer.weights}
    output, ids = _output_weights(core), _embedded_weights(core)
    has_other_target = not _is_same_target(parent.interface.target, now.target)
    has_other_ids = dict(parent.interface.raw.names()) != dict(now.raw.names())
    taken: dict[str, Any] = {}
    left: dict[str, str] = {}
    for variable in core.weights:
        path, array = variable.path, parent.variables.get(variable.path)
        layer = path.rpartition("/")[0]
        if not wanted.takes(layer, is_backbone=id(variable) in kept):
            left[path] = f"layers: {wanted.layers}"
        elif array is None:
            left[path] = "the run has none of this name"
        elif id(variable) in output and has_other_target:
            left[path] = "the classes differ" if now.target.class_names else "the targets differ"
        elif id(variable) in ids and has_other_ids:
            left[path] = "the vocabulary or the columns differ"
        elif array.shape != tuple(variable.shape):
            left[path] = f"its shape is {_size(variable.shape)} instead of {_size(array.shape)}"
        else:
            taken[path] = variable
    if not taken:
        what = f"no variable of the model has the name and the shape of one of {parent.record.id}: {_listed([*left])}"
        hint = f"use the model of {parent.folder.spec_yaml}, or check initialize.layers"
        raise UsageError(what, expected="a model with layers of that run", hint=hint)
    return Takeover(parent, taken, left)


def _output_weights(core: keras.Model) -> set[int]:
    """Return the ids of the weights of the output layer: the shared head, or else the last layer with weights."""
    layers = [layer for layer in core.layers if layer.weights]
    heads = [layer for layer in layers if layer.name == "head"] or layers[-1:]
    return {id(weight) for layer in heads for weight in layer.weights}


def _embedded_weights(core: keras.Model) -> set[int]:
    """Return the ids of the weights that hold a vector for each id of a vocabulary or of a column."""
    found = (layer for layer in all_layers(core) if isinstance(layer, keras.layers.Embedding))
    return {id(weight) for layer in found for weight in layer.weights}


def _is_same_target(before: Target, now: Target) -> bool:
    sides = [(each.kind, each.size, each.class_names, each.class_counts, each.names) for each in (before, now)]
    return sides[0] == sides[1]


def _size(shape: Any) -> str:
    return "x".join(map(str, shape)) or "a number"


def _listed(names: list[str]) -> str:
    return ", ".join(_shown(names))


def _shown(names: list[str]) -> Iterator[str]:
    ends = 3
    if len(names) <= 2 * ends:
        yield from names
        return
    yield from names[:ends]
    yield f"{len(names) - ends - 1} more"
    yield names[-1]
