"""Stochastic depth: skip the residual branch of a block for a random part of the examples in training."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from dlrun.component import Fields
from dlrun.models.layers import Fraction


class StochasticDepthKey(Fields):
    """The key of stochastic depth of a network of residual blocks."""

    stochastic_depth: Fraction = Field(
        default=0.0,
        description="Probability that the last residual block is skipped for an example in training; it rises linearly "
        "from the first block on. At least 0, below 1. 0: no block is skipped.",
    )

    def skip_rate(self, number: int, total: int) -> float:
        """Return the probability that block `number` of `total` is skipped.

        Args:
            number: Number of the block, from 1.
            total: Number of residual blocks.

        Formula:
            p_l = l / L p_L
        """
        return self.stochastic_depth * number / total


def skip_at_random(branch: Any, rate: float, *, name: str) -> Any:
    """Set the residual branch of a block to zero for a random part of the examples in training, and scale the others.

    The layer is Keras' Dropout with one random number for each example, so its seed is stored and restored as that of
    other dropout layers. Without training it changes nothing.

    Args:
        branch: Output of the branch, before the input of the block is added.
        rate: Probability that an example skips the block; 0 for no layer at all.
        name: Name of the block. The layer is named `<name>_stochastic_depth`.

    Formula:
        0 with probability p, else branch / (1 - p)

    Shape:
        `(batch, ...)`, which does not change.

    Reference:
        Huang et al., Deep networks with stochastic depth, arXiv:1603.09382, 2016.
    """
    import keras

    if not rate:
        return branch
    per_example = (None, *[1] * (len(branch.shape) - 1))
    return keras.layers.Dropout(rate, noise_shape=per_example, name=f"{name}_stochastic_depth")(branch)
