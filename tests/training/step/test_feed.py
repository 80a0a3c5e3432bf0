from typing import Any

import numpy as np
import pytest

from dlrun.data import ArrayPreprocess, Split
from dlrun.signature import Features, Target
from dlrun.spec.types import Training

pytestmark = pytest.mark.tensorflow


def test_an_epochs_order_is_a_permutation_that_depends_only_on_seed_and_epoch() -> None:
    from dlrun.training.step.feed import epoch_order

    first = epoch_order(1000, seed=1, epoch=0, shuffle=True)
    assert sorted(first) == list(range(1000))
    np.testing.assert_array_equal(first, epoch_order(1000, seed=1, epoch=0, shuffle=True))
    others = [epoch_order(1000, seed=seed, epoch=epoch, shuffle=True) for seed, epoch in ((1, 1), (2, 0), (0, 1))]
    assert all((first != other).any() for other in others)
    np.testing.assert_array_equal(epoch_order(5, seed=1, epoch=3, shuffle=False), np.arange(5))


def test_an_epochs_order_never_changes_between_versions() -> None:
    from dlrun.training.step.feed import epoch_order

    assert epoch_order(10, seed=7, epoch=3, shuffle=True).tolist() == [8, 4, 5, 3, 6, 0, 9, 7, 1, 2]


def feed(split: Split, target: Target, class_weight: object = None) -> Any:
    from dlrun.training.step.feed import Feed, class_weights

    preprocess = ArrayPreprocess(raw_shape=split.features.shape[1:], scale=0.5).build()
    weights = class_weights(split, target, Training.model_validate({"class_weight": class_weight}))
    return Feed(split, target=target, preprocess=preprocess, class_weight=weights)


def batch(feed: Any, indices: Any) -> Any:
    (step_range,) = feed.step_ranges(np.array(indices, dtype=np.int32), batch_size=len(indices), last_step=1)
    return feed.batch(step_range.rows[0], step_range.order)


@pytest.mark.parametrize(
    ("target", "stored", "expected"),
    [
        (Target("classes", 3, encoding="index"), [2, 0], [2, 0]),
        (Target("classes", 3, encoding="one_hot"), [2, 0], [[0, 0, 1], [1, 0, 0]]),
        (Target("classes", 2, encoding="binary"), [1, 0], [[1], [0]]),
        (Target("values", 1, encoding="value"), [1.5, 2.5], [[1.5], [2.5]]),
        (Target("values", 2, encoding="value"), [[1.0, 2.0], [3.0, 4.0]], [[1, 2], [3, 4]]),
    ],
)
def test_targets_are_encoded_in_the_form_that_the_loss_takes(
    target: Target, stored: list[object], expected: list[object]
) -> None:
    split = Split(np.array([[2], [4]], dtype=np.uint8), np.array(stored))
    features, encoded = batch(feed(split, target), [0, 1])
    np.testing.assert_array_equal(features, [[1.0], [2.0]])
    np.testing.assert_array_equal(encoded, expected)
    assert encoded.dtype == ("int32" if target.encoding == "index" else "float32")


def test_an_autoencoders_target_is_its_preprocessed_input() -> None:
    split = Split(np.array([[2], [4]], dtype=np.uint8))
    features, target = batch(feed(split, Target.of_input(Features("vector", (1,)))), [1])
    assert float(features[0, 0]) == float(target[0, 0]) == 2.0


def test_balanced_class_weights_give_every_class_the_same_total() -> None:
    labels = np.array([0] * 6 + [1] * 3 + [2])
    *_, weights = batch(feed(Split(np.zeros((10, 1)), labels), Target("classes", 3), "balanced"), range(10))
    sums = [float(np.sum(np.asarray(weights)[labels == label])) for label in range(3)]
    np.testing.assert_allclose(sums, [10 / 3] * 3, rtol=1e-6)


def test_class_weights_by_name_multiply_sample_weights() -> None:
    target = Target("classes", 2, class_names=("cat", "dog"))
    split = Split(np.zeros((2, 1)), np.array([0, 1]), np.array([1.0, 0.5], dtype=np.float32))
    *_, weights = batch(feed(split, target, {"dog": 3.0}), [0, 1])
    np.testing.assert_allclose(weights, [1.0, 1.5])


@pytest.mark.parametrize("first_step", [0, 3])
def test_batches_gathered_ahead_equal_those_from_examples_on_the_device(
    first_step: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    import dlrun.training.step.feed as module

    monkeypatch.setattr(module, "CHUNK_BYTES", 100)  # two batches
    generator = np.random.default_rng(0)
    split = Split(generator.integers(0, 255, (45, 5), dtype=np.uint8), np.arange(45) % 3, np.ones(45, np.float32))
    order = module.epoch_order(45, seed=0, epoch=0, shuffle=True)
    batches: list[list[Any]] = []
    for resident in (True, False):
        preprocess = ArrayPreprocess(raw_shape=(5,), scale=0.5).build()
        fed = module.Feed(split, target=Target("classes", 3), preprocess=preprocess, resident=resident)
        step_ranges = list(fed.step_ranges(order, batch_size=6, first_step=first_step, last_step=8))
        assert (len(step_ranges) == 1) == resident
        assert [step_range.last_step for step_range in step_ranges][-1] == 8
        found: list[Any] = []
        for step_range in step_ranges:
            for step in range(step_range.first_step, step_range.last_step):
                begin = 6 * (step - step_range.first_step + step_range.offset)
                indices = step_range.order[begin : begin + min(6, 45 - 6 * step)]
                found.append([np.asarray(part) for part in fed.batch(step_range.rows[0], indices)])
        batches.append(found)
    assert len(batches[0]) == len(batches[1]) == 8 - first_step
    for resident_batch, gathered in zip(*batches, strict=True):
        for one, other in zip(resident_batch, gathered, strict=True):
            np.testing.assert_array_equal(one, other)


def test_an_error_while_gathering_reaches_the_training_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    import dlrun.training.step.feed as module

    preprocess = ArrayPreprocess(raw_shape=(1,), scale=0.5).build()
    split = Split(np.zeros((4, 1), np.uint8), np.zeros(4, np.int64))
    fed = module.Feed(split, target=Target("classes", 2), preprocess=preprocess, resident=False)
    monkeypatch.setattr(fed, "_on_device", lambda _: (_ for _ in ()).throw(MemoryError("no room")))
    with pytest.raises(MemoryError, match="no room"):
        list(fed.step_ranges(np.arange(4, dtype=np.int32), batch_size=2, last_step=2))
