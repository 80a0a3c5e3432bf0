"""A work in, its Keras model out; and the times of the epochs of `fit`."""

from __future__ import annotations

import time
from typing import Any

import keras
from works import Work


def build(work: Work, shape: tuple[int, ...], *, softmax: bool) -> keras.Model:
    """Make the model; the output layer is float32 under every dtype policy.

    Args:
        work: With the layers.
        shape: Of one example.
        softmax: Whether classes come out as probabilities, as in tutorials, or as logits.
    """
    layers = keras.layers
    model = keras.Sequential([keras.Input(shape)])
    for kind, value in work.layers:
        match kind:
            case "convolution" | "convolution_same":
                padding = "same" if kind == "convolution_same" else "valid"
                model.add(layers.Conv2D(value, 3, activation="relu", padding=padding))
            case "max_pooling":
                model.add(layers.MaxPooling2D(value))
            case "flatten":
                model.add(layers.Flatten())
            case "dense":
                model.add(layers.Dense(value, activation="relu"))
            case "dropout":
                model.add(layers.Dropout(value))
            case "lstm":
                model.add(layers.LSTM(value))
    activation = "softmax" if softmax and work.outputs > 1 else None
    model.add(layers.Dense(work.outputs, activation=activation, dtype="float32"))
    return model


def score_of(results: dict[str, float]) -> dict[str, float]:
    """What `evaluate` gave, under the names of the comparison."""
    return {"accuracy": results["accuracy"]} if "accuracy" in results else {"mse": results["loss"]}


class EpochTimes(keras.callbacks.Callback):  # type: ignore[misc]  # Keras has no types
    """Seconds from the begin to the end of each epoch."""

    def __init__(self) -> None:
        super().__init__()
        self.seconds: list[float] = []
        self._began = 0.0

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:  # noqa: ARG002  as Keras calls it
        self._began = time.perf_counter()

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:  # noqa: ARG002
        self.seconds.append(time.perf_counter() - self._began)
