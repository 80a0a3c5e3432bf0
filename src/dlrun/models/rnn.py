"""The simple recurrent network: sequences in, Keras' SimpleRNN layers, the head."""

from __future__ import annotations

from dlrun.models.model import models
from dlrun.models.recurrent import Recurrent


@models.register("rnn")
class Rnn(Recurrent):
    """A simple recurrent network: each step's state is made from the input and the last state.

    Formula:
        h_t = activation(W x_t + U h_(t-1) + b)

    Reference:
        Elman, Finding structure in time, 1990.
    """

    layer_class = "SimpleRNN"
