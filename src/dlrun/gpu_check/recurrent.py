"""Recurrent layers: cuDNN against the CPU, masked and empty sequences, and the export to ONNX."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from dlrun.errors import DlrunError
from dlrun.gpu_check.check import CheckPlace, CheckVerdict, Found
from dlrun.gpu_check.program import DIGITS, train_here

_SAME_VALUE = 1e-4
"""The largest difference of outputs and gradients, as a fraction of the largest of them, in true float32."""
_LENGTHS = (7, 3, 1, 5)


def measure_layers(place: CheckPlace) -> Found:
    """Compute outputs and gradients of recurrent layers on the device with cuDNN, and on the CPU without."""
    import keras
    import numpy as np
    import tensorflow as tf

    from dlrun.models.parts.block_lstm import block_lstm
    from dlrun.training.devices.device import choose_device
    from dlrun.training.step.cudnn import recurrent_layers

    device = choose_device(place.device).names[0]
    tf.config.experimental.enable_tensor_float_32_execution(False)
    inputs = np.random.default_rng(0).normal(size=(len(_LENGTHS), max(_LENGTHS), 3)).astype(np.float32)
    mask = np.arange(max(_LENGTHS)) < np.array(_LENGTHS)[:, None]
    layers = keras.layers
    made: dict[str, Callable[[], Any]] = {
        "lstm": lambda: block_lstm()(8),
        "gru": lambda: layers.GRU(8),
        "bidirectional lstm": lambda: layers.Bidirectional(block_lstm()(8)),
        "all steps": lambda: block_lstm()(8, return_sequences=True),
    }
    found: dict[str, Any] = {"differences": {}, "operations": []}
    for name, make in made.items():
        for given in (None, mask):
            with tf.device("/CPU:0"):
                keras.utils.set_random_seed(1)
                layer = make()
                layer.build(inputs.shape)
            results = []
            for used, where in (("auto", device), (False, "/CPU:0")):
                for each in recurrent_layers(layer):
                    each.use_cudnn = used
                results.append(_outputs_and_gradients(layer, inputs, given, where, found["operations"]))
            key = f"{name}{' masked' if given is not None else ''}"
            found["differences"][key] = max(_difference(a, b) for a, b in zip(*results, strict=True))
    return {**found, "operations": sorted(set(found["operations"])), "device": place.device}


def _outputs_and_gradients(layer: Any, inputs: Any, mask: Any, device: str, operations: list[str]) -> list[Any]:
    """Return outputs, where the mask lets them count, and the gradients of the weights; note cuDNN's operations."""
    import tensorflow as tf

    def compute() -> list[Any]:
        with tf.GradientTape() as tape:
            outputs = layer(tf.constant(inputs), mask=None if mask is None else tf.constant(mask))
            if mask is not None and outputs.shape.rank > 2:
                # cuDNN writes zeros to masked steps, the CPU repeats the last output.
                outputs *= tf.cast(mask, tf.float32)[..., None]
            loss = tf.reduce_sum(outputs**2)
        return [outputs, *tape.gradient(loss, [weight.value for weight in layer.trainable_weights])]

    with tf.device(device):
        function = tf.function(compute, autograph=False)
        graph = function.get_concrete_function().graph
        operations += [each.type for each in graph.get_operations() if "CudnnRNN" in each.type]
        return [each.numpy() for each in function()]


def _difference(mine: Any, other: Any) -> float:
    import numpy as np

    return float(np.abs(mine - other).max() / max(float(np.abs(other).max()), 1e-6))


def judge_layers(found: Found) -> CheckVerdict:
    """Pass if all outputs and gradients are equal up to rounding, and a GPU has computed them with cuDNN."""
    name, largest = max(found["differences"].items(), key=lambda item: item[1])
    problems = [
        f"{each} differs by {difference:.1e}"
        for each, difference in found["differences"].items()
        if not difference <= _SAME_VALUE
    ]
    if found["device"] == "gpu" and not found["operations"]:
        problems.append("the GPU has computed without cuDNN")
    how = "with cuDNN" if found["operations"] else "without cuDNN"
    return CheckVerdict.of(problems, f"{how}, outputs and gradients differ by {largest:.1e} at most ({name})")


def measure_masks(place: CheckPlace) -> Found:
    """Train on token ids: padded at the end, with gaps, and with sequences of padding only."""
    import numpy as np

    generator = np.random.default_rng(0)
    ids = generator.integers(1, 20, (256, 10)).astype(np.int32)
    lengths = generator.integers(1, 11, 256)
    padded = np.where(np.arange(10) < lengths[:, None], ids, 0)
    empty = padded.copy()
    empty[::7] = 0
    found: dict[str, Any] = {"losses": {}, "errors": {}}
    for name, tokens in (("padded", padded), ("left", padded[:, ::-1]), ("empty", empty)):
        path = place.folder / f"{name}.npz"
        np.savez(path, x_train=tokens, y_train=ids[:, 0] % 2)
        config = {
            "name": name,
            "dataset": {"type": "arrays", "path": str(path), "features_kind": "tokens", "test": 0.2},
            "model": {"type": "lstm", "units": [8], "embedding_size": 8, "mask_zero": True, "bidirectional": True},
            "optimizer": "adam",
            "loss": "sparse_categorical_crossentropy",
            "training": {**DIGITS["training"], "epochs": 2},
        }
        try:
            found["losses"][name] = train_here(place, config)["result"]["test"]["loss"]
        except DlrunError as error:
            found["errors"][name] = error.what
    return found


def judge_masks(found: Found) -> CheckVerdict:
    """Pass if all three trained to a finite loss."""
    problems = [f"{name} sequences: {reason}" for name, reason in found["errors"].items()]
    problems += [f"{name} sequences: the loss is {loss}" for name, loss in found["losses"].items() if not loss < 1e3]
    return CheckVerdict.of(problems, "trained on sequences padded right and left, and on sequences of padding only")


def need_onnx(place: CheckPlace) -> str:  # noqa: ARG001  the signature of `Check.hindrance`
    """Return which packages of the extra `onnx` are missing."""
    from dlrun.errors import UsageError
    from dlrun.exporting.formats import find_format

    try:
        find_format("onnx", None)
    except UsageError as error:
        return error.what
    return ""


def measure_export(place: CheckPlace) -> Found:
    """Train a bidirectional LSTM and export it to ONNX; the export compares its predictions with dlrun's."""
    from dlrun.exporting.export import export

    model = {"type": "lstm", "units": [16], "bidirectional": True}
    record = train_here(place, {**DIGITS, "model": model}, "training.epochs=2")
    made = export(record["id"], to="onnx", output=place.folder / "model.onnx", runs_dir=place.folder / "runs")
    return {
        "device": record["device"]["value"],
        "examples": made.measured.examples,
        "difference": made.measured.relative_difference,
        "bytes": made.bytes,
    }


def judge_export(found: Found) -> CheckVerdict:
    """Pass if ONNX Runtime predicts as dlrun does; an export that does not has failed already."""
    problems = [] if found["examples"] else ["the export was compared on no example"]
    what = f"bidirectional LSTM trained on {found['device']}; on {found['examples']} examples ONNX Runtime differs by"
    return CheckVerdict.of(problems, f"{what} {found['difference']:.1e}")
