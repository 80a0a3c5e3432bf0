"""RealMLP: a multilayer perceptron with the defaults that were found best on many tables."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field

from dlrun.component import FieldProblem
from dlrun.models.embedding import NumericEmbedding
from dlrun.models.layers import Activation, DropoutKeys, Fraction, NotEmpty, Positive, features_input, flattened
from dlrun.models.model import Model, models
from dlrun.models.parts.ntk_layers import ntk_dense, parametric_activation, rated_scale
from dlrun.models.parts.numeric_embedding import NumericEmbeddingKey, Periodic, PiecewiseLinear
from dlrun.rate_schedule import RateSchedule, schedule_field
from dlrun.signature import Features, Target

if TYPE_CHECKING:
    import keras

_SCALE_RATE, _BIAS_RATE, _ACTIVATION_RATE, _EMBEDDING_RATE = 6.0, 0.1, 0.1, 0.1
_PBLD = Periodic(type="periodic", form="pbld", frequencies=16, scale=0.1, size=4)


@models.register("realmlp")
class RealMlp(NumericEmbedding, DropoutKeys, Model):
    """A multilayer perceptron for tables: learned scales of the features, NTK parametrization, parametric activations.

    It is made for `dataset: {scaling: robust}`, `optimizer: {type: adamw, learning_rate: 0.04, beta_2: 0.95,
    weight_decay: 0.02, weight_decay_schedule: flat_cos}` (a learning rate of 0.2 for numbers), `schedule: coslog`,
    `label_smoothing: 0.1` for classes, about 256 epochs, and the best of them on the validation split.

    Formula:
        h_0 = s x; z_i = W_i h_(i-1) / sqrt(width) + b_i, h_i = z_i + a_i (activation(z_i) - z_i);
        y = V h_n / sqrt(width) + c

    Reference:
        Holzmüller, Grinsztajn and Steinwart, 2024, "Better by Default: Strong Pre-Tuned MLPs and Boosted Trees on
        Tabular Data", arXiv:2407.04491
    """

    takes = ("image", "vector", "sequence")
    learns_embedded = True

    units: NotEmpty[Positive] = Field(
        default=(256, 256, 256), description="Width of each hidden layer, from input to output."
    )
    activation: Literal["auto"] | Activation = Field(
        default="auto", description="Activation of the hidden layers. auto: selu for classes, mish for numbers."
    )
    dropout: Fraction = Field(
        default=0.15,
        description="Fraction of the outputs of each hidden layer dropped during training, at least 0, below 1.",
    )
    dropout_schedule: RateSchedule = schedule_field(
        "flat_cos", "How dropout changes during training; as in mlp. The default lowers it to 0 in the second half."
    )
    initialization: Literal["data", "random"] = Field(
        default="data",
        description="The first weights. data: drawn so that each hidden unit has variance 1 over the training split "
        "and bends at a random place between training rows · random: drawn independently of the data, with an output "
        "of 0.",
    )
    weight_decay_rates: Literal["own", "equal"] = Field(
        default="own",
        description="How the optimizer's weight_decay shrinks the weights. own: each by the factor of its learning "
        "rate (scales 6, kernels 1, activations and periodic embeddings 0.1), and no bias · equal: all alike, as the "
        "optimizer muon always does.",
    )
    numeric_embedding: NumericEmbeddingKey = Field(
        default=_PBLD,
        description="Vectors learned for the continuous numbers of a table or a series, with a tenth of the learning "
        "rate if they are periodic. The default does nothing for data without continuous numbers. none, periodic, "
        "piecewise_linear, or a group of keys: as in mlp.",
    )

    def build(self, features: Features, target: Target) -> keras.Model:
        """Build the Keras model.

        Shape:
            Input: `(batch, *features.shape)`. Output: `(batch, target.units)`, float32.
        """
        import keras

        dense, activate = ntk_dense(), parametric_activation()
        inputs = features_input(features)
        tensor = flattened(self.embedded(inputs, features, rate=_EMBEDDING_RATE))
        tensor = rated_scale()(rate=_SCALE_RATE, name="feature_scale")(tensor)
        normal = keras.initializers.RandomNormal
        for number, units in enumerate(self.units, start=1):
            name = f"dense_{number}"
            # Each layer has initializers of its own: Keras repeats the numbers of one that is used again.
            first = {"kernel_initializer": normal(stddev=1.0), "bias_initializer": normal(stddev=1 / _BIAS_RATE)}
            tensor = dense(units, bias_rate=_BIAS_RATE, name=name, **first)(tensor)
            activation = self._activation(target)
            if activation != "linear":
                tensor = activate(activation, rate=_ACTIVATION_RATE, name=f"{name}_activation")(tensor)
            if self.dropout:
                tensor = keras.layers.Dropout(self.dropout, name=f"{name}_dropout")(tensor)
        # A random start would make the first output large: it is 0 instead, whatever the weights before it are.
        kernel = "zeros" if self.initialization == "random" else normal(stddev=1.0)
        outputs = dense(
            target.units,
            bias_rate=_BIAS_RATE,
            activation=target.activation,
            kernel_initializer=kernel,
            dtype="float32",
            name="head",
        )(tensor)
        return keras.Model(inputs, outputs, name=self.type_name)

    def keys_for(self, features: Features) -> Periodic | PiecewiseLinear | None:
        """Return the keys of the embedding; None if there is none, or if the default has nothing to embed."""
        keys = super().keys_for(features)
        return None if keys == _PBLD and not features.continuous else keys

    def misfits(self, features: Features) -> Iterator[FieldProblem]:
        """Yield a numeric embedding for features without continuous numbers."""
        if features.kind in self.takes:
            yield from self.numeric_misfits(features)

    def started_layers(self) -> tuple[str, ...]:
        """Return the names of the dense layers, if their first weights depend on the training split."""
        if self.initialization == "random":
            return ()
        return (*(f"dense_{number}" for number in range(1, len(self.units) + 1)), "head")

    def decay_factor(self, layer: Any, weight: str) -> float:
        """Return the factor of the optimizer's weight decay for a weight: that of its learning rate, 0 for a bias.

        A weight is stored divided by the factor of its learning rate, which leaves its relative decay as it is.
        """
        if self.weight_decay_rates == "equal":
            return 1.0
        if isinstance(layer, ntk_dense()):
            return 0.0 if weight == "bias" else 1.0
        return float(getattr(layer, "rate", 1.0))

    def _activation(self, target: Target) -> str:
        if self.activation != "auto":
            return self.activation
        return "selu" if target.is_decided else "mish"
