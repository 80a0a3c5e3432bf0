"""How far a sliding window (a kernel, a pool) shrinks what it slides over: plain arithmetic, without TensorFlow.

Sizes are written as Keras takes them: one whole number for every axis, or one for each.
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
    """Let whole numbers from 1 through, alone or one per axis; a union of types would report each mistake twice."""
    numbers = value if isinstance(value, tuple) else (value,)
    if numbers and all(type(number) is int and number > 0 for number in numbers):
        return value
    raise PydanticCustomError("size", "Input should be a whole number from 1, or a list with one for each axis")


_Positive = Annotated[int, Field(ge=1)]
Size = Annotated[_Positive | tuple[_Positive, ...], BeforeValidator(_check_size)]


def per_axis(size: int | Shape, rank: int) -> Shape:
    """The size along each of `rank` axes."""
    return size if isinstance(size, tuple) else (size,) * rank


def slide(shape: Shape, window: int | Shape, *, strides: int | Shape, padding: Padding) -> Shape:
    """Shape of what a window gives that slides over `shape`; a number below 1 means that the window does not fit.

    Formula:
        valid: floor((n - window) / stride) + 1. same: ceil(n / stride).
    """
    rank = len(shape)
    axes = zip(shape, per_axis(window, rank), per_axis(strides, rank), strict=True)
    if padding == "same":
        return tuple(-(-length // stride) for length, _, stride in axes)
    return tuple((length - size) // stride + 1 for length, size, stride in axes)


def written(size: int | Shape, rank: int | None = None) -> str:
    """A size as people write it: `3x3`."""
    return "x".join(map(str, per_axis(size, rank or 1)))


def axis_problem(path: Path, size: int | Shape | None, *, rank: int) -> Iterator[FieldProblem]:
    """The problem of a list that does not have one number for each of the `rank` axes that are slid over."""
    if isinstance(size, tuple) and len(size) != rank:
        axes = "two axes (height and width)" if rank > 1 else "one axis (the steps)"
        yield FieldProblem(
            path,
            f"{path[-1]} has {len(size)} numbers, but the window slides along {axes}",
            expected="one number for every axis, or a list of " + ("two" if rank > 1 else "one"),
            hint=f"{path[-1]}: {size[0]}",
        )
