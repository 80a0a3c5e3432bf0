"""What the contestants train, as plain data: the layers, sizes and arrays of each work, and the line that each prints.

Imports nothing but numpy, so that an environment without TensorFlow or dlrun can read it. `tests/test_benchmarks.py`
holds that batch sizes, epochs and parameters are those of `configs/<work>.yaml`.
"""

from __future__ import annotations

import argparse
import json
import resource
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]
Layer = tuple[str, Any]
Score = dict[str, float]

CNN: tuple[Layer, ...] = (
    ("convolution", 32),
    ("max_pooling", 2),
    ("convolution", 64),
    ("max_pooling", 2),
    ("convolution", 64),
    ("flatten", None),
    ("dense", 64),
)
DIGITS_CNN: tuple[Layer, ...] = (
    ("convolution_same", 32),
    ("dropout", 0.2),
    ("convolution", 64),
    ("max_pooling", 2),
    ("dropout", 0.2),
    ("flatten", None),
    ("dense", 64),
    ("dropout", 0.2),
)


@dataclass(frozen=True)
class Work:
    """One comparison.

    Args:
        config: The file in configs/ that dlrun trains.
        layers: From the input on, 3x3 convolutions and dense layers with relu; the output layer is not among them.
        outputs: Classes; 1: a number.
        batch_size: Examples in one training step.
        epochs: Of a whole training; 0: only the evaluation is timed.
        scale: What a stored value is divided by.
        xla: Whether XLA makes Keras' step faster here: measured, see the driver.
        whole_command: Whether the time of the whole process is compared, with validation and checkpoints.
    """

    config: str
    layers: tuple[Layer, ...]
    outputs: int
    batch_size: int
    epochs: int
    scale: float = 1.0
    xla: bool = False
    whole_command: bool = False

    @property
    def has_convolutions(self) -> bool:
        """Whether bfloat16 is worth it on a CPU with AMX; dlrun decides by the same."""
        return any(kind.startswith("convolution") for kind, _ in self.layers)


WORKS = {
    "mnist_cnn": Work("mnist_cnn", CNN, outputs=10, batch_size=64, epochs=5, scale=255),
    "mnist_mlp": Work(
        "mnist_mlp", (("flatten", None), ("dense", 128)), outputs=10, batch_size=32, epochs=10, scale=255, xla=True
    ),
    "sequence_lstm": Work("sequence_lstm", (("lstm", 64),), outputs=1, batch_size=32, epochs=10, xla=True),
    "digits_cnn": Work("digits_cnn", DIGITS_CNN, outputs=10, batch_size=32, epochs=15, scale=16, whole_command=True),
    "evaluate": Work("mnist_cnn", CNN, outputs=10, batch_size=64, epochs=0, scale=255),
}
LEARNING_RATE = 1e-3
EVALUATION_BATCH_SIZE = 256
EVALUATIONS = 5


@dataclass(frozen=True)
class Arguments:
    """What a contestant is told on its command line."""

    work: Work
    data: Path
    epochs: int
    examples: int | None

    def load(self, split: str) -> tuple[Array, Array]:
        """Features as float32, scaled as every tutorial does, and the target: class indices or numbers."""
        x, y = (np.load(self.data / f"{split}_{part}.npy")[: self.examples] for part in "xy")
        return x.astype(np.float32) / np.float32(self.work.scale), y


def read_arguments() -> Arguments:
    """Parse the command line of a contestant."""
    parser = argparse.ArgumentParser()
    parser.add_argument("work", choices=WORKS)
    parser.add_argument("--data", type=Path, required=True, help="folder of train_x.npy, train_y.npy, test_x.npy, ...")
    parser.add_argument("--epochs", type=int, help="default: as the config says")
    parser.add_argument("--examples", type=int, help="only the first so many of each split")
    given = parser.parse_args()
    work = WORKS[given.work]
    return Arguments(work, given.data, work.epochs if given.epochs is None else given.epochs, given.examples)


def timed_evaluation(evaluate: Callable[[], Score]) -> tuple[Score, float]:
    """The score, and the median seconds of several evaluations after one that warms up."""
    score, seconds = evaluate(), []
    for _ in range(EVALUATIONS):
        started = time.perf_counter()
        evaluate()
        seconds.append(time.perf_counter() - started)
    return score, statistics.median(seconds)


def cpu_has_amx() -> bool:
    """Whether this CPU multiplies bfloat16 matrices in hardware."""
    cpuinfo = Path("/proc/cpuinfo")
    return cpuinfo.exists() and " amx_bf16" in cpuinfo.read_text()


def report(  # noqa: PLR0913  one argument for each key of the line
    *,
    epoch_seconds: Sequence[float],
    train_seconds: float,
    score: Score,
    evaluate_seconds: float | None,
    precision: str,
    parameters: int,
    jit: str = "off",
) -> None:
    """Print the one JSON line of a contestant; memory is the process' highest so far."""
    peak_rss_mib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps({**locals(), "epoch_seconds": list(epoch_seconds)}))
