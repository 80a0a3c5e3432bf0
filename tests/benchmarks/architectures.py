"""The deep architectures under dlrun beside the very same networks under `model.fit`: seconds of an epoch.

    python tests/benchmarks/architectures.py [--rounds 3] [--epochs 4] [--examples 2048] [--only resnet,tcn]

The network of both is the one that dlrun's component builds, on the same arrays of random numbers, with the same
batches, optimizer, loss and precision (float32). `fit` reads a cached tf.data pipeline with prefetching, 100 steps in
each call. Contestants are processes of their own and take turns, A B A B; the first epoch of each, which traces and
compiles, is left out. Medians over all epochs and rounds are printed.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

BATCH_SIZE = 64
CONTESTANTS = ("dlrun", "fit")
GRAPH = [
    {"Conv2D": {"name": "stem", "filters": 32, "kernel_size": 3, "padding": "same", "activation": "relu"}},
    {"Conv2D": {"name": "branch", "filters": 32, "kernel_size": 3, "padding": "same", "activation": "relu"}},
    {"Add": {"inputs": ["stem", "branch"]}},
    {"GlobalAveragePooling2D": {}},
    {"Dense": {"units": 10}},
]
WORKS: dict[str, tuple[str, tuple[int, ...], dict[str, Any]]] = {
    "resnet": ("image", (32, 32, 3), {"depth": 20}),
    "transformer": ("tokens", (40,), {"width": 64, "layers": 2, "dropout": 0.1}),
    "vision transformer": ("image", (32, 32, 3), {"width": 64, "layers": 2, "patch_size": 4}),
    "tcn": ("sequence", (48, 10), {"filters": [32, 32, 32, 32], "dropout": 0.1}),
    "graph": ("image", (32, 32, 3), {"layers": GRAPH}),
    "residual cnn": (
        "image",
        (32, 32, 3),
        {
            "blocks": [{"filters": 32, "pool_size": 2, "residual": True}] * 3,
            "padding": "same",
            "stochastic_depth": 0.2,
        },
    ),
    "unet": ("masks", (32, 32, 3), {"filters": [16, 32, 64]}),
}
"""The kind and shape of the features of each work, and the keys of the model. The type is the last word of the name,
or the name itself. `masks` are image files with a class for each pixel."""

VOCABULARY = 5000


def spec_of(work: str, data: Path, epochs: int) -> dict[str, Any]:
    """Return the spec of a work."""
    kind, _, keys = WORKS[work]
    arrays = {"type": "arrays", "path": str(data), "features_kind": kind}
    masks = {"type": "images", "path": str(data / "images"), "masks": str(data / "masks")}
    return {
        "dataset": masks if kind == "masks" else arrays,
        "model": {"type": work.rpartition(" ")[2], **keys},
        "optimizer": {"type": "adam", "learning_rate": 1e-3},
        "loss": "sparse_categorical_crossentropy",
        "training": {
            "batch_size": BATCH_SIZE,
            "epochs": epochs,
            "precision": "float32",
            "report": False,
            "tensorboard": False,
        },
    }


def write_data(work: str, path: Path, examples: int) -> None:
    """Write features and labels that have nothing to do with each other."""
    kind, shape, _ = WORKS[work]
    random = np.random.default_rng(0)
    features: npt.NDArray[Any]
    if kind == "masks":
        write_masks(path, random, examples, shape)
        return
    if kind == "tokens":
        features = random.integers(0, VOCABULARY, (examples, *shape), dtype=np.int32)
    else:
        features = random.random((examples, *shape), dtype=np.float32)
    labels = np.arange(examples, dtype=np.int32) % 10
    np.savez(path, x_train=features, y_train=labels)


def write_masks(path: Path, random: np.random.Generator, examples: int, shape: tuple[int, ...]) -> None:
    """Write pictures and masks of three classes as PNG files."""
    from PIL import Image

    for name, size, most in (("images", shape, 256), ("masks", shape[:2], 3)):
        (path / name).mkdir(parents=True)
        for number in range(examples):
            pixels = random.integers(0, most, size, dtype=np.uint8)
            Image.fromarray(pixels).save(path / name / f"{number:05d}.png")


def train_by_dlrun(work: str, data: Path, epochs: int) -> list[float]:
    """Return the seconds of each epoch."""
    import dlrun

    with tempfile.TemporaryDirectory() as runs:
        run = dlrun.train(spec_of(work, data, epochs), runs_dir=Path(runs))
        lines = (run.folder.path / "metrics.jsonl").read_text().splitlines()
    since_start = [0.0, *(json.loads(line)["seconds"] for line in lines)]
    return [after - before for before, after in pairwise(since_start)]


def train_by_fit(work: str, data: Path, epochs: int) -> list[float]:
    """Return the seconds of each epoch."""
    import keras
    import tensorflow as tf

    from dlrun.spec.checks.check import settled_target, target_of
    from dlrun.spec.parse import parse_given

    spec = parse_given(spec_of(work, data, epochs)).spec
    dataset = spec.dataset.load()
    target = target_of(spec.model, dataset.features, dataset.target)
    assert target is not None
    keras.utils.set_random_seed(0)
    model = spec.model.build(dataset.features, settled_target(spec.loss, spec.model, target))
    train = dataset.splits["train"]
    x, y = np.asarray(dataset.preprocess.build()(train.features)), np.asarray(train.target, np.int32)
    batches = tf.data.Dataset.from_tensor_slices((x, y)).cache().shuffle(len(x)).batch(BATCH_SIZE)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.Adam(1e-3), loss, steps_per_execution=100, jit_compile=False)
    seconds: list[float] = []

    class Times(keras.callbacks.Callback):  # type: ignore[misc, unused-ignore]  # Keras has no types
        def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:  # noqa: ARG002  as Keras calls it
            self.began = time.perf_counter()

        def on_epoch_end(self, epoch: int, logs: Any = None) -> None:  # noqa: ARG002
            seconds.append(time.perf_counter() - self.began)

    model.fit(batches.prefetch(tf.data.AUTOTUNE), epochs=epochs, verbose=0, callbacks=[Times()])
    return seconds


def measure(work: str, data: Path, contestant: str, epochs: int) -> list[float]:
    """Let one contestant train in a process of its own; return the seconds of its epochs but the first."""
    command = [sys.executable, __file__, "--contestant", contestant, "--only", work, "--data", str(data)]
    done = subprocess.run([*command, "--epochs", str(epochs)], capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{work}, {contestant}: {done.stderr.strip().splitlines()[-1]}")
    seconds: list[float] = json.loads(done.stdout.splitlines()[-1])
    return seconds[1:]


def compare(works: list[str], *, rounds: int, epochs: int, examples: int) -> None:
    """Print a table with a row for each work."""
    print("| work | dlrun | `fit`, same network | ratio |\n|---|---|---|---|")
    for work in works:
        with tempfile.TemporaryDirectory() as folder:
            data = Path(folder) / "data.npz"
            write_data(work, data, examples)
            measured: dict[str, list[float]] = {name: [] for name in CONTESTANTS}
            for _ in range(rounds):
                for name in CONTESTANTS:
                    measured[name] += measure(work, data, name, epochs)
        ours, theirs = (statistics.median(measured[name]) for name in CONTESTANTS)
        print(f"| {work} | {ours:.2f} s | {theirs:.2f} s | {theirs / ours:.2f} |", flush=True)


def main() -> None:
    """Compare all works, or be one contestant of one work."""
    parser = argparse.ArgumentParser(description="Compare dlrun with model.fit on deep architectures.")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--epochs", type=int, default=4)
    parser.add_argument("--examples", type=int, default=2048)
    parser.add_argument("--only", default=",".join(WORKS), help="default: %(default)s")
    parser.add_argument("--contestant", choices=CONTESTANTS, help=argparse.SUPPRESS)
    parser.add_argument("--data", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    works = given.only.split(",")
    if unknown := set(works) - WORKS.keys():
        parser.error(f"unknown work {', '.join(sorted(unknown))}: one of {', '.join(WORKS)}")
    if given.contestant:
        train = train_by_dlrun if given.contestant == "dlrun" else train_by_fit
        print(json.dumps(train(works[0], given.data, given.epochs)))
    else:
        compare(works, rounds=given.rounds, epochs=given.epochs, examples=given.examples)


if __name__ == "__main__":
    main()
