"""The recurrent network of GRU layers, for sequences."""

from __future__ import annotations

from dlrun.models.model import models
from dlrun.models.recurrent.recurrent import Recurrent


@models.register("gru")
class Gru(Recurrent):
    """A network of gated recurrent units. The reset gate applies after the recurrent product, the default of Keras.

    Formula:
        z = sigmoid(W_z x_t + U_z h_(t-1) + b_z), r = sigmoid(W_r x_t + U_r h_(t-1) + b_r),
        h_t = z * h_(t-1) + (1 - z) * activation(W x_t + b + r * (U h_(t-1) + c))

    Reference:
        Cho et al., Learning phrase representations using RNN encoder-decoder, arXiv:1406.1078, 2014.
    """

    layer_class = "GRU"
