"""What goes into a trained model and what comes out: all that a prediction needs besides the weights, as JSON."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import Field, TypeAdapter, ValidationError

from dlrun.data.array_input import ArrayInput
from dlrun.data.image_input import ImageInput
from dlrun.data.preprocess import Preprocess
from dlrun.errors import RunError
from dlrun.signature import Features, Target

Raw = Annotated[ArrayInput | ImageInput, Field(discriminator="type")]
"""Every kind of raw input."""


@dataclass(frozen=True)
class Interface:
    """The two ends of a model.

    Args:
        dataset: Name of the data it was trained on, for people.
        raw: How raw input is read and becomes stored examples.
        preprocess: From stored examples to features.
        features: What the network is given.
        target: What it predicts, settled by its loss.
    """

    dataset: str
    raw: Raw
    preprocess: Preprocess
    features: Features
    target: Target

    def plain(self) -> dict[str, Any]:
        """As JSON has it."""
        plain: dict[str, Any] = _adapter().dump_python(self, mode="json")
        return plain


def parse_interface(text: bytes, *, origin: str) -> Interface:
    """Read an interface that `plain` has written.

    Args:
        text: JSON.
        origin: Where it is from, for messages.

    Raises:
        RunError: It is no interface.
    """
    try:
        return _adapter().validate_json(text)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        raise RunError(f"{origin} is damaged: {where or 'the file'}: {first['msg']}") from error


@functools.cache
def _adapter() -> TypeAdapter[Interface]:
    return TypeAdapter(Interface)
