"""Transposed convolutions that restore the exact input size of a strided convolution."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from dlrun.models.parts.sliding_window import Shape

if TYPE_CHECKING:
    import keras


def crop_to_size(layer: keras.layers.Layer, size: Shape) -> Callable[[Any], Any]:
    """Return a function that applies a transposed convolution and crops the end of its output to `size`.

    Cropping is needed because a stride of 2 maps both 7 and 8 to 4, but a transposed convolution maps 4 only to 8.

    Shape:
        Input: `(batch, *smaller, channels)`. Output: `(batch, *size, filters)`.
    """

    def apply(tensor: Any) -> Any:
        import keras

        tensor = layer(tensor)
        excess = tuple((0, given - wanted) for given, wanted in zip(tensor.shape[1:-1], size, strict=True))
        if not any(after for _, after in excess):
            return tensor
        crop = getattr(keras.layers, f"Cropping{len(size)}D")
        cropping = excess if len(size) > 1 else excess[0]
        return crop(cropping, dtype=layer.dtype_policy, name=f"{layer.name}_crop")(tensor)

    return apply
