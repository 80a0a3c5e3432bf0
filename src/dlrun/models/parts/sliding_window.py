"""Output sizes of sliding windows (kernels and pools), computed without TensorFlow.

As in Keras, a size is one integer for all axes or a list with one for each axis.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field
from pydantic_core import PydanticCustomError

from dlrun.component import FieldProblem, Path

Padding = Literal["valid", "same"]
Shape = tuple[int, ...]


def _check_size(value: Any) -> Any:
    """Accept integers from 1, alone or one per axis. A pydantic union would report each mistake twice."""
    numbers = value if isinstance(value, tuple) else (value,)
    if numbers and all(type(number) is int and number > 0 for number in numbers):
        return value
    raise PydanticCustomError("size", "Input should be a whole number from 1, or a list with one for each axis")


_Positive = Annotated[int, Field(ge=1)]
Size = Annotated[_Positive | tuple[_Positive, ...], BeforeValidator(_check_size)]


def per_axis(size: int | Shape, rank: int) -> Shape:
    """Return the size along each of `rank` axes."""
    return size if isinstance(size, tuple) else (size,) * rank


def slide(shape: Shape, window: int | Shape, *, strides: int | Shape, padding: Padding) -> Shape:
    """Return the output shape of a window that slides over `shape`. A size below 1 means that the window is too large.

    Args:
        shape: Sizes of the axes that the window slides along.
        window: Size of the window.
        strides: Distance between two positions of the window.
        padding: `valid` or `same`, as in Keras.

    Formula:
        valid: floor((n - window) / stride) + 1. same: ceil(n / stride).
    """
    rank = len(shape)
    axes = zip(shape, per_axis(window, rank), per_axis(strides, rank), strict=True)
    if padding == "same":
        return tuple(-(-length // stride) for length, _, stride in axes)  # division rounded up
    return tuple((length - size) // stride + 1 for length, size, stride in axes)


def written(size: int | Shape, rank: int | None = None) -> str:
    """Return a size as text: `3x3`."""
    return "x".join(map(str, per_axis(size, rank or 1)))


def axis_problem(path: Path, size: int | Shape | None, *, rank: int) -> Iterator[FieldProblem]:
    """Yield a problem if a list of sizes does not have one number for each of `rank` axes."""
    if isinstance(size, tuple) and len(size) != rank:
        axes = "two axes (height and width)" if rank > 1 else "one axis (the steps)"
        yield FieldProblem(
            path,
            f"{path[-1]} has {len(size)} numbers, but the window slides along {axes}",
            expected="one number for every axis, or a list of " + ("two" if rank > 1 else "one"),
            hint=f"{path[-1]}: {size[0]}",
        )
