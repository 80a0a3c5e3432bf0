"""The one size and number of channels to which images are brought, and the Keras layer that does it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    import keras

Fit = Literal["resize", "crop", "pad"]


@dataclass(frozen=True)
class ImageForm:
    """What all images look like once they are read.

    Args:
        height: In pixels.
        width: In pixels.
        channels: 1 for grey, 3 for colour.
        fit: How another shape is brought to this one: `resize` changes height and width each for itself, `crop` takes
            the largest part of the right shape out of the middle first, `pad` adds black at both sides first.
    """

    height: int
    width: int
    channels: int
    fit: Fit = "resize"

    @property
    def shape(self) -> tuple[int, int, int]:
        """Of one image."""
        return self.height, self.width, self.channels

    @property
    def bytes(self) -> int:
        """Of one image."""
        return self.height * self.width * self.channels

    def layer(self) -> keras.layers.Layer:
        """Make the layer that brings images to this size: bilinear, rounded to whole numbers.

        Shape:
            Input: `(..., any height, any width, channels)` uint8. Output: `(..., height, width, channels)` uint8.
        """
        import keras

        options: dict[str, Any] = {"crop_to_aspect_ratio": self.fit == "crop", "pad_to_aspect_ratio": self.fit == "pad"}
        # fill_value is 0 and not 0.0, which Keras 3.15 cannot turn into uint8.
        return keras.layers.Resizing(self.height, self.width, fill_value=0, dtype="uint8", name="resize", **options)
