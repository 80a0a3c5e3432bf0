"""Images of digits on noise: a pixel of a mask is where its digit is, and no split has the digits of another."""

from typing import Any

import numpy as np
import pytest

from dlrun.data.digit_scenes import CLASSES, draw_scenes
from dlrun.data.splits import fingerprint_of
from dlrun.data.synthetic import Synthetic
from dlrun.signature import Target


def scenes(count: int = 30, *, side: int = 48, noise: float = 0.0, split: str = "train", seed: int = 0) -> Any:
    streams = {name: np.random.default_rng([seed, place]) for place, name in enumerate(("digits", "scenes"))}
    return draw_scenes(count, side=side, noise=noise, split=split, streams=streams)


@pytest.mark.parametrize("side", [16, 40, 48])
def test_digits_are_brighter_than_the_background_and_most_images_have_several(side: int) -> None:
    images, masks = scenes(side=side)
    assert (images.shape, images.dtype) == ((30, side, side, 1), np.uint8)
    assert (masks.shape, masks.dtype) == ((30, side, side), np.uint8)
    assert masks.max() < len(CLASSES)
    digits = images[..., 0][masks > 0]
    assert digits.mean() > images[..., 0][masks == 0].mean() + 60
    several = np.mean([len(np.unique(mask)) > 2 for mask in masks])
    assert several > 0.8 if side == 48 else several == 0 if side == 16 else several > 0


def test_noise_changes_pixels_by_its_deviation_and_no_mask() -> None:
    (plain, masks), (noisy, same) = scenes(1), scenes(1, noise=0.1)
    np.testing.assert_array_equal(masks, same)
    inside = (plain > 40) & (plain < 180)  # where no value is cut off
    assert np.std(noisy.astype(float)[inside] - plain[inside]) == pytest.approx(25.5, rel=0.1)


def test_the_digits_of_a_split_are_none_of_another(monkeypatch: pytest.MonkeyPatch) -> None:
    import dlrun.data.digit_scenes as module

    drawn: dict[str, set[bytes]] = {}

    def noted(split: str, random: Any) -> Any:
        inks, labels = original(split, random)
        drawn[split] = {ink.tobytes() for ink in inks}
        return inks, labels

    original = module._digits_of
    monkeypatch.setattr(module, "_digits_of", noted)
    for split in ("train", "validation", "test"):
        scenes(1, split=split)
    assert sum(map(len, drawn.values())) == len(set.union(*drawn.values())) == 1797
    assert [len(digits) for digits in drawn.values()] == [1078, 360, 359]


def test_a_dataset_of_scenes_is_as_described_and_follows_from_its_seed() -> None:
    keys: dict[str, Any] = {"task": "segmentation", "examples": 40, "width": 32}
    source = Synthetic(**keys, validation=0.25)
    described, dataset = source.describe(), source.load()
    assert (described.features, described.target) == (dataset.features, dataset.target)
    assert dataset.target == Target("mask", 11, CLASSES)
    assert described.examples == {name: len(split) for name, split in dataset.splits.items()}
    assert dataset.fingerprint == source.load().fingerprint == fingerprint_of(dataset.splits)
    assert dataset.fingerprint != Synthetic(**keys, validation=0.25, seed=1).load().fingerprint
    same = Synthetic(**keys, validation="test").load()
    assert same.splits["validation"] is same.splits["test"]


def test_an_image_without_room_for_a_digit_is_a_problem_of_the_spec() -> None:
    assert [problem.path for problem in Synthetic(task="segmentation", width=15).problems()] == [("width",)]
    assert list(Synthetic(task="segmentation", width=16).problems()) == []
