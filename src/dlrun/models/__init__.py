"""The model architectures. Importing this package registers the built-in ones.

A plugin needs `Model`, `models`, and `head` or, for masks, `pixel_head`.
"""

from dlrun.models import (  # noqa: F401  each registers itself
    autoencoder,
    cnn,
    linear,
    mlp,
    realmlp,
    resnet,
    tabm,
    tcn,
    unet,
)
from dlrun.models.ensemble import network  # noqa: F401
from dlrun.models.head import head, pixel_head
from dlrun.models.layered import graph, sequential  # noqa: F401
from dlrun.models.model import Model, models
from dlrun.models.pretrained import pretrained  # noqa: F401
from dlrun.models.recurrent import gru, lstm, rnn  # noqa: F401
from dlrun.models.transformer import transformer  # noqa: F401

__all__ = ["Model", "head", "models", "pixel_head"]
