"""The values of the key `numeric_embedding`, each with the layer that it asks for."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, Literal

from pydantic import Discriminator, Field, Tag

from dlrun.component import Fields
from dlrun.signature import Continuous

_NAME = "numeric_embedding"
_TYPES = ["periodic", "piecewise_linear"]
_MOST_BINS, _USUAL_BINS = 128, 48
Size = Annotated[int, Field(ge=1, le=1024)]


class Periodic(Fields):
    """Waves of learned frequencies."""

    type: Literal["periodic"] = Field(examples=_TYPES, description="Waves of learned frequencies.")
    frequencies: Size = Field(default=48, description="Number of frequencies of each number.")
    scale: float = Field(
        default=0.1,
        gt=0,
        allow_inf_nan=False,
        description="Standard deviation of the initial frequencies, per unit of the scaled number. Larger ones let the "
        "model tell close numbers apart, and overfit sooner.",
    )
    size: Annotated[int, Field(ge=2, le=1024)] = Field(default=24, description="Width of the vector of each number.")
    form: Literal["plr", "pbld"] = Field(
        default="plr",
        description="plr: sine and cosine, a linear layer and relu · pbld: cosine with a phase, a linear layer, and "
        "the number itself.",
    )
    lite: bool = Field(default=False, description="Whether all numbers share one linear layer.")

    def layer(self, numbers: Sequence[Continuous], *, rate: float = 1.0) -> Any:  # noqa: ARG002  as the other class
        """Return the Keras layer.

        Args:
            numbers: The numbers to embed.
            rate: Factor of the learning rate of its weights.
        """
        from dlrun.models.parts.periodic import periodic_embedding

        return periodic_embedding()(rate=rate, name=_NAME, **self.model_dump(exclude={"type"}))


class PiecewiseLinear(Fields):
    """The place among the quantiles of the training split."""

    type: Literal["piecewise_linear"] = Field(
        examples=_TYPES, description="The place among the quantiles of the training split."
    )
    bins: Annotated[int, Field(ge=1, le=_MOST_BINS)] = Field(
        default=_USUAL_BINS,
        description="Largest number of bins of each number, whose edges are quantiles. Numbers with few different "
        "values have fewer, and so have all numbers of a table with very many.",
    )
    size: Size = Field(default=16, description="Width of the vector of each number.")
    activation: Literal["linear", "relu"] = Field(default="linear", description="Activation after the linear layer.")

    def layer(self, numbers: Sequence[Continuous], *, rate: float = 1.0) -> Any:  # noqa: ARG002  as the other class
        """Return the Keras layer.

        Args:
            numbers: The numbers to embed.
            rate: Not used: its weights learn like those of any layer.
        """
        from dlrun.models.parts.piecewise_linear import piecewise_linear_embedding

        edges = [_spread(number.edges, self.bins + 1) for number in numbers]
        return piecewise_linear_embedding()(edges=edges, size=self.size, activation=self.activation, name=_NAME)


def _kind(value: Any) -> str:
    """Return which of the forms a value has, so that only the errors of that form are reported."""
    if isinstance(value, dict):
        return "piecewise_linear" if value.get("type") == "piecewise_linear" else "periodic"
    return getattr(value, "type", "word")


NumericEmbeddingKey = Annotated[
    Annotated[Literal["none", "periodic", "piecewise_linear"], Tag("word")]
    | Annotated[Periodic, Tag("periodic")]
    | Annotated[PiecewiseLinear, Tag("piecewise_linear")],
    Discriminator(_kind),
]


def _spread(edges: tuple[float, ...], most: int) -> tuple[float, ...]:
    """Return at most so many edges, the first and the last among them, at even distances in between."""
    if len(edges) <= most:
        return edges
    return tuple(edges[round(index * (len(edges) - 1) / (most - 1))] for index in range(most))
