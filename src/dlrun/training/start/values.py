"""Compute tensors inside a model for training rows, before the first step."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import keras
import numpy as np
import numpy.typing as npt
import tensorflow as tf

from dlrun.training.setup import TrainingSetup

AT_ONCE = 1024
"""Largest number of rows to compute at once."""

Rows = slice | npt.NDArray[np.int64]


def training_values(
    setup: TrainingSetup, tensors: Sequence[keras.KerasTensor]
) -> Callable[[Rows], list[npt.NDArray[Any]]]:
    """Return a function that computes tensors of the model for rows of the training split, with its present weights.

    Args:
        setup: The parts of a run.
        tensors: Symbolic tensors of the core of its model.
    """
    core, features = setup.compiled.core, setup.dataset.splits["train"].features
    inner = keras.Model(core.inputs, list(tensors))
    step = tf.function(
        lambda rows: inner(setup.preprocess(rows, training=False), training=False),
        autograph=False,
        reduce_retracing=True,
    )

    def values(rows: Rows) -> list[npt.NDArray[Any]]:
        # Keras returns a single output without its list.
        return [value.numpy() for value in tf.nest.flatten(step(tf.constant(np.asarray(features[rows]))))]

    return values
