import numpy as np
import pytest

from dlrun.models.transformer.positions import sinusoids


def test_the_waves_are_those_of_the_paper() -> None:
    table = sinusoids(50, 7)
    for step, place in ((0, 0), (3, 0), (3, 1), (49, 4), (49, 5), (20, 6)):
        angle = step / 10_000 ** ((place // 2 * 2) / 7)
        assert table[step, place] == pytest.approx(np.cos(angle) if place % 2 else np.sin(angle), abs=1e-6)


@pytest.mark.tensorflow
@pytest.mark.parametrize("kind", ["learned", "sinusoidal"])
def test_what_is_exported_is_what_is_trained(kind: str) -> None:
    import keras

    from dlrun.models.transformer import positions

    layer = {"learned": positions.learned_positions, "sinusoidal": positions.sinusoidal_positions}[kind]()()
    inputs = keras.Input((4, 6))
    model = keras.Model(inputs, layer(inputs))
    plain = keras.Model(inputs, layer.in_plain_layers(inputs))
    steps = np.random.default_rng(0).normal(size=(2, 4, 6)).astype("float32")
    np.testing.assert_array_equal(plain(steps), model(steps))
    assert not np.array_equal(model(steps), steps)
