"""The chosen precision can be trained on the chosen device."""

import pytest

pytestmark = pytest.mark.tensorflow


@pytest.mark.parametrize(("first", "precision"), [("conv", "float32"), ("rotation", "bfloat16")])
def test_16_bits_are_not_chosen_for_layers_without_a_16_bit_gradient(
    first: str, precision: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    import keras

    from dlrun.runs.record import Choice
    from dlrun.spec.types import Training
    from dlrun.training.devices import device

    monkeypatch.setattr(device, "cpu_has_amx", lambda: True)
    layers = [keras.layers.Conv2D(4, 3, name="conv"), keras.layers.RandomRotation(0.1, name="rotation")]
    ordered = layers if first == "conv" else layers[::-1]
    model = keras.Sequential([keras.Input((8, 8, 3)), *ordered])
    cpu = device.Device(("/CPU:0",), Choice(value="cpu", reason="asked for"))
    assert device.choose_precision(Training(), cpu, lambda: model).value == precision
