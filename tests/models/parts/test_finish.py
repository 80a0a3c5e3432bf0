"""Predictions match what the metrics receive, for every target, encoding and last activation."""

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from dlrun.decision import CalibrationCurve, Decision
from dlrun.losses import TAKES
from dlrun.metrics.inputs import converter
from dlrun.models.parts.finish import finish_output
from dlrun.signature import Encoding, Features, Target

pytestmark = pytest.mark.tensorflow

Array = npt.NDArray[Any]
GENERATOR = np.random.default_rng(0)
ROWS = 50


def output_of(target: Target) -> Array:
    """What a network whose last layer applies the target's activation may give."""
    import keras

    logits = GENERATOR.normal(scale=3, size=(ROWS, target.units)).astype("float32")
    return np.asarray(keras.activations.get(target.activation)(logits))


def finish(output: Array, target: Target) -> Array:
    import keras

    inputs = keras.Input(output.shape[1:])
    return np.asarray(keras.Model(inputs, finish_output(keras.layers.Identity()(inputs), target))(output))


def seen(form: Any, output: Array, target: Target) -> Array:
    """What a metric of a form gets as the prediction."""
    labels = np.zeros((ROWS, target.size) if target.kind == "labels" else ROWS, "int32")
    truth = np.eye(target.size, dtype="float32")[labels] if target.encoding == "one_hot" else labels
    return np.asarray(converter(form, target)(truth, output)[1])


def ends_of(encoding: Encoding) -> set[str]:
    """Every activation that some loss of the encoding allows."""
    return {end for takes in TAKES.values() if takes.classes == encoding for end in (*takes.ends, takes.head)}


@pytest.mark.parametrize("encoding", ["index", "one_hot", "binary"])
def test_probabilities_of_classes_add_up_to_1_and_match_those_in_metrics(encoding: Encoding) -> None:
    sizes = (2,) if encoding == "binary" else (2, 5)
    assert ends_of(encoding) >= {"linear"}
    for size in sizes:
        for activation in sorted(ends_of(encoding)):
            target = Target("classes", size).with_encoding(encoding, activation)
            output = output_of(target)
            probabilities = finish(output, target)
            told = (encoding, size, activation)
            assert probabilities.shape == (ROWS, size), told
            assert probabilities.dtype == np.float32, told
            if activation != "sparsemax":  # what Keras 3.15 gives for it does not add up to 1, as it should
                assert np.abs(probabilities.sum(axis=1) - 1).max() < 1e-5, told
            assert (probabilities >= 0).all(), told
            assert np.abs(probabilities - seen("index", output, target)).max() < 1e-6, told
            assert (probabilities.argmax(axis=1) == seen("labels", output, target)).all(), told


def test_each_of_several_columns_has_probabilities_that_add_up_to_1() -> None:
    target = Target.of_columns({"a": ("x", "y", "z"), "b": ("0", "1")}).with_encoding("index")
    output = output_of(target)
    probabilities = finish(output, target)
    assert probabilities.shape == (ROWS, 5)
    for part in target.parts:
        alone = finish(output[:, part.places], part.target)
        assert np.abs(probabilities[:, part.places] - alone).max() < 1e-6


def test_probabilities_of_labels_match_those_in_metrics() -> None:
    for activation in sorted(ends_of("binary")):
        for size in (1, 3):
            target = Target("labels", size).with_encoding("binary", activation)
            output = output_of(target)
            probabilities = finish(output, target)
            assert probabilities.shape == (ROWS, size)
            assert ((probabilities >= 0) & (probabilities <= 1)).all(), activation
            assert np.abs(probabilities.reshape(-1, 1) - seen("positive", output, target)).max() < 1e-6, activation


