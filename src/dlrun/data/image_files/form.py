"""The common size and number of channels of images, and the Keras layer that resizes them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    import keras

Fit = Literal["resize", "crop", "pad"]


@dataclass(frozen=True)
class ImageForm:
    """Size and channels of all images of a dataset.

    Args:
        height: Height in pixels.
        width: Width in pixels.
        channels: Number of channels: 1 for gray, 3 for color.
        fit: How to fit an image with another aspect ratio: `resize` distorts it, `crop` first cuts out the largest part
            of the right aspect ratio around the center, `pad` first adds black borders on two sides.
    """

    height: int
    width: int
    channels: int
    fit: Fit = "resize"

    @property
    def shape(self) -> tuple[int, int, int]:
        """Return the shape of one image."""
        return self.height, self.width, self.channels

    @property
    def bytes(self) -> int:
        """Return the size of one image in bytes."""
        return self.height * self.width * self.channels

    def layer(self) -> keras.layers.Layer:
        """Return the layer that resizes images to this size: bilinear, rounded to integers.

        Shape:
            Input: `(..., any height, any width, channels)` uint8. Output: `(..., height, width, channels)` uint8.
        """
        import keras

        options: dict[str, Any] = {"crop_to_aspect_ratio": self.fit == "crop", "pad_to_aspect_ratio": self.fit == "pad"}
        # An integer, because Keras 3.15 cannot cast the default fill_value of 0.0 to uint8.
        return keras.layers.Resizing(self.height, self.width, fill_value=0, dtype="uint8", name="resize", **options)
