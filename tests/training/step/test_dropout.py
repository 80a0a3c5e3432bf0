"""The dropout that XLA computes quickly is random enough, and otherwise equals Keras' dropout."""

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

pytestmark = pytest.mark.tensorflow

Array = npt.NDArray[Any]
RATE, STEPS, SHAPE = 0.3, 400, (32, 50)


def model_of(*layers: Any) -> Any:
    import keras

    inputs = keras.Input(SHAPE[1:])
    tensor = inputs
    for layer in layers:
        tensor = layer(tensor)
    return keras.Model(inputs, tensor)


def drawn(layer: Any, *, xla: bool, steps: int = STEPS) -> Array:
    """Return the layer's outputs for ones in several training steps."""
    import tensorflow as tf

    @tf.function(jit_compile=xla)  # type: ignore[untyped-decorator, unused-ignore]
    def step() -> Any:
        return layer(tf.ones(SHAPE), training=True)

    return np.stack([step().numpy() for _ in range(steps)])


def hashed(seed: int) -> Any:
    import keras

    from dlrun.training.step.dropout import exchange_dropout, use_hashed_dropout

    layer = keras.layers.Dropout(RATE, seed=seed)
    model = model_of(layer)
    exchange_dropout(model)
    use_hashed_dropout(model, on=True)
    return layer


def test_dropout_drops_at_its_rate_in_every_position_and_step() -> None:
    found = drawn(hashed(seed=1), xla=False)
    assert set(np.unique(found)) == {0.0, np.float32(1) / np.float32(1 - RATE)}
    dropped = found == 0
    for axes in ((0, 1, 2), (0, 1), (0, 2), (1, 2), 0):
        means = dropped.mean(axis=axes)
        deviation = np.sqrt(RATE * (1 - RATE) * means.size / dropped.size)
        assert np.abs(means - RATE).max() < 5 * deviation, axes
        if means.size > 1:
            assert means.std() == pytest.approx(deviation, rel=6 / np.sqrt(2 * means.size)), axes


def test_dropout_masks_are_independent_across_positions_steps_and_layers() -> None:
    first, second = (drawn(hashed(seed), xla=False) == 0 for seed in (1, 2))
    pairs = {"steps": (first[1:], first[:-1]), "rows": (first[:, 1:], first[:, :-1]), "layers": (first, second)}
    pairs["places"] = first[..., 1:], first[..., :-1]
    # One step's numbers at places further on must not be another's.
    for by in (1, 2, 3):
        pairs[f"shifted by {by}"] = (
            first[1:].reshape(STEPS - 1, -1)[:, by:],
            first[:-1].reshape(STEPS - 1, -1)[:, :-by],
        )
    for name, (one, other) in pairs.items():
        found = np.corrcoef(one.reshape(-1), other.reshape(-1))[0, 1]
        assert abs(found) < 5 / np.sqrt(one.size), name
    assert len({step.tobytes() for step in first}) == STEPS


def test_xla_drops_the_same_values_and_a_restored_state_repeats_them() -> None:
    plain, compiled = hashed(seed=3), hashed(seed=3)
    expected = drawn(plain, xla=False, steps=6)
    assert (drawn(compiled, xla=True, steps=3) == expected[:3]).all()
    state = np.asarray(compiled.seed_generator.state)
    assert (drawn(compiled, xla=True, steps=3) == expected[3:]).all()
    compiled.seed_generator.state.assign(state)
    assert (drawn(compiled, xla=True, steps=3) == expected[3:]).all()


def test_without_the_hash_and_outside_training_dropout_is_keras_own() -> None:
    import keras
    import tensorflow as tf

    from dlrun.training.step.dropout import use_hashed_dropout

    layer = hashed(seed=4)
    assert (layer(tf.ones(SHAPE), training=False).numpy() == 1).all()
    use_hashed_dropout(model_of(layer), on=False)
    assert (drawn(layer, xla=False, steps=3) == drawn(keras.layers.Dropout(RATE, seed=4), xla=False, steps=3)).all()


@pytest.mark.parametrize("xla", [False, True])
def test_a_scheduled_rate_follows_the_steps_of_the_optimizer(xla: bool) -> None:
    import keras

    from dlrun.schedules import FlatCos
    from dlrun.system.keras_internals import steps_taken
    from dlrun.training.step.dropout import schedule_dropout, use_hashed_dropout

    layer = hashed(seed=5)
    model = model_of(layer)
    use_hashed_dropout(model, on=xla)
    model.compile(keras.optimizers.SGD())
    schedule_dropout(model, FlatCos(), steps_per_epoch=10, total_steps=100)
    expected = drawn(keras.layers.Dropout(RATE, seed=5), xla=False, steps=3)
    found = drawn(layer, xla=xla, steps=3)
    # In the flat part it is Keras' dropout, and so are its random numbers without XLA.
    assert (found == expected).all() or xla
    for step, rate in ((50, RATE), (75, RATE / 2), (100, 0)):
        steps_taken(model.optimizer).assign(step)
        found = drawn(layer, xla=xla, steps=20)
        assert (found == 0).mean() == pytest.approx(rate, abs=0.015)
        np.testing.assert_allclose(found.max(), 1 / (1 - rate), rtol=1e-6)
    assert layer.get_config()["rate"] == RATE


def test_only_keras_own_dropout_is_replaced_and_keeps_its_name() -> None:
    import keras

    from dlrun.training.step.dropout import exchange_dropout

    class Mine(keras.layers.Dropout):  # type: ignore[misc, unused-ignore]  # Keras has no types
        pass

    layers = [keras.layers.Dropout(0.1), Mine(0.1), keras.layers.GaussianDropout(0.1)]
    before = [type(layer) for layer in layers]
    exchange_dropout(model_of(*layers))
    assert [type(layer) is kind for layer, kind in zip(layers, before, strict=True)] == [False, True, True]
    assert type(layers[0]).__name__ == "Dropout"