@pytest.mark.parametrize("scale", [(2.0, 0.5), (1e-9, 3e12)], ids=["usual", "tiny and huge"])
def test_values_are_in_their_unit_and_match_those_in_metrics(scale: tuple[float, float]) -> None:
    target = Target("values", 2, encoding="value", mean=(5 * scale[0], -scale[1]), scale=scale)
    output = GENERATOR.normal(size=(ROWS, 2)).astype("float32")
    values = finish(output, target)
    expected = output.astype("float64") * scale + target.mean
    assert np.allclose(values, expected, rtol=1e-5, atol=0)
    # Metrics take the mean off before they go on in float32; so near 0 the two round differently.
    assert (np.abs(values - seen("values", output, target)) <= 1e-6 * 10 * np.array(scale)).all()
    unscaled = target.without_scale()
    assert (finish(output, unscaled) == output).all()


def test_a_reconstruction_is_the_output_of_the_network() -> None:
    target = Target.of_input(Features("image", (4, 4, 1)))
    output = GENERATOR.random((ROWS, 4, 4, 1)).astype("float32")
    assert (finish(output, target) == output).all()


CURVES = (CalibrationCurve((-2.0, -0.5, 1.0), (0.1, 0.2, 0.7)), CalibrationCurve((0.0,), (0.4,)))


@pytest.mark.parametrize(
    ("target", "decision"),
    [
        (Target("classes", 2), Decision((), (1.7,))),
        (Target("classes", 5), Decision((), (0.6,))),
        (Target.of_columns({"kind": ("a", "b", "c"), "wet": ("no", "yes")}), Decision((), (1.7, 0.6))),
    ],
)
def test_a_temperature_divides_the_logits_of_classes(target: Target, decision: Decision) -> None:
    output = output_of(target)
    found = finish(output, target.decided_by(decision))
    for part, temperature in zip(target.parts, decision.temperatures, strict=True):
        shares = np.exp(output[:, part.places] / temperature)
        np.testing.assert_allclose(found[:, part.places], shares / shares.sum(axis=1, keepdims=True), rtol=1e-5)


@pytest.mark.parametrize("encoding", ["index", "binary"])
@pytest.mark.parametrize("decision", [Decision((0.3,), (1.7,)), Decision((), (), CURVES[:1])])
def test_every_last_activation_is_calibrated_like_its_logits(encoding: Encoding, decision: Decision) -> None:
    for activation in sorted(ends_of(encoding) & {"linear", "sigmoid", "softmax", "tanh"}):
        target = Target("classes", 2).with_encoding(encoding, activation)
        output = output_of(target)
        shares = np.clip(finish(output, target)[:, 1].astype(np.float64), 1e-7, 1 - 1e-7)
        odds = np.log(shares) - np.log1p(-shares)
        if decision.curves:
            expected = np.interp(odds, decision.curves[0].logits, decision.curves[0].probabilities)
        else:
            expected = 1 / (1 + np.exp(-odds / decision.temperatures[0]))
        found = finish(output, target.decided_by(decision))
        np.testing.assert_allclose(found[:, 1], expected, atol=2e-4, err_msg=activation)
        np.testing.assert_allclose(found.sum(axis=1), 1, rtol=1e-6)


def test_each_label_has_a_temperature_or_a_curve_of_its_own() -> None:
    target = Target("labels", 2).with_encoding("binary")
    output = output_of(target)
    found = finish(output, target.decided_by(Decision((), (2.0, 0.5))))
    np.testing.assert_allclose(found, 1 / (1 + np.exp(-output / [2.0, 0.5])), rtol=1e-5)
    found = finish(output, target.decided_by(Decision((), (), CURVES)))
    expected = [np.interp(output[:, place], each.logits, each.probabilities) for place, each in enumerate(CURVES)]
    np.testing.assert_allclose(found, np.stack(expected, axis=1), atol=1e-6)


def test_thresholds_alone_change_no_probability() -> None:
    target = Target("classes", 2).with_encoding("binary")
    output = output_of(target)
    np.testing.assert_array_equal(finish(output, target), finish(output, target.decided_by(Decision((0.2,)))))
