"""What the axes of a stored array mean: image, vector, sequence or token ids, and the shape that it is kept in."""

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
    """How the features of every split are read.

    Args:
        kind: What the axes mean.
        raw_shape: Shape in which one example is kept: an image has a channel axis, a vector an axis.
        scale: What every value is multiplied by.
        reason: Why they are read so.
    """

    kind: FeatureKind
    raw_shape: tuple[int, ...]
    scale: float
    reason: str

    def shape_of(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        """The shape in which an example of the stored `shape` is kept."""
        return _kept_shape(self.kind, shape)

    def kept(self, values: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """The stored array as it is kept: token ids int32, bytes as they are, everything else float32."""
        dtype = np.int32 if self.kind == "tokens" else np.uint8 if values.dtype == np.uint8 else np.float32
        with np.errstate(over="ignore"):  # what is too large for float32 becomes infinite, and is refused as that
            return values.reshape(-1, *self.raw_shape).astype(dtype, copy=False)


def layout_of(said: FeaturesKind, shape: tuple[int, ...], dtype: np.dtype[Any], *, name: str) -> FeatureLayout:
    """Settle what the axes of one example mean.

    Args:
        said: What the user says of it.
        shape: The shape of one stored example.
        dtype: The dtype of the stored values.
        name: What to call the array in a message.

    Raises:
        DataError: The shape cannot be what it is said to be, or nothing that a model takes.
    """
    kind, reason = _guess(shape, dtype) if said == "auto" else (said, f"features_kind: {said}")
    raw_shape = _kept_shape(kind, shape)
    if kind == "image" and raw_shape != shape:
        reason += "; an axis for one channel is added"
    if kind is None or len(raw_shape) != _RANKS[kind] or 0 in raw_shape:
        raise DataError(
            f"{name}: one example has shape {shape}" + (f", which is no {kind}" if kind else ""),
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
    said = f"an example has shape {shape} and dtype {dtype}"
    if rank <= 1:
        return "vector", said + (" (features_kind: tokens for token ids)" if dtype.kind in "iu" else "")
    if rank == _RANKS["sequence"]:
        is_image = dtype.name in _HIGHEST
        other = "sequence" if is_image else "image"
        return ("image" if is_image else "sequence"), f"{said} (features_kind: {other} to read it so)"
    return ("image" if rank == _RANKS["image"] else None), said
