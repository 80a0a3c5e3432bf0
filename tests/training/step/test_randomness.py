"""Random numbers that depend only on seed, epoch, example and draw."""

import numpy as np
import pytest

pytestmark = pytest.mark.tensorflow


def test_random_numbers_are_uniform_and_depend_only_on_seed_epoch_example_and_draw() -> None:
    import tensorflow as tf

    from dlrun.training.step.randomness import uniform

    drawn = uniform(tf.range(20_000), seed=3, epoch=tf.constant(2), draws=11).numpy()
    counts = np.histogram(drawn, 256, (0, 1))[0]
    assert (drawn.min(), drawn.max()) >= (0, 0)
    assert drawn.max() < 1
    assert ((counts - counts.mean()) ** 2 / counts.mean()).sum() < 340  # chi-squared, 255 degrees: 1 in 3,000
    columns = np.concatenate([drawn[:-1], drawn[1:]], axis=1)
    assert np.abs(np.corrcoef(columns.T) - np.eye(22)).max() < 0.035
    some = np.array([19_999, 7, 7, 12], np.int32)
    np.testing.assert_array_equal(uniform(some, seed=3, epoch=2, draws=4), drawn[some][:, :4])
    others = [uniform(some, seed=seed, epoch=epoch, draws=11).numpy() for seed, epoch in ((2**32 - 1, 2), (3, 1))]
    assert all((other != drawn[some]).all() for other in others)


def hashed(value: int) -> int:
    value &= 2**32 - 1
    value = (value ^ value >> 16) * 0x7FEB352D & (2**32 - 1)
    value = (value ^ value >> 15) * 0x846CA68B & (2**32 - 1)
    return value ^ value >> 16


def test_random_numbers_equal_the_hash_in_plain_python_and_never_change_between_versions() -> None:
    from dlrun.training.step.randomness import uniform

    for seed, epoch, number in ((7, 3, 5), (2**32 - 1, 0, 2**31 - 1)):
        state = hashed(seed)
        for value in (epoch + 0x9E3779B9, number + 0x85EBCA6B):
            state = hashed(state ^ hashed(value))
        expected = [hashed(state ^ hashed(draw + 0xC2B2AE35)) >> 8 for draw in range(3)]
        drawn = uniform(np.array([number], np.int32), seed=seed, epoch=epoch, draws=3).numpy()[0] * 2**24
        assert drawn.tolist() == expected
    assert hashed(1) == 1753845952
