"""Choose the random changes of training examples that fit a dataset."""

from __future__ import annotations

from dlrun.data import Dataset
from dlrun.data.audio.preprocess import AudioPreprocess
from dlrun.data.augmentation import AudioAugmentation, Augmentation
from dlrun.training.step.augment.audio import AudioAugment
from dlrun.training.step.augment.augment import Augment
from dlrun.training.step.augment.images import ImageAugment


def augments(dataset: Dataset) -> bool:
    """Return whether the examples of a dataset change in each epoch."""
    return dataset.augmentation is not None and dataset.augmentation.changes


def augment_of(dataset: Dataset, *, seed: int) -> Augment | None:
    """Return the augmentation of a dataset in training; None if there is none.

    Args:
        dataset: The dataset, with the augmentation keys of the spec.
        seed: The seed of the run.
    """
    keys, preprocess, shape = dataset.augmentation, dataset.preprocess, dataset.features.shape
    if keys is None or not keys.changes:
        return None
    if isinstance(keys, AudioAugmentation) and isinstance(preprocess, AudioPreprocess):
        rate, samples = preprocess.spectrogram.sampling_rate, preprocess.raw_shape[0]
        return AudioAugment(keys, sampling_rate=rate, samples=samples, shape=shape, seed=seed)
    known = preprocess.value_range(dataset.splits["train"].features)
    if known is None or not isinstance(keys, Augmentation):
        return None
    return ImageAugment(keys, shape, low=known[0], high=known[1], seed=seed)
