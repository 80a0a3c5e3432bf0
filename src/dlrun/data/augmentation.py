"""The YAML keys of random changes to training images; `training/step/augment.py` applies them."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from dlrun.component import Fields

Part = Annotated[float, Field(ge=0, le=1)]


class Augmentation(Fields):
    """Random changes of training images, drawn anew for each (seed, epoch, example)."""

    flip: Literal["none", "horizontal", "vertical", "both"] = Field(
        default="none", description="Axes along which an image is mirrored, each with probability 1/2."
    )
    rotation: float = Field(
        default=0.0, ge=0, le=180, description="Largest rotation in degrees, in either direction. 0: none."
    )
    translation: Part = Field(
        default=0.0, description="Largest shift along each axis, as a fraction of the image size. 0: none."
    )
    zoom: Annotated[float, Field(ge=0, lt=1)] = Field(
        default=0.0, description="Largest change of size, as a fraction: 0.1 for factors from 0.9 to 1.1. 0: none."
    )
    contrast: Part = Field(
        default=0.0, description="Largest change of contrast around the mean of each channel, as a fraction. 0: none."
    )
    brightness: Part = Field(
        default=0.0, description="Largest change of brightness, as a fraction of the range of values. 0: none."
    )
    cutout: Part = Field(
        default=0.0,
        description="Side of a square that is erased at a random place, as a fraction of the shorter side. 0: none.",
    )
    mixup: Annotated[float, Field(ge=0)] = Field(
        default=0.0,
        description="Alpha of the Beta distribution of the weight of another example of the batch, at most 1/2, with "
        "which image and target are mixed. 0: none.",
    )
    cutmix: Annotated[float, Field(ge=0)] = Field(
        default=0.0,
        description="Alpha of the Beta distribution of the area of a rectangle, at most 1/2 of the image, that is "
        "replaced by the same part of another example of the batch; the targets are mixed by area. Together with "
        "mixup, each example gets one of the two, with probability 1/2. 0: none.",
    )

    @property
    def moves(self) -> bool:
        """Whether pixels are moved, which needs interpolation."""
        return bool(self.rotation or self.translation or self.zoom)

    @property
    def mixes(self) -> bool:
        """Whether examples are mixed with others, and their targets with them."""
        return bool(self.mixup or self.cutmix)

    @property
    def changes(self) -> bool:
        """Whether any change is enabled."""
        amounts = (self.moves, self.contrast, self.brightness, self.cutout, self.mixes)
        return self.flip != "none" or any(amounts)
