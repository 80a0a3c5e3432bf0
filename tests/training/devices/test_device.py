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


@pytest.mark.parametrize(
    ("capability", "activation", "precision"),
    [
        ((8, 0), "relu", "bfloat16"),
        ((9, 0), "relu", "bfloat16"),
        ((8, 0), "mish", "float32"),
        ((7, 5), "mish", "float16"),
        ((6, 1), "relu", "float32"),
        (None, "relu", "float32"),
    ],
)
def test_a_gpu_computes_in_the_precision_of_its_generation_if_it_has_all_kernels(
    capability: tuple[int, int] | None, activation: str, precision: str
) -> None:
    import keras

    from dlrun.runs.record import Choice
    from dlrun.spec.types import Training
    from dlrun.training.devices.device import Device, choose_precision

    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(3, activation=activation)])
    gpu = Device(("/GPU:0",), Choice(value="gpu:0 (card)", reason="there is one"), capability)
    choice = choose_precision(Training(), gpu, lambda: model)
    assert choice.value == precision
    assert ("mish" in choice.reason) == (precision == "float32" and activation == "mish")


@pytest.mark.parametrize(
    ("wanted", "visible", "label"),
    [
        ("gpu:1", [1], "gpu:1 (card)"),
        ("auto", [0, 1], "gpu:0 (card)"),
        ("gpu:0,1", [0, 1], "gpu:0,1 (card)"),
        ("gpu:1", [0, 1], None),
        ("cpu", [0], None),
    ],
)
def test_in_a_process_where_tensorflow_has_started_no_other_device_is_used_in_silence(
    wanted: str, visible: list[int], label: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    import tensorflow as tf

    from dlrun.errors import RunError
    from dlrun.training.devices.device import choose_device

    cards = ["card 0", "card 1"]

    def refuse(*_: object, **__: object) -> None:
        raise RuntimeError("Visible devices cannot be modified after being initialized")

    monkeypatch.setattr(tf.config, "list_physical_devices", lambda _: cards)
    monkeypatch.setattr(tf.config, "set_visible_devices", refuse)
    monkeypatch.setattr(tf.config, "get_visible_devices", lambda _: [cards[index] for index in visible])
    details = {"device_name": "card", "compute_capability": (9, 0)}
    monkeypatch.setattr(tf.config.experimental, "get_device_details", lambda _: details)
    monkeypatch.setenv("CUDA_DEVICE_ORDER", "PCI_BUS_ID")
    if label is None:
        with pytest.raises(RunError, match="can no longer change its device"):
            choose_device(wanted)
    else:
        assert choose_device(wanted).choice.value == label
