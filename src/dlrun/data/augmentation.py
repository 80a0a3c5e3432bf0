"""What training changes about its images at random: the keys; `training/step/augment.py` does it."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from dlrun.component import Fields

Part = Annotated[float, Field(ge=0, le=1)]


class Augmentation(Fields):
    """Random changes of training images, drawn anew for each (seed, epoch, example)."""

    flip: Literal["none", "horizontal", "vertical", "both"] = Field(
        default="none", description="Axes along which an image is mirrored, each with a chance of one half."
    )
    rotation: float = Field(
        default=0.0, ge=0, le=180, description="Largest angle of a rotation, in degrees, either way. 0: none."
    )
    translation: Part = Field(
        default=0.0, description="Largest shift along each axis, as a fraction of the image's size. 0: none."
    )
    zoom: Annotated[float, Field(ge=0, lt=1)] = Field(
        default=0.0, description="Largest change of size, as a fraction: 0.1 is from 0.9 to 1.1 times. 0: none."
    )
    contrast: Part = Field(
        default=0.0, description="Largest change of contrast around each channel's mean, as a fraction. 0: none."
    )
    brightness: Part = Field(
        default=0.0, description="Largest change of brightness, as a fraction of the range of values. 0: none."
    )
    cutout: Part = Field(
        default=0.0,
        description="Side of a square that is blanked out at a random place, as a fraction of the shorter side. "
        "0: none.",
    )
    mixup: Annotated[float, Field(ge=0)] = Field(
        default=0.0,
        description="Alpha of the Beta distribution of the part that another example of the batch takes, of the image "
        "and of its target, up to one half. 0: none.",
    )

    @property
    def moves(self) -> bool:
        """Whether pixels are interpolated at other places."""
        return bool(self.rotation or self.translation or self.zoom)

    @property
    def changes(self) -> bool:
        """Whether anything is changed at all."""
        amounts = (self.moves, self.contrast, self.brightness, self.cutout, self.mixup)
        return self.flip != "none" or any(amounts)
