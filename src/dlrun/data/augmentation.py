"""The YAML keys of random changes to training examples; `training/step/` applies them."""

from __future__ import annotations

import abc
from typing import Annotated, Literal

from pydantic import Field

from dlrun.component import Fields

Part = Annotated[float, Field(ge=0, le=1)]


class RandomChanges(Fields, abc.ABC):
    """Random changes of training examples, drawn anew for each (seed, epoch, example)."""

    mixup: Annotated[float, Field(ge=0)] = Field(
        default=0.0,
        description="Alpha of the Beta distribution of the weight of another example of the batch, at most 1/2, with "
        "which features and target are mixed. 0: none.",
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
        return False

    @property
    def mixes(self) -> bool:
        """Whether examples are mixed with others, and their targets with them."""
        return bool(self.mixup or self.cutmix)

    @property
    @abc.abstractmethod
    def changes(self) -> bool:
        """Whether any change is enabled."""


class Augmentation(RandomChanges):
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

    @property
    def moves(self) -> bool:
        """Whether pixels are moved, which needs interpolation."""
        return bool(self.rotation or self.translation or self.zoom)

    @property
    def changes(self) -> bool:
        """Whether any change is enabled."""
        amounts = (self.moves, self.contrast, self.brightness, self.cutout, self.mixes)
        return self.flip != "none" or any(amounts)


class AudioAugmentation(RandomChanges):
    """Random changes of training recordings, drawn anew for each (seed, epoch, example)."""

    time_shift: Annotated[float, Field(ge=0)] = Field(
        default=0.0, description="Largest shift in seconds, in either direction; silence fills the gap. 0: none."
    )
    speed: Annotated[float, Field(ge=0, le=0.5)] = Field(
        default=0.0,
        description="Largest change of speed, as a fraction: 0.1 for factors from 0.9 to 1.1. Like a tape that runs "
        "faster, it changes duration and pitch, so one speaker sounds like another. 0: none.",
    )
    gain: Annotated[float, Field(ge=0, le=60)] = Field(
        default=0.0,
        description="Largest change of volume in decibels, in either direction. It has no effect on a spectrogram of "
        "`level: relative`. 0: none.",
    )
    noise: Annotated[float, Field(ge=-20, le=100)] | None = Field(
        default=None,
        description="Smallest distance in decibels from the recording down to white noise that is added: 10 for loud "
        "noise, 30 for soft noise; drawn from this to 40 more. null: none.",
    )
    time_masks: Annotated[int, Field(ge=0, le=20)] = Field(
        default=0, description="Number of stretches of time that are erased in the spectrogram (SpecAugment)."
    )
    time_mask_width: Part = Field(
        default=0.1, description="Largest width of each, as a fraction of the length of an example."
    )
    frequency_masks: Annotated[int, Field(ge=0, le=20)] = Field(
        default=0, description="Number of ranges of frequencies that are erased in the spectrogram (SpecAugment)."
    )
    frequency_mask_width: Part = Field(
        default=0.125, description="Largest width of each, as a fraction of the frequency bands."
    )

    @property
    def warps(self) -> bool:
        """Whether samples are moved in time."""
        return bool(self.time_shift or self.speed)

    @property
    def changes_waveform(self) -> bool:
        """Whether the waveform is changed, before its spectrogram is computed."""
        return self.warps or bool(self.gain) or self.noise is not None

    @property
    def changes(self) -> bool:
        """Whether any change is enabled."""
        return self.changes_waveform or bool(self.time_masks or self.frequency_masks) or self.mixes
