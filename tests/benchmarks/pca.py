"""The mean squared error of PCA beside an autoencoder's.

    python tests/benchmarks/pca.py configs/mnist_autoencoder.yaml

PCA is fitted on the training split and scored on the test split, with as many components as the autoencoder's code has
numbers, after the same scaling: the best that any linear autoencoder with that code can do on its training data.
"""

import sys
from pathlib import Path

import numpy as np

from dlrun.data import ArrayPreprocess
from dlrun.spec.parse import read_spec


def pca_error(train: np.ndarray, test: np.ndarray, components: int) -> float:
    """Mean squared error of reconstructing `test` from the first `components` principal components of `train`."""
    mean = train.mean(axis=0)
    covariance = (train - mean).T @ (train - mean)
    _, vectors = np.linalg.eigh(covariance)
    basis = vectors[:, -components:]
    centred = test - mean
    return float(np.mean((centred - centred @ basis @ basis.T) ** 2))


def main(config: str) -> None:
    spec = read_spec(Path(config)).spec
    dataset = spec.dataset.load()
    scale = dataset.preprocess.scale if isinstance(dataset.preprocess, ArrayPreprocess) else 1.0
    flat = {
        name: split.features.reshape(len(split), -1).astype(np.float64) * scale
        for name, split in dataset.splits.items()
    }
    components = spec.model.plain()["latent_units"]
    error = pca_error(flat["train"], flat["test"], components)
    print(f"{config}: PCA with {components} components: test mean squared error {error:.5f}")


if __name__ == "__main__":
    main(sys.argv[1])
