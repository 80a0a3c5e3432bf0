"""Stochastic depth: which part of the examples skips a block, and what the others get."""

import numpy as np
import pytest

from dlrun.models.parts.stochastic_depth import StochasticDepthKey


def test_the_probability_rises_linearly_to_that_of_the_last_block() -> None:
    keys = StochasticDepthKey(stochastic_depth=0.4)
    assert [keys.skip_rate(number, 4) for number in (1, 2, 3, 4)] == pytest.approx([0.1, 0.2, 0.3, 0.4])


@pytest.mark.tensorflow
def test_whole_examples_are_skipped_in_training_and_none_in_predictions() -> None:
    import keras

    from dlrun.models.parts.stochastic_depth import skip_at_random

    inputs = keras.Input((3, 2))
    assert skip_at_random(inputs, 0.0, name="block") is inputs
    model = keras.Model(inputs, skip_at_random(inputs, 0.25, name="block"))
    branch = np.random.default_rng(0).normal(size=(4000, 3, 2)).astype("float32")
    np.testing.assert_array_equal(model(branch), branch)
    given = np.asarray(model(branch, training=True))
    kept = np.any(given, axis=(1, 2))
    np.testing.assert_allclose(given[kept], branch[kept] / 0.75, rtol=1e-6)
    assert abs(kept.mean() - 0.75) < 0.03
    assert [layer.name for layer in model.layers][1:] == ["block_stochastic_depth"]
