"""The linear model: linear, logistic and softmax regression."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Literal

from pydantic import Field

from dlrun.component import FieldProblem
from dlrun.models.embedding import NumericEmbedding
from dlrun.models.head import head
from dlrun.models.layers import Weights, features_input, flattened
from dlrun.models.model import Model, models
from dlrun.models.shortcut import solution_problems, width_problems
from dlrun.signature import Features, Target

if TYPE_CHECKING:
    import keras


@models.register("linear")
class Linear(NumericEmbedding, Weights, Model):
    """A linear model. With l2 it is ridge regression, with l1 the lasso. Over the window of a series it is an AR model.

    Formula:
        y = W x + b
    """

    takes = ("image", "vector", "sequence")
    learns_embedded = True

    solver: Literal["gradient", "least_squares"] = Field(
        default="gradient",
        description="How the weights are found. gradient: by the optimizer, from kernel_initializer · least_squares: "
        "computed for the training split before the first step (with l2: ridge regression), for targets of numbers; "
        "the optimizer then only refines them, so a tiny learning rate and one epoch suffice.",
    )
    shift_invariant: bool = Field(
        default=False,
        description="For a series with a `difference`, and the solver least_squares: the weights of each column add up "
        "to 0 over the window. The forecast then moves with the level of the series, and a level that the training "
        "split never had is no extrapolation (NLinear: Zeng et al., arXiv:2205.13504, 2022).",
    )
    bias: bool = Field(
        default=True,
        description="Whether a constant is added. Without it, and with a `difference`, a large l2 makes the forecast "
        "the naive one; with it, the average change is added.",
    )

    def solved_layer(self) -> str:
        """Return the name of the output layer if it starts at the least-squares solution."""
        return "head" if self.solver == "least_squares" else ""

    def solves_shift_invariant(self) -> bool:
        """Return whether the weights of each column add up to 0."""
        return self.shift_invariant

    def problems(self) -> Iterator[FieldProblem]:
        """Yield an L1 penalty, which a least-squares solution does not have, and a constraint without a solution."""
        if self.shift_invariant and self.solver != "least_squares":
            what = "only a least-squares solution can be shift-invariant"
            yield FieldProblem(("shift_invariant",), what, "false, or solver: least_squares")
        if self.solver == "least_squares" and self.l1:
            yield FieldProblem(("l1",), "the solver least_squares has no L1 penalty", "0", "l2, or solver: gradient")

    def misfits_target(self, target: Target) -> Iterator[FieldProblem]:
        """Yield a target without a least-squares solution."""
        if self.solver == "least_squares":
            yield from solution_problems("solver", target, off="gradient")
        if self.shift_invariant and not target.last:
            what = "a forecast that moves with the level needs a value of the window to which it is added"
            yield FieldProblem(("shift_invariant",), what, "false, or a series with dataset.difference: true")

    def build(self, features: Features, target: Target) -> keras.Model:
        """Build the Keras model.

        Shape:
            Input: `(batch, *features.shape)`. Output: `(batch, target.units)`, float32.
        """
        import keras

        inputs = features_input(features)
        joined = self.embedded(inputs, features)
        if self.solver == "least_squares":
            # Rounded features would move the solution far away where windows hold nearly equal values.
            flat = flattened(joined, name="head_input", dtype="float32")
        else:
            flat = flattened(joined)
        outputs = head(flat, target, use_bias=self.bias, **self.kernel_options())
        return keras.Model(inputs, outputs, name=self.type_name)

    def misfits(self, features: Features) -> Iterator[FieldProblem]:
        """Yield a numeric embedding without continuous numbers, and too many features to solve for."""
        if features.kind in self.takes:
            yield from self.numeric_misfits(features)
            if self.solver == "least_squares":
                yield from width_problems("solver", features, off="gradient")
