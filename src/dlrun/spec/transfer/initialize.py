"""The section `initialize`: the run whose weights a training starts from."""

from __future__ import annotations

import re
from typing import Annotated, Any

from pydantic import AfterValidator, Field
from pydantic_core import PydanticCustomError

from dlrun.component import Fields


def _check_layers(wanted: str) -> str:
    try:
        re.compile(wanted)
    except re.error as error:
        found = {"wanted": repr(wanted), "reason": str(error)}
        raise PydanticCustomError(
            "layers", "{wanted} is neither all nor backbone, and no regular expression ({reason})", found
        ) from error
    return wanted


class Initialize(Fields):
    """Start from the weights that a completed run ended with: every variable with an equal name and shape."""

    run: str = Field(min_length=1, description="Id of the run, or path of its folder. `train --from RUN` sets it.")
    layers: Annotated[str, AfterValidator(_check_layers)] = Field(
        default="all",
        examples=["all", "backbone"],
        description="Layers to take over. all · backbone: all but the head · a regular expression for whole names of "
        "layers. The output layer is new in any case if the classes differ.",
    )

    def plain(self) -> dict[str, Any]:
        """Return the keys in plain Python values."""
        return self.model_dump(mode="json")

    def takes(self, layer: str, *, is_backbone: bool) -> bool:
        """Return whether the weights of a layer are asked for.

        Args:
            layer: The name of the layer.
            is_backbone: Whether it is not part of the head.
        """
        if self.layers in ("all", "backbone"):
            return self.layers == "all" or is_backbone
        return re.fullmatch(self.layers, layer) is not None
