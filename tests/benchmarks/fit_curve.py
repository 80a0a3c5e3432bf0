"""The loss curve of configs/mnist_mlp.yaml beside that of the same model under `model.fit`, over several seeds.

    TFDS_DATA_DIR=... python tests/benchmarks/fit_curve.py [SEEDS] [EPOCHS]

For each epoch: the means of the training loss and their standard errors, and how many standard errors of the
difference lie between dlrun and a `fit` whose examples are shuffled anew for each epoch. Within two, the loops cannot
be told apart.

The last column is `fit(shuffle=True)` after `keras.utils.set_random_seed`. Keras 3.15 then takes the examples in the
same order in every epoch (its `tf.random.shuffle` starts anew with each iterator), which lowers the training loss of
later epochs; dlrun has an order of its own for every epoch.
"""

import statistics
import sys
import tempfile
from pathlib import Path

import keras
import numpy as np

from dlrun.experiment import train as experiment
from dlrun.spec.parse import read_spec

CONFIG = Path(__file__).parents[2] / "configs" / "mnist_mlp.yaml"


def curve_of_dlrun(seed: int, epochs: int) -> list[float]:
    with tempfile.TemporaryDirectory() as folder:
        overrides = (f"seed={seed}", f"training.epochs={epochs}")
        result = experiment.train(CONFIG, overrides=overrides, runs_dir=folder)
        return [float(row["loss"] or 0) for row in result.folder.read_metrics()]


def curve_of_fit(seed: int, epochs: int, *, reshuffled: bool) -> list[float]:
    spec = read_spec(CONFIG).spec
    split = spec.dataset.load().splits["train"]
    assert split.target is not None
    keras.utils.clear_session()
    # Other seeds than dlrun's, which would start from the very same weights: the two samples are independent.
    keras.utils.set_random_seed(1000 + seed)
    layers = [keras.Input((28, 28, 1)), keras.layers.Flatten(), keras.layers.Dense(128, activation="relu")]
    model = keras.Sequential([*layers, keras.layers.Dense(10, activation="softmax")])
    model.compile("adam", "categorical_crossentropy", metrics=["accuracy"], steps_per_execution=50)
    x, y = split.features / np.float32(255), keras.utils.to_categorical(split.target)
    options = {"batch_size": spec.training.batch_size, "verbose": 0}
    if not reshuffled:
        return [float(loss) for loss in model.fit(x, y, epochs=epochs, **options).history["loss"]]
    curve, generator = [], np.random.default_rng(seed)
    for _ in range(epochs):
        order = generator.permutation(len(x))
        curve.append(float(model.fit(x[order], y[order], shuffle=False, **options).history["loss"][0]))
    return curve


def main(seeds: int, epochs: int) -> None:
    ours = np.array([curve_of_dlrun(seed, epochs) for seed in range(seeds)])
    theirs = np.array([curve_of_fit(seed, epochs, reshuffled=True) for seed in range(seeds)])
    repeating = np.array([curve_of_fit(seed, epochs, reshuffled=False) for seed in range(seeds)])
    print("| epoch | dlrun | fit, reshuffled | standard errors apart | fit, seeded |\n|---|---|---|---|---|")
    for epoch in range(epochs):
        columns = [curves[:, epoch] for curves in (ours, theirs, repeating)]
        means = [float(column.mean()) for column in columns]
        errors = [statistics.stdev(column) / seeds**0.5 for column in columns]
        apart = abs(means[0] - means[1]) / (errors[0] ** 2 + errors[1] ** 2) ** 0.5
        told = [f"{mean:.5f} +- {error:.5f}" for mean, error in zip(means, errors, strict=True)]
        print(f"| {epoch + 1} | {told[0]} | {told[1]} | {apart:.2f} | {told[2]} |")


if __name__ == "__main__":
    given = [int(argument) for argument in sys.argv[1:]]
    main(*given, *(5, 10)[len(given) :])
