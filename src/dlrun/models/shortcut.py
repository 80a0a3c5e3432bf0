"""A linear function of all features beside a network, which then learns only what a linear model cannot express."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from pydantic import Field

from dlrun.component import FieldProblem, Fields
from dlrun.models.head import head
from dlrun.models.layers import flattened
from dlrun.signature import Features, Target

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Floats = npt.NDArray[np.float64]

LARGEST_SOLVED = 4096
"""The largest number of features of one example for a least-squares solution, which then takes about 10 s."""

_LAYER = "shortcut"


class LinearShortcut(Fields):
    """The key of a linear shortcut, and the layers that add it to the output of a network.

    Formula:
        y = f(x) + W x + b; at the start, f = 0 and W, b are the least-squares solution for the training split

    Reference:
        Lai et al., Modeling long- and short-term temporal patterns with deep neural networks, arXiv:1703.07015, 2018.
    """

    linear_shortcut: bool = Field(
        default=False,
        description="Add a linear function of all features to the output, for targets of numbers. It starts at the "
        "least-squares solution for the training split, and the output layer at zero: the network starts as the "
        "best linear model and learns what that cannot express.",
    )

    def solved_layer(self) -> str:
        """Return the name of the shortcut; empty without one."""
        return _LAYER if self.linear_shortcut else ""

    def head(self, tensor: Any, target: Target, *, features: Any) -> Any:
        """Apply the output layer, and add the shortcut if there is one.

        Args:
            tensor: Output of the last hidden layer.
            target: Target that the model predicts.
            features: What the shortcut is a function of.

        Shape:
            Input: `(batch, width)`. features: `(batch, ...)`. Output: `(batch, target.units)`, float32.
        """
        if not self.linear_shortcut:
            return head(tensor, target)
        import keras

        network = head(tensor, target, kernel_initializer="zeros")
        flat = flattened(features, name=f"{_LAYER}_input", dtype="float32")
        linear = keras.layers.Dense(target.units, dtype="float32", name=_LAYER)(flat)
        return keras.layers.Add(dtype="float32", name="with_shortcut")([network, linear])

    def misfits_target(self, target: Target) -> Iterator[FieldProblem]:
        """Yield a shortcut for classes, for which there is no least-squares solution."""
        if self.linear_shortcut:
            yield from solution_problems("linear_shortcut", target, off="false")

    def shortcut_misfits(self, features: Features) -> Iterator[FieldProblem]:
        """Yield a shortcut from token ids, or from too many features."""
        if self.linear_shortcut:
            yield from width_problems("linear_shortcut", features, off="false")


def solution_problems(key: str, target: Target, *, off: str) -> Iterator[FieldProblem]:
    """Yield the problem of a target without a least-squares solution.

    Args:
        key: Key that requests the solution.
        target: Target with the encoding and activation of the loss.
        off: Value of the key that does not request it.
    """
    if target.kind != "values" or target.activation != "linear":
        what = "a least-squares solution exists only for numbers and a loss of their errors"
        yield FieldProblem((key,), what, off, "a regression with mean_squared_error, for example")


def width_problems(key: str, features: Features, *, off: str) -> Iterator[FieldProblem]:
    """Yield the problem of features for which no least-squares solution is computed.

    Args:
        key: Key that requests the solution.
        features: Features of the model.
        off: Value of the key that does not request it.
    """
    if features.kind == "tokens":
        yield FieldProblem((key,), "a linear function of token ids means nothing", off)
    elif features.size > LARGEST_SOLVED:
        what = f"the least-squares solution for {features.size:,} features of one example would take too long"
        yield FieldProblem(
            (key,), what, f"at most {LARGEST_SOLVED:,}, or {off}", "a shorter history has fewer features"
        )


def zero_sum_basis(steps: int) -> Floats:
    """Return an orthonormal basis of the weights of a window that add up to 0, which makes a forecast shift-invariant.

    Shape:
        Returns: `(steps, steps - 1)`.
    """
    # The first vector of the factor is constant, and the others are orthogonal to it.
    import numpy as np

    constant_first = np.concatenate([np.ones((steps, 1)), np.eye(steps)[:, 1:]], axis=1)
    return np.asarray(np.linalg.qr(constant_first)[0][:, 1:], np.float64)
