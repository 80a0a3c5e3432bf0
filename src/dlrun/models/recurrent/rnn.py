"""The simple recurrent network, for sequences."""

from __future__ import annotations

from dlrun.models.model import models
from dlrun.models.recurrent.recurrent import Recurrent


@models.register("rnn")
class Rnn(Recurrent):
    """A simple recurrent network, whose state at each step depends on the input and the previous state.

    Formula:
        h_t = activation(W x_t + U h_(t-1) + b)

    Reference:
        Elman, Finding structure in time, 1990.
    """

    layer_class = "SimpleRNN"
