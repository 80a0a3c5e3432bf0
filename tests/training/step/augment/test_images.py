"""Augmentation: each change is correct, and random numbers depend only on (seed, epoch, example)."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dlrun.data import ArrayPreprocess, Split
from dlrun.data.augmentation import Augmentation
from dlrun.signature import Target

pytestmark = pytest.mark.tensorflow


NUMBERS = np.arange(400, dtype=np.int32)


def augment(shape: tuple[int, ...] = (9, 9, 1), seed: int = 0, **keys: Any) -> Any:
    from dlrun.training.step.augment.images import ImageAugment

    low, high = np.zeros(shape[-1]), np.ones(shape[-1])
    return ImageAugment(Augmentation.model_validate(keys), shape, low=low, high=high, seed=seed)


def changed(images: Any, *, epoch: int = 0, numbers: Any = NUMBERS, **keys: Any) -> Any:
    images = np.asarray(images, np.float32)
    return np.asarray(augment(images.shape[1:], **keys).changed(images, numbers, np.int32(epoch)))


def noise(*shape: int, seed: int = 0) -> Any:
    return np.random.default_rng(seed).random(shape, dtype=np.float32)


@pytest.mark.parametrize(
    ("flip", "axes"), [("horizontal", [(), (2,)]), ("vertical", [(), (1,)]), ("both", [(), (1,), (2,), (1, 2)])]
)
def test_a_flip_mirrors_exactly_and_both_directions_are_equally_frequent(
    flip: str, axes: list[tuple[int, ...]]
) -> None:
    images = noise(400, 5, 6, 3)
    found = changed(images, flip=flip)
    matches = [(found == np.flip(images, axis)).all(axis=(1, 2, 3)) for axis in axes]
    assert np.sum(matches, axis=0).tolist() == [1] * 400
    assert all(abs(match.mean() - 1 / len(axes)) < 0.08 for match in matches)


def centre_of(image: Any) -> Any:
    rows, columns = np.mgrid[: image.shape[0], : image.shape[1]]
    mass = image[..., 0] - image.min()
    return np.array([(rows * mass).sum(), (columns * mass).sum()]) / mass.sum()


def dot(row: int, column: int, side: int = 41) -> Any:
    image = np.zeros((side, side, 1), np.float32)
    image[row - 1 : row + 2, column - 1 : column + 2] = 1
    return np.repeat(image[None], 400, axis=0)


def test_a_rotation_moves_a_dot_on_its_circle_up_to_the_largest_angle() -> None:
    centres = np.array([centre_of(image) for image in changed(dot(20, 32), rotation=40)]) - 20
    angles = np.degrees(np.arctan2(centres[:, 0], centres[:, 1]))
    np.testing.assert_allclose(np.hypot(*centres.T), 12, atol=0.3)
    assert -40.5 < angles.min() < -38
    assert 38 < angles.max() < 40.5
    assert abs(angles.mean()) < 3


def test_a_half_turn_is_exact(monkeypatch: pytest.MonkeyPatch) -> None:
    import tensorflow as tf

    import dlrun.training.step.augment.augment as module

    monkeypatch.setattr(module, "uniform", lambda numbers, **_: tf.ones((len(numbers), 14)))
    images = noise(3, 6, 8, 2)
    np.testing.assert_allclose(changed(images, numbers=NUMBERS[:3], rotation=180), images[:, ::-1, ::-1], atol=1e-5)


def test_translation_and_zoom_move_a_dot_within_their_limits() -> None:
    shifts = np.array([centre_of(image) for image in changed(dot(20, 20), translation=0.25)]) - 20
    assert np.abs(shifts).max() <= 0.25 * 41 + 0.1
    assert np.abs(shifts).max(axis=0).min() > 9.5
    assert abs(np.corrcoef(shifts.T)[0, 1]) < 0.15
    zoomed = np.array([centre_of(image) for image in changed(dot(20, 30), zoom=0.2)]) - 20
    assert np.abs(zoomed[:, 0]).max() < 0.1
    assert 7.8 < zoomed[:, 1].min() < 8.3
    assert 11.7 < zoomed[:, 1].max() < 12.2


def test_contrast_keeps_the_mean_and_brightness_the_differences_both_within_the_range() -> None:
    images = 0.4 + 0.2 * noise(400, 6, 6, 3)
    found = changed(images, contrast=0.5)
    np.testing.assert_allclose(found.mean(axis=(1, 2)), images.mean(axis=(1, 2)), atol=1e-5)
    factors = found.std(axis=(1, 2)) / images.std(axis=(1, 2))
    np.testing.assert_allclose(factors, factors[:, :1].repeat(3, axis=1), rtol=1e-3)
    assert 0.5 <= factors.min() < 0.53
    assert 1.47 < factors.max() <= 1.501
    shifts = changed(images, brightness=0.3) - images
    np.testing.assert_allclose(shifts, shifts[:, :1, :1, :1] * np.ones_like(shifts), atol=1e-6)
    assert -0.301 < shifts.min() < -0.28
    assert 0.28 < shifts.max() < 0.301
    both = changed(noise(400, 6, 6, 3), contrast=1.0, brightness=1.0)
    assert both.min() == 0
    assert both.max() == 1


def test_cutout_blanks_one_square_with_the_middle_of_the_range() -> None:
    found = changed(np.zeros((400, 20, 30, 3)), cutout=0.5)
    assert set(np.unique(found)) == {0.0, 0.5}
    for image in found:
        rows, columns = np.nonzero(image[..., 0])
        height, width = np.ptp(rows) + 1, np.ptp(columns) + 1
        assert len(rows) == height * width
        assert min(height, width) >= 5
        assert max(height, width) <= 10
    assert (np.count_nonzero(found[..., 0], axis=(1, 2)) == 100).mean() > 0.2


ALL: dict[str, Any] = {
    "flip": "both", "rotation": 15, "translation": 0.1, "zoom": 0.1, "contrast": 0.3, "brightness": 0.2, "cutout": 0.3,
}  # fmt: skip


def test_augmentation_depends_on_seed_and_epoch_but_not_on_the_position_in_a_batch() -> None:
    images = np.repeat(noise(1, 12, 12, 3), 50, axis=0)
    whole = changed(images, numbers=NUMBERS[:50], **ALL)
    order = np.random.default_rng(0).permutation(50)
    parts = [changed(images[part], numbers=NUMBERS[part], **ALL) for part in np.split(order, [1, 18, 35])]
    np.testing.assert_array_equal(np.concatenate(parts), whole[order])
    assert len(np.unique(whole.reshape(50, -1), axis=0)) == 50
    for other in (
        changed(images, numbers=NUMBERS[:50], epoch=1, **ALL),
        changed(images, numbers=NUMBERS[:50], seed=1, **ALL),
    ):
        assert (np.abs(other - whole).max(axis=(1, 2, 3)) > 0.01).all()


@pytest.mark.parametrize("alpha", [0.1, 0.4, 1.0, 3.0])
def test_the_smaller_part_has_the_distribution_of_mixup(alpha: float) -> None:
    from dlrun.training.step.randomness import drawn_from, smaller_parts

    drawn = np.asarray(drawn_from(smaller_parts(alpha), noise(200_000)))
    expected = np.random.default_rng(1).beta(alpha, alpha, 200_000)
    expected = np.minimum(expected, 1 - expected)
    levels = np.linspace(0.05, 0.95, 19)
    np.testing.assert_allclose(np.quantile(drawn, levels), np.quantile(expected, levels), atol=6e-3)
    assert 0 <= drawn.min() <= drawn.max() <= 0.5


def feed(augmentation: dict[str, Any], target: Target, *, resident: bool = True, weights: Any = None) -> Any:
    from dlrun.training.step.feed import Feed

    random = np.random.default_rng(0)
    stored = {"classes": np.arange(40) % 3, "values": random.normal(size=40), "input": None}[target.kind]
    split = Split(random.integers(0, 256, (40, 8, 8, 3), dtype=np.uint8), stored, weights)
    preprocess = ArrayPreprocess((8, 8, 3), scale=1 / 255).build()
    changing = augment((8, 8, 3), **augmentation)
    return Feed(split, target=target, preprocess=preprocess, resident=resident, augment=changing)


def batches(fed: Any, order: Any, size: int, epoch: int = 2) -> list[Any]:
    steps = -(-len(order) // size)
    found = []
    for step_range in fed.step_ranges(np.asarray(order, np.int32), batch_size=size, last_step=steps, epoch=epoch):
        for step in range(step_range.first_step, step_range.last_step):
            begin = size * (step - step_range.first_step + step_range.offset)
            indices = step_range.order[begin : begin + min(size, len(order) - size * step)]
            found.append([np.asarray(part) for part in fed.batch(step_range.rows[0], indices, epoch=step_range.epoch)])
    return found


ONE_HOT = Target("classes", 3, encoding="one_hot")


def test_mixup_mixes_images_targets_and_weights_with_the_previous_example() -> None:
    order, weights = np.array([4, 9, 2, 7]), np.arange(1, 41, dtype=np.float32)
    ((plain, target, own),) = batches(feed({"flip": "both"}, ONE_HOT, weights=weights), order, 4)
    ((mixed, soft, shared),) = batches(feed({"flip": "both", "mixup": 0.5}, ONE_HOT, weights=weights), order, 4)
    part = (mixed - plain).reshape(4, -1)[:, 0] / (np.roll(plain, 1, axis=0) - plain).reshape(4, -1)[:, 0]
    assert ((part >= 0) & (part <= 0.5)).all()
    assert len(set(part.tolist())) == 4
    for values, expected in ((mixed, plain), (soft, target), (shared, own)):
        share = part.reshape(-1, *[1] * (values.ndim - 1))
        np.testing.assert_allclose(values, (1 - share) * expected + share * np.roll(expected, 1, axis=0), atol=1e-5)


@pytest.mark.parametrize("both", [False, True])
def test_cutmix_replaces_a_rectangle_and_mixes_target_and_weight_by_its_area(both: bool) -> None:
    weights = np.arange(1, 41, dtype=np.float32)
    keys = {"cutmix": 1.0, "mixup": 0.4} if both else {"cutmix": 1.0}
    ((plain, target, own),) = batches(feed({"flip": "both"}, ONE_HOT, weights=weights), np.arange(40), 40)
    ((mixed, soft, shared),) = batches(feed({"flip": "both", **keys}, ONE_HOT, weights=weights), np.arange(40), 40)
    before = np.roll(plain, 1, axis=0)
    inside = np.any(mixed != plain, axis=-1)
    is_cut = np.array(
        [np.array_equal(image[where], other[where]) for image, where, other in zip(mixed, inside, before, strict=True)]
    )
    assert is_cut.all() != both
    assert is_cut.any()
    for number in np.flatnonzero(is_cut):
        rows, columns = np.nonzero(inside[number])
        if len(rows):  # an area of less than a pixel leaves the image as it is
            assert len(rows) == (np.ptp(rows) + 1) * (np.ptp(columns) + 1)
        part = len(rows) / 64
        assert part <= (6 / 8) ** 2  # half of the area, with its sides rounded
        for values, expected in ((soft, target), (shared, own)):
            mixture = (1 - part) * expected[number] + part * expected[number - 1]
            np.testing.assert_allclose(values[number], mixture, rtol=1e-5)


@pytest.mark.parametrize(
    "target", [ONE_HOT, Target("values", 1, encoding="value"), Target("input", 192, encoding="value")]
)
def test_batches_are_equal_from_device_and_host_and_in_parts(target: Target, monkeypatch: pytest.MonkeyPatch) -> None:
    import tensorflow as tf

    import dlrun.training.step.feed as module

    monkeypatch.setattr(module, "CHUNK_BYTES", 5000)
    keys = {**ALL, "mixup": 0.3, "cutmix": 1.0}
    order = np.random.default_rng(3).permutation(40)
    device, host = (batches(feed(keys, target, resident=resident), order, 9) for resident in (True, False))
    for one, other in zip(device, host, strict=True):
        for mine, its in zip(one, other, strict=True):
            np.testing.assert_array_equal(mine, its)
    if target.kind == "input":
        np.testing.assert_array_equal(device[0][0], device[0][1])
    fed = feed(keys, target)
    (step_range,) = fed.step_ranges(order.astype(np.int32), batch_size=40, last_step=1)
    indices, parts = step_range.order[:9], []
    for first, last in ((0, 4), (4, 5), (5, 9)):
        before = tf.roll(indices, 1, axis=0)[first : first + 1]
        parts.append(fed.batch(step_range.rows[0], indices[first:last], epoch=2, before=before))
    for whole, *pieces in zip(device[0], *parts, strict=True):
        np.testing.assert_array_equal(whole, np.concatenate(pieces))


def test_evaluation_does_not_augment(tmp_path: Path) -> None:
    from dlrun.spec.parse import read_spec
    from dlrun.training.progress.events import silent
    from dlrun.training.setup import assemble

    (tmp_path / "spec.yaml").write_text(
        "dataset: {type: builtin, name: digits, augmentation: {brightness: 1.0}, validation: 0.1}\n"
        "model: {type: mlp, units: [4]}\nloss: sparse_categorical_crossentropy\n"
    )
    setup = assemble(read_spec(tmp_path / "spec.yaml"), listener=silent)
    order = np.arange(8, dtype=np.int32)
    for split, fed in (
        ("train", setup.training_feed()),
        ("validation", setup.evaluator("validation")._steps.feed),
    ):
        (step_range,) = fed.step_ranges(order, batch_size=8, last_step=1)
        same = (
            np.asarray(fed.batch(step_range.rows[0], step_range.order)[0])
            == setup.dataset.splits[split].features[:8] / 16
        )
        assert same.all() == (split == "validation")


def test_the_range_of_pixel_values_follows_from_the_scale_or_the_data() -> None:
    images = np.array([[[[2.0, 4.0]]], [[[6.0, 5.0]]]])
    low, high = ArrayPreprocess((1, 1, 2)).value_range(images)
    assert (low.tolist(), high.tolist()) == ([2, 2], [6, 6])
    scaled = ArrayPreprocess((1, 1, 2), scale=1 / 255, mean=(0.5, 0.25), variance=(0.25, 1.0))
    low, high = scaled.value_range(images)
    assert (low.tolist(), high.tolist()) == ([-1, -0.25], [1, 0.75])


MIXED_AND_MOVED = "{type: builtin, name: digits, augmentation: {mixup: 0.2, zoom: 0.1}}"


MIXED = "{type: builtin, name: digits, augmentation: {mixup: 0.2, flip: both}}"


@pytest.mark.parametrize(
    ("dataset", "loss", "said"),
    [
        ("{type: builtin, name: wine, augmentation: {flip: both}}", "sparse_categorical_crossentropy", ["kind vector"]),
        ("{type: builtin, name: wine, augmentation: {}}", "sparse_categorical_crossentropy", []),
        (MIXED_AND_MOVED, "sparse_categorical_crossentropy", ["mixup mixes targets", "training.jit is on"]),
        (MIXED, "categorical_crossentropy", []),
        (MIXED.replace("mixup", "cutmix"), "sparse_categorical_crossentropy", ["cutmix mixes targets"]),
    ],
)
def test_augmentation_that_does_not_fit_is_a_problem_of_the_spec(
    tmp_path: Path, dataset: str, loss: str, said: list[str]
) -> None:
    from dlrun.errors import SpecError
    from dlrun.spec.parse import read_spec

    text = f"dataset: {dataset}\nmodel: {{type: mlp, units: [4]}}\nloss: {loss}\ntraining: {{jit: on}}\n"
    (tmp_path / "spec.yaml").write_text(text)
    found: list[str] = []
    try:
        read_spec(tmp_path / "spec.yaml")
    except SpecError as error:
        found = [problem.what for problem in error.problems]
    assert len(found) == len(said)
    assert all(part in what for part, what in zip(said, found, strict=True))


@pytest.mark.parametrize(
    "keys",
    [{"flip": "both"}, {"rotation": 30}, {"flip": "horizontal", "rotation": 90, "zoom": 0.2, "translation": 0.2}],
)
def test_a_mask_moves_as_its_image_does(keys: dict[str, Any]) -> None:
    """Images that equal their masks, of large blocks, whose pixels keep their values except beside an edge."""
    masks = np.kron(np.random.default_rng(0).integers(0, 2, (60, 3, 4), np.uint8), np.ones((1, 8, 8), np.uint8))
    made = augment((24, 32, 1), **keys)
    images = made.changed(masks[..., None].astype(np.float32), NUMBERS[:60], np.int32(3)).numpy()[..., 0]
    moved = made.changed_mask(masks, NUMBERS[:60], np.int32(3)).numpy()
    assert moved.dtype == np.uint8
    assert (moved != masks).mean() > 0.1
    far = np.abs(images - 0.5) > 0.26  # at a corner, three of the four pixels around may have the other value
    assert far.mean() > 0.9
    np.testing.assert_array_equal(moved[far], np.round(images[far]))
    other = made.changed_mask(masks, NUMBERS[:60], np.int32(4)).numpy()
    assert (other != moved).any()


def test_a_mask_keeps_its_classes_and_is_not_recolored_or_erased() -> None:
    from dlrun.signature import IGNORED_CLASS

    masks = np.random.default_rng(0).choice(np.array([0, 7, IGNORED_CLASS], np.uint8), (20, 9, 9))
    moved = augment((9, 9, 1), rotation=45, zoom=0.3).changed_mask(masks, NUMBERS[:20], np.int32(0)).numpy()
    assert set(np.unique(moved)) == {0, 7, IGNORED_CLASS}
    still = augment((9, 9, 1), brightness=0.5, contrast=0.5, cutout=0.5)
    np.testing.assert_array_equal(still.changed_mask(masks, NUMBERS[:20], np.int32(0)), masks)


@pytest.mark.parametrize("resident", [True, False])
@pytest.mark.parametrize(
    ("encoding", "mixing"),
    [
        ("one_hot", {}),
        ("index", {}),
        ("index", {"cutmix": 1.0}),
        ("one_hot", {"mixup": 0.4}),
        ("one_hot", {"mixup": 0.4, "cutmix": 1.0}),
    ],
)
def test_in_a_batch_an_image_and_its_mask_move_and_mix_together(
    encoding: Any, mixing: dict[str, Any], *, resident: bool
) -> None:
    from dlrun.training.step.feed import Feed

    masks = np.kron(np.random.default_rng(0).integers(0, 2, (8, 4, 4), np.uint8), np.ones((1, 4, 4), np.uint8))
    fed = Feed(
        Split(masks[..., None] * np.uint8(255), masks),
        target=Target("mask", 2).with_encoding(encoding),
        preprocess=ArrayPreprocess((16, 16, 1), scale=1 / 255).build(),
        resident=resident,
        augment=augment((16, 16, 1), flip="both", **mixing),
    )
    ((features, truth),) = batches(fed, [3, 1, 0, 7], 4)
    found = truth[..., 1] if encoding == "one_hot" else truth
    assert found.shape == (4, 16, 16)
    np.testing.assert_allclose(features[..., 0], found, atol=1e-6)
    assert (found != masks[[3, 1, 0, 7]]).any()
    assert ((found > 0) & (found < 1)).any() == ("mixup" in mixing)
