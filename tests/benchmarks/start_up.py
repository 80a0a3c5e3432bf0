"""Seconds from the start of the process to the end of the first training step: dlrun beside a bare Keras script.

    python tests/benchmarks/start_up.py [RUNS]

Both train the MLP of configs/mnist_mlp.yaml on the same MNIST arrays; dlrun reads them as the config says (prepared by
tensorflow-datasets), the bare script from mnist.npz. They run in turn, A B A B, and medians are printed.
"""

import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).parents[2]
DATA = Path(os.environ.get("DLRUN_TEST_DATA") or ROOT.parent / "shared" / "data")

BARE = """
import sys
import numpy as np
import tensorflow as tf
import keras
with np.load(sys.argv[1]) as data:
    x, y = data["x_train"] / np.float32(255), keras.utils.to_categorical(data["y_train"])
model = keras.Sequential([
    keras.Input((28, 28)), keras.layers.Flatten(), keras.layers.Dense(128, activation="relu"), keras.layers.Dense(10),
])
model.compile("adam", keras.losses.CategoricalCrossentropy(from_logits=True), metrics=["accuracy"])
model.train_on_batch(x[:32], y[:32])
"""

DLRUN = """
import os, sys
from dlrun.experiment import train as experiment
from dlrun.training.progress.events import StepsDone
def stop(event):
    if isinstance(event, StepsDone):
        os._exit(0)
experiment.train(sys.argv[1], runs_dir=sys.argv[2], listener=stop)
"""


def seconds(*command: str) -> float:
    """Wall time of a command."""
    environment = {**os.environ, "TFDS_DATA_DIR": str(DATA / "tensorflow_datasets"), "TF_CPP_MIN_LOG_LEVEL": "3"}
    start = time.perf_counter()
    subprocess.run([sys.executable, "-c", *command], check=True, env=environment, stderr=subprocess.DEVNULL)
    return time.perf_counter() - start


def main(runs: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        bare = (BARE, str(DATA / "mnist.npz"))
        ours = (DLRUN, str(ROOT / "configs" / "mnist_mlp.yaml"), folder)
        seconds(*bare), seconds(*ours)
        pairs = [(seconds(*bare), seconds(*ours)) for _ in range(runs)]
    medians = [statistics.median(column) for column in zip(*pairs, strict=True)]
    print(f"to the end of the first step, median of {runs}:")
    print(f"bare Keras script {medians[0]:.2f} s, dlrun {medians[1]:.2f} s")
    print(f"ratio {statistics.median(b / a for a, b in pairs):.2f}")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 5)
