"""Select layers of a network by a short text: `none`, `all`, `top:30`, `from:block_13_expand`, or an expression.

The layers are those of Keras, in its order from input to output.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING, Annotated

from pydantic import AfterValidator
from pydantic_core import PydanticCustomError

from dlrun.component import FieldProblem, Path
from dlrun.names import nearest

if TYPE_CHECKING:
    import keras

FORMS = "none, all, top:N (the last N layers), from:LAYER, or a regular expression for whole names"

_TOP, _FROM = "top:", "from:"

_RATES = ("rate", "drop_path_rate")
"""Attributes of the layers that drop values in training: Dropout, and StochasticDepth of ConvNeXt."""


def _check_form(wanted: str) -> str:
    """Reject a number or an expression that cannot be read."""
    if wanted.startswith(_TOP):
        number = wanted.removeprefix(_TOP).strip()
        if not number.isdecimal() or int(number) < 1:
            raise _wrong(wanted, "top: needs the number of layers, such as top:30")
    elif wanted.startswith(_FROM):
        if not wanted.removeprefix(_FROM).strip():
            raise _wrong(wanted, "from: needs the name of a layer")
    else:
        try:
            re.compile(wanted)
        except re.error as error:
            raise _wrong(wanted, f"it is not a regular expression ({error})") from error
    return wanted


def _wrong(wanted: str, reason: str) -> PydanticCustomError:
    found = {"wanted": repr(wanted), "reason": reason, "forms": FORMS}
    return PydanticCustomError("layers", "{wanted} selects no layers: {reason}; give {forms}", found)


LayerSelection = Annotated[str, AfterValidator(_check_form)]
"""A text that selects layers."""


def select_layers(wanted: str, names: Sequence[str]) -> tuple[str, ...]:
    """Return the names of the selected layers, in their order.

    Args:
        wanted: The text.
        names: Names of all layers, from input to output.
    """
    if wanted in ("none", "all"):
        return tuple(names) if wanted == "all" else ()
    if wanted.startswith(_TOP):
        return tuple(names[-int(wanted.removeprefix(_TOP)) :])
    if wanted.startswith(_FROM):
        first = wanted.removeprefix(_FROM).strip()
        return tuple(names[names.index(first) :]) if first in names else ()
    return tuple(name for name in names if re.fullmatch(wanted, name))


def selection_problem(wanted: str, names: Sequence[str], *, path: Path, of: str) -> FieldProblem | None:
    """Return what is wrong with a selection among these layers; None if it fits.

    Args:
        wanted: The text.
        names: Names of all layers.
        path: Key of the text.
        of: What the layers belong to, for the message: `mobilenet_v2`.
    """
    if wanted.startswith(_TOP):
        count = int(wanted.removeprefix(_TOP))
        what = f"{of} has {len(names)} layers, fewer than {count}"
        return FieldProblem(path, what, f"at most top:{len(names)}", "all") if count > len(names) else None
    if wanted == "none" or select_layers(wanted, names):
        return None
    if wanted.startswith(_FROM):
        first = wanted.removeprefix(_FROM).strip()
        near = nearest(first, names)
        return FieldProblem(path, f"{of} has no layer {first!r}", FORMS, f"did you mean from:{near}?" if near else "")
    parts = [name for name in names if re.search(wanted, name)]
    near = nearest(wanted, ("none", "all", *names))
    hint = f"to match a part of the name: .*{wanted}.*" if parts else f"did you mean {near!r}?" if near else ""
    return FieldProblem(path, f"no layer of {of} has a name that matches {wanted!r}", FORMS, hint)


def set_trainable(layers: Sequence[keras.Layer], wanted: str | Collection[str]) -> None:
    """Let the selected layers learn, and freeze the others.

    A frozen layer works as in prediction: Keras' BatchNormalization uses its moving statistics, and nothing is dropped.
    A layer that the model itself has frozen stays frozen.

    Args:
        layers: All layers, from input to output.
        wanted: The selection, or the names of the selected layers.
    """
    selected = select_layers(wanted, [layer.name for layer in layers]) if isinstance(wanted, str) else wanted
    for layer in layers:
        own = vars(layer).setdefault("own_trainable", layer.trainable)
        layer.trainable = own and layer.name in selected
        for key in _RATES:
            if hasattr(layer, key):
                rate = vars(layer).setdefault(f"own_{key}", getattr(layer, key))
                setattr(layer, key, rate if layer.name in selected else 0.0)
