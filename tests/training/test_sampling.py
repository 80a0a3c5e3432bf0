"""The masks that a report shows, and what is kept of all others."""

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from dlrun.data import Split
from dlrun.runs.predictions import StoredPredictions
from dlrun.signature import IGNORED_CLASS, Target
from dlrun.training import sampling


def sampled(wrong: list[int]) -> StoredPredictions:
    """Sample images of 10 pixels of the class 1, of which so many are predicted as 0, and 2 that do not count."""
    truth = np.full((len(wrong), 3, 4), 1, np.uint8)
    truth[:, 2, 2:] = IGNORED_CLASS
    images = np.repeat(np.array(wrong, np.uint8), 12).reshape(len(wrong), 3, 4, 1)
    split = Split(images, truth)
    raw = SimpleNamespace(shown=lambda _: {})
    dataset = SimpleNamespace(
        splits={"test": split},
        naive={},
        features=SimpleNamespace(kind="image"),
        preprocess=SimpleNamespace(scale=1 / 255),
        raw_input=lambda: raw,
    )
    setup: Any = SimpleNamespace(dataset=dataset, target=Target("mask", 2))
    predictor: Any = SimpleNamespace(
        batch_size=2, masks=lambda rows: (np.arange(12).reshape(3, 4) >= rows[..., 0]).astype(np.uint8)
    )
    return sampling.sample_predictions(setup, "test", predictor)


def test_the_counts_of_all_images_are_kept_and_the_masks_of_the_worst_shown() -> None:
    kept = sampled([1, 7, 0, 3, 5])
    assert kept.outputs.tolist() == [[0, 0, wrong, 10 - wrong] for wrong in (1, 7, 0, 3, 5)]
    assert kept.shown.tolist() == [1, 4, 3, 0, 2]
    assert kept.masks.shape == kept.predicted_masks.shape == (5, 3, 4)
    assert (kept.predicted_masks == 0).sum(axis=(1, 2)).tolist() == [7, 5, 3, 1, 0]
    assert kept.pictures[:, 0, 0, 0].tolist() == [7, 5, 3, 1, 0]


def test_fewer_large_images_are_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sampling, "_MOST_MASK_BYTES", 2 * 5 * 12)
    assert sampled([1, 7, 0, 3, 5]).shown.tolist() == [1, 4]
    monkeypatch.setattr(sampling, "_MOST_MASK_BYTES", 1)
    assert sampled([1, 7]).shown.tolist() == [1]
