"""The recurrent network of LSTM layers, for sequences."""

from __future__ import annotations

from dlrun.models.model import models
from dlrun.models.recurrent.recurrent import Recurrent


@models.register("lstm")
class Lstm(Recurrent):
    """A network of long short-term memory layers, whose gates control what each cell keeps, adds and outputs.

    Formula:
        i, f, o = sigmoid(W x_t + U h_(t-1) + b), each with its own W, U and b,
        c_t = f * c_(t-1) + i * activation(W_c x_t + U_c h_(t-1) + b_c), h_t = o * activation(c_t)

    Reference:
        Hochreiter and Schmidhuber, Long short-term memory, 1997.
    """

    layer_class = "LSTM"
