"""What is timed, as plain data: the layers, sizes and arrays of each work. Imports nothing but numpy.

The layers are those of `configs/mnist_cnn.yaml`, `configs/cifar_images_cnn.yaml` and `configs/sequence_lstm.yaml`; the
data is random, of the same shape, so that nothing has to be downloaded. Nothing is augmented.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from statistics import median
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]
Layer = tuple[str, float]


def _block(filters: int, *, padding: str, normalized: bool, pool: int = 0, dropout: float = 0) -> tuple[Layer, ...]:
    layers: list[Layer] = [(f"convolution_{padding}", filters)]
    layers += [("batch_normalization", 0)] if normalized else []
    layers.append(("relu", 0))
    layers += [("max_pooling", pool)] if pool else []
    layers += [("dropout", dropout)] if dropout else []
    return tuple(layers)


@dataclass(frozen=True)
class Work:
    """A model and its data.

    Args:
        shape: The shape of one example.
        examples: How many there are.
        outputs: Number of classes; 1 for a number.
        layers: From the input on, without the output layer.
        model: The same for dlrun.
    """

    shape: tuple[int, ...]
    examples: int
    outputs: int
    layers: tuple[Layer, ...]
    model: dict[str, Any]


_MNIST = ((32, 2), (64, 2), (64, 0))
_CIFAR = ((32, 0, 0.0), (32, 2, 0.0), (64, 0, 0.0), (64, 2, 0.2), (128, 2, 0.3))
WORKS = {
    "mnist_cnn": Work(
        (28, 28, 1),
        60_000,
        10,
        (
            *(
                layer
                for filters, pool in _MNIST
                for layer in _block(filters, padding="valid", normalized=False, pool=pool)
            ),
            ("flatten", 0),
            ("dense", 64),
        ),
        {
            "type": "cnn",
            "blocks": [
                {"filters": filters, "kernel_size": 3, **({"pool_size": pool} if pool else {})}
                for filters, pool in _MNIST
            ],
            "head_units": [64],
        },
    ),
    "cifar_images_cnn": Work(
        (32, 32, 3),
        50_000,
        10,
        (
            *(
                layer
                for filters, pool, dropout in _CIFAR
                for layer in _block(filters, padding="same", normalized=True, pool=pool, dropout=dropout)
            ),
            ("flatten", 0),
            ("dense", 128),
        ),
        {
            "type": "cnn",
            "blocks": [
                {
                    "filters": filters,
                    "kernel_size": 3,
                    "padding": "same",
                    "batch_normalization": True,
                    **({"dropout": dropout} if dropout else {}),
                    **({"pool_size": pool} if pool else {}),
                }
                for filters, pool, dropout in _CIFAR
            ],
            "head_units": [128],
        },
    ),
    "sequence_lstm": Work((100, 10), 20_000, 1, (("lstm", 64),), {"type": "lstm", "units": [64]}),
}


def arrays(work: Work, *, examples: int) -> tuple[Array, Array]:
    """Return random features, bytes for images, and targets."""
    generator = np.random.default_rng(0)
    if work.outputs == 1:
        features = generator.normal(size=(examples, *work.shape)).astype(np.float32)
        return features, generator.normal(size=examples).astype(np.float32)
    images = generator.integers(0, 256, (examples, *work.shape), np.uint8)
    return images, (np.arange(examples) % work.outputs).astype(np.int32)


@dataclass(frozen=True)
class Arguments:
    """What a contestant is told."""

    work: Work
    device: str
    precision: str
    batch_size: int
    epochs: int
    examples: int


def read_arguments() -> Arguments:
    """Parse the command line of a contestant."""
    parser = argparse.ArgumentParser()
    parser.add_argument("work", choices=WORKS)
    parser.add_argument("--device", choices=("gpu", "cpu"), required=True)
    parser.add_argument("--precision", choices=("float32", "bfloat16", "float16"), required=True)
    parser.add_argument("--batch-size", type=int, required=True)
    parser.add_argument("--epochs", type=int, required=True)
    parser.add_argument("--examples", type=int, required=True)
    given = vars(parser.parse_args())
    return Arguments(WORKS[given.pop("work")], **given)


def report(train: Callable[[], None], train_on_one_batch: Callable[[], None], given: Arguments) -> None:
    """Time epochs after one that warms up, and print examples per second and the share of the time for the data.

    Args:
        train: Trains an epoch, and waits until the device has done it.
        train_on_one_batch: Trains as many steps on one batch that is on the device already. An epoch takes longer by
            the time in which the device waited for data.
        given: The arguments.
    """

    def seconds_of(epoch: Callable[[], None]) -> float:
        epoch()
        found = []
        for _ in range(given.epochs):
            started = time.perf_counter()
            epoch()
            found.append(time.perf_counter() - started)
        return median(found)

    seconds, without_data = seconds_of(train), seconds_of(train_on_one_batch)
    waits = max(0.0, 1 - without_data / seconds)
    print(json.dumps({"examples_per_second": given.examples / seconds, "waits": waits}))
