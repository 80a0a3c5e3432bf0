"""The meaning of the axes of an array (image, vector, sequence or token ids), and the shape for training."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from dlrun.errors import DataError
from dlrun.signature import FeatureKind

FeaturesKind = Literal["auto", "image", "vector", "sequence", "tokens"]

_RANKS: dict[FeatureKind, int] = {"image": 3, "vector": 1, "sequence": 2, "tokens": 1}
_HIGHEST = {"uint8": 255, "uint16": 65535}


@dataclass(frozen=True)
class FeatureLayout:
    """How to read the features of every split.

    Args:
        kind: Meaning of the axes.
        raw_shape: Shape of one example for training: images have a channel axis, vectors one axis.
        scale: Factor for every value.
        reason: Reason for the choice.
    """

    kind: FeatureKind
    raw_shape: tuple[int, ...]
    scale: float
    reason: str

    def shape_of(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        """Return the shape for training of an example with a shape in the file."""
        return _kept_shape(self.kind, shape)

    def kept(self, values: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """Return an array of the file in the form for training: int32 token ids, uint8 bytes, otherwise float32."""
        dtype = np.int32 if self.kind == "tokens" else np.uint8 if values.dtype == np.uint8 else np.float32
        with np.errstate(over="ignore"):  # a value too large for float32 becomes infinite, and is refused later
            return values.reshape(-1, *self.raw_shape).astype(dtype, copy=False)


def layout_of(chosen: FeaturesKind, shape: tuple[int, ...], dtype: np.dtype[Any], *, name: str) -> FeatureLayout:
    """Decide the meaning of the axes of one example.

    Args:
        chosen: The kind given by the user, or `auto`.
        shape: Shape of one example in the file.
        dtype: Data type of the values in the file.
        name: Name of the array for messages.

    Raises:
        DataError: The shape does not fit the kind, or no kind of features.
    """
    kind, reason = _guess(shape, dtype) if chosen == "auto" else (chosen, f"features_kind: {chosen}")
    raw_shape = _kept_shape(kind, shape)
    if kind == "image" and raw_shape != shape:
        reason += "; an axis for one channel is added"
    if kind is None or len(raw_shape) != _RANKS[kind] or 0 in raw_shape:
        raise DataError(
            f"{name}: one example has shape {shape}" + (f", which does not fit the kind {kind}" if kind else ""),
            expected="an image (height, width) or (height, width, channels), a sequence (steps, width), a vector "
            "(width,), or tokens (steps,)",
        )
    if kind == "tokens" and dtype.kind not in "iu":
        raise DataError(f"{name} has dtype {dtype}", expected="token ids: whole numbers of an integer dtype")
    highest = _HIGHEST.get(dtype.name) if kind == "image" else None
    if highest:
        reason += f"; {dtype} pixels are multiplied by 1/{highest}"
    return FeatureLayout(kind, raw_shape, 1 / highest if highest else 1.0, reason)


def _kept_shape(kind: FeatureKind | None, shape: tuple[int, ...]) -> tuple[int, ...]:
    if kind == "image" and len(shape) == _RANKS["image"] - 1:
        return (*shape, 1)
    return (int(np.prod(shape)),) if kind == "vector" else shape


def _guess(shape: tuple[int, ...], dtype: np.dtype[Any]) -> tuple[FeatureKind | None, str]:
    rank = len(shape)
    found = f"an example has shape {shape} and dtype {dtype}"
    if rank <= 1:
        return "vector", found + (" (features_kind: tokens for token ids)" if dtype.kind in "iu" else "")
    if rank == _RANKS["sequence"]:
        is_image = dtype.name in _HIGHEST
        other = "sequence" if is_image else "image"
        return ("image" if is_image else "sequence"), f"{found} (features_kind: {other} to read it as that)"
    return ("image" if rank == _RANKS["image"] else None), found
