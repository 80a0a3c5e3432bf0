"""TabM: an ensemble of multilayer perceptrons that share most weights, for tables."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import Field

from dlrun.component import FieldProblem
from dlrun.models.embedding import NumericEmbedding
from dlrun.models.layers import Activation, DropoutKeys, NotEmpty, Positive, Weights, features_input, flattened
from dlrun.models.model import Model, models
from dlrun.models.parts.blend import blend
from dlrun.models.parts.members import MeanOfMembers, member_dense, member_mean, member_scale
from dlrun.signature import Features, Target

if TYPE_CHECKING:
    import keras

LARGEST_LINEAR = 1024
"""The largest number of features for a linear model whose penalty is chosen, which takes about 10 s."""
_LINEAR, _BLEND = "linear", "blend"


@models.register("tabm")
class TabM(NumericEmbedding, DropoutKeys, Weights, Model):
    """Many multilayer perceptrons, trained at once, which share their kernels and differ in scales, biases and heads.

    Each member has a loss of its own in training. The prediction is the mean of the members: of their probabilities, or
    of their values.

    Formula:
        h_i = activation(s_i (W_i (r_i h_(i-1))) + b_i), y = V h_n + c, where each member has its own r, s, b, V and c.
        At first only r_1 and the heads V, c differ.
        linear_blend: z = (1 - w) z_tabm + w z_linear for logits, w = 0.7 sqrt(R2), with McFadden's R2 of the linear
        model, as cross-validation within the training split estimates it.

    Reference:
        Gorishniy, Kotelnikov and Babenko, 2025, "TabM: Advancing Tabular Deep Learning with Parameter-Efficient
        Ensembling", arXiv:2410.24210
    """

    takes = ("image", "vector")
    learns_embedded = True
    trains_members = True

    units: NotEmpty[Positive] = Field(description="Width of each hidden layer, from input to output.")
    members: Annotated[int, Field(ge=2, le=1024)] = Field(
        default=32, description="Number of perceptrons. A step takes about so many times as long as one of them."
    )
    activation: Activation = Field(default="relu", description="Activation of the hidden layers.")
    linear_blend: bool = Field(
        default=False,
        description="Blend the logits of the members' mean with those of a logistic or softmax regression, for classes "
        "and labels. It is computed before the first step, with the L2 penalty and the weight that cross-validation "
        "within the training split chooses, and then stays as it is. It sees numbers without numeric_embedding, and no "
        "columns with learned vectors. With few rows it corrects a network that is too sure of itself.",
    )

    def build(self, features: Features, target: Target) -> keras.Model:
        """Build the Keras model.

        Shape:
            Input: `(batch, *features.shape)`. Output: `(batch, target.units)`, or in training
            `(batch, members, target.units)`, float32.
        """
        import keras

        layers, scale = keras.layers, member_scale()
        inputs = features_input(features)
        tensor = flattened(self.embedded(inputs, features))
        # A random sign keeps the size of a plain number. The vector of a number has one random factor.
        initial = "signs" if self.keys_for(features) is None else "normal"
        widths = self.embedded_widths(features) if features.kind == "vector" else ()
        for number, units in enumerate(self.units, start=1):
            first = {"initial": initial, "widths": widths} if number == 1 else {}
            name = f"dense_{number}"
            tensor = scale(self.members, name=f"{name}_inputs", **first)(tensor)
            tensor = layers.Dense(units, use_bias=False, name=name, **self.kernel_options())(tensor)
            tensor = scale(self.members, use_bias=True, name=f"{name}_outputs")(tensor)
            if self.activation != "linear":
                tensor = layers.Activation(self.activation, name=f"{name}_activation")(tensor)
            if self.dropout:
                tensor = layers.Dropout(self.dropout, name=f"{name}_dropout")(tensor)
        tensor = member_dense()(target.units, activation=target.activation, dtype="float32", name="head")(tensor)
        mean = MeanOfMembers.of(target)
        outputs = member_mean()(link=mean.link, sizes=mean.sizes, dtype="float32", name="mean_output")(tensor)
        if self.linear_blend:
            outputs = blend()(dtype="float32", name=_BLEND)([outputs, self._linear(inputs, features, target)])
        return keras.Model(inputs, outputs, name=self.type_name)

    def _linear(self, inputs: Any, features: Features, target: Target) -> Any:
        """Return the logits of the linear model.

        Shape:
            Input: `(batch, *features.shape)`. Output: `(batch, target.units)`, float32.
        """
        import keras

        ids = sum(column.columns for column in features.embedded)
        plain = flattened(inputs[..., : features.shape[-1] - ids] if ids else inputs, name="linear_input")
        return keras.layers.Dense(target.units, trainable=False, dtype="float32", name=_LINEAR)(plain)

    def blended_layers(self) -> tuple[str, str] | None:
        """Return the names of the linear model, and of the layer that blends it with the members' mean."""
        return (_LINEAR, _BLEND) if self.linear_blend else None

    def misfits_target(self, target: Target) -> Iterator[FieldProblem]:
        """Yield a blend of something else than logits."""
        if self.linear_blend and not (target.is_decided and target.is_logits):
            what = "linear_blend is for classes and labels whose logits the model returns"
            hint = "a loss such as sparse_categorical_crossentropy or binary_crossentropy"
            yield FieldProblem(("linear_blend",), what, "false", hint)

    def misfits(self, features: Features) -> Iterator[FieldProblem]:
        """Yield a numeric embedding without continuous numbers, and a blend with too many or without plain features."""
        if features.kind not in self.takes:
            return
        yield from self.numeric_misfits(features)
        plain = features.size - sum(column.columns for column in features.embedded)
        if self.linear_blend and not 0 < plain <= LARGEST_LINEAR:
            what = f"linear_blend needs numbers or one-hot categories, at most {LARGEST_LINEAR:,}, but there are "
            yield FieldProblem(("linear_blend",), f"{what}{plain:,}", "linear_blend: false")
