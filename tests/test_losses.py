from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from dlrun.keras_table import entry_names
from dlrun.losses import TAKES, Loss, losses, losses_for
from dlrun.signature import IGNORED_CLASS, Target

Array = npt.NDArray[np.floating[Any]]

TEN, TWO = Target("classes", 10), Target("classes", 2)
VALUE, VALUES, INPUT = Target("values", 1), Target("values", 3), Target("input", 12)
EXAMPLES = 6


def made(name: str, /, **arguments: Any) -> Loss:
    found = losses.find(name)
    assert found is not None
    return found(**arguments)


def test_the_accepted_targets_of_each_keras_loss_are_defined() -> None:
    assert set(TAKES) == set(entry_names("losses"))


def test_losses_are_listed_by_target() -> None:
    assert "sparse_categorical_crossentropy" in losses_for(TEN)
    assert "binary_crossentropy" not in losses_for(TEN)
    assert {"binary_crossentropy", "categorical_crossentropy", "hinge"} <= set(losses_for(TWO))
    assert "mean_squared_error" not in losses_for(TWO)
    assert "cosine_similarity" in losses_for(VALUES)
    assert "cosine_similarity" not in losses_for(VALUE)
    assert {"binary_crossentropy", "mean_squared_error"} <= set(losses_for(INPUT))
    assert "binary_crossentropy" not in losses_for(VALUE)


def test_ctc_is_known_and_accepts_no_target() -> None:
    assert losses.find("ctc") is not None
    assert all("ctc" not in losses_for(target) for target in (TEN, TWO, VALUE, VALUES, INPUT))


@pytest.mark.parametrize(
    ("name", "target", "encoding", "activation", "units"),
    [
        ("sparse_categorical_crossentropy", TEN, "index", "linear", 10),
        ("categorical_crossentropy", TEN, "one_hot", "linear", 10),
        ("categorical_crossentropy", TWO, "one_hot", "linear", 2),
        ("binary_crossentropy", TWO, "binary", "linear", 1),
        ("hinge", TWO, "binary", "linear", 1),
        ("kl_divergence", TEN, "one_hot", "softmax", 10),
        ("mean_squared_error", VALUES, "value", "linear", 3),
        ("poisson", VALUE, "value", "softplus", 1),
        ("binary_crossentropy", INPUT, "value", "linear", 12),
    ],
)
def test_a_loss_determines_encoding_width_and_activation(
    name: str, target: Target, encoding: str, activation: str, units: int
) -> None:
    settled = made(name).settle(target)
    assert (settled.encoding, settled.activation, settled.units) == (encoding, activation, units)


@pytest.mark.parametrize(
    ("name", "target", "activation", "fits"),
    [
        ("sparse_categorical_crossentropy", TEN, "softmax", True),
        ("sparse_categorical_crossentropy", TEN, "relu", False),
        ("binary_crossentropy", TWO, "sigmoid", True),
        ("binary_crossentropy", TWO, "softmax", False),
        ("kl_divergence", TEN, "linear", False),
        ("hinge", TWO, "tanh", True),
        ("hinge", TWO, "sigmoid", False),
        ("mean_squared_error", VALUE, "relu", True),
        ("poisson", VALUE, "linear", False),
    ],
)
def test_a_last_activation_that_a_loss_cannot_use_is_a_problem(
    name: str, target: Target, activation: str, *, fits: bool
) -> None:
    loss = made(name)
    settled = loss.settle(target)
    problems = list(loss.misfits(settled.with_encoding(settled.encoding, activation)))
    assert bool(problems) != fits
    assert not list(loss.misfits(settled))


def _data(target: Target) -> tuple[Array, Array]:
    """Truth in the target's encoding, and what a linear last layer might give."""
    rng = np.random.default_rng(0)
    if target.kind == "classes":
        index = np.arange(EXAMPLES) % target.size
        truth = {
            "index": index,
            "one_hot": np.eye(target.size, dtype="float32")[index],
            "binary": index[:, None].astype("float32"),
        }[target.encoding]
        return truth, rng.normal(size=(EXAMPLES, target.units)).astype("float32")
    shape = (EXAMPLES, 2, 2, 3) if target.kind == "input" else (EXAMPLES, target.size)
    of_output = (EXAMPLES, target.units) if target.levels else shape
    return rng.uniform(0.1, 0.9, shape).astype("float32"), rng.normal(size=of_output).astype("float32")


def _softmax(logits: Array) -> Array:
    shifted = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return np.asarray(shifted / shifted.sum(axis=-1, keepdims=True))


def _sigmoid(logits: Array) -> Array:
    return 1 / (1 + np.exp(-logits))


PAIRS = [(name, target) for target in (TEN, TWO, VALUE, VALUES, INPUT) for name in losses_for(target)]


@pytest.mark.tensorflow
@pytest.mark.parametrize(("name", "target"), PAIRS, ids=lambda part: part if isinstance(part, str) else part.kind)
def test_each_accepted_pair_gives_a_finite_float32_scalar_and_gradient(name: str, target: Target) -> None:
    import keras
    import tensorflow as tf

    loss = made(name)
    settled = loss.settle(target)
    truth, output = _data(settled)
    for scale in (1.0, 1000.0):  # far out, probabilities are 0 and 1 in float32
        outputs = tf.Variable(output * scale)
        with tf.GradientTape() as tape:
            value = loss.build(settled)(truth, keras.activations.get(settled.activation)(outputs))
        assert value.dtype == tf.float32
        assert value.shape == ()
        assert np.isfinite(value)
        assert np.isfinite(tape.gradient(value, outputs).numpy()).all()


@pytest.mark.tensorflow
@pytest.mark.parametrize("activation", ["linear", "softmax"])
@pytest.mark.parametrize("name", ["sparse_categorical_crossentropy", "categorical_crossentropy"])
def test_cross_entropy_is_the_same_for_logits_and_probabilities(name: str, activation: str) -> None:
    loss = made(name)
    settled = loss.settle(TEN)
    truth, logits = _data(settled)
    expected = -np.log(_softmax(logits)[np.arange(EXAMPLES), np.arange(EXAMPLES) % 10]).mean()
    outputs = logits if activation == "linear" else _softmax(logits)
    value = loss.build(settled.with_encoding(settled.encoding, activation))(truth, outputs)
    assert float(value) == pytest.approx(expected, rel=1e-5)


@pytest.mark.tensorflow
@pytest.mark.parametrize("activation", ["linear", "sigmoid"])
@pytest.mark.parametrize("target", [TWO, INPUT], ids=["classes", "input"])
def test_binary_cross_entropy_is_the_same_for_logits_and_probabilities(target: Target, activation: str) -> None:
    loss = made("binary_crossentropy")
    settled = loss.settle(target)
    truth, logits = _data(settled)
    p = _sigmoid(logits)
    expected = -(truth * np.log(p) + (1 - truth) * np.log(1 - p)).mean()
    outputs = logits if activation == "linear" else p
    value = loss.build(settled.with_encoding(settled.encoding, activation))(truth, outputs)
    assert float(value) == pytest.approx(expected, rel=1e-5)


@pytest.mark.tensorflow
def test_regression_and_hinge_losses_match_their_formulas() -> None:
    truth, output = _data(VALUES.with_encoding("value"))
    labels, margins = _data(TWO.with_encoding("binary"))
    signs = 2 * labels - 1
    unit = output / np.linalg.norm(output, axis=1, keepdims=True)
    true_unit = truth / np.linalg.norm(truth, axis=1, keepdims=True)
    expected: dict[str, tuple[Target, Array, Array, Any]] = {
        "mean_squared_error": (VALUES, truth, output, ((truth - output) ** 2).mean()),
        "mean_absolute_error": (VALUES, truth, output, np.abs(truth - output).mean()),
        "cosine_similarity": (VALUES, truth, output, -(unit * true_unit).sum(axis=1).mean()),
        "hinge": (TWO, labels, margins, np.maximum(1 - signs * margins, 0).mean()),
        "squared_hinge": (TWO, labels, margins, (np.maximum(1 - signs * margins, 0) ** 2).mean()),
    }
    for name, (target, given, predicted, value) in expected.items():
        loss = made(name)
        assert float(loss.build(loss.settle(target))(given, predicted)) == pytest.approx(value, rel=1e-5), name


@pytest.mark.tensorflow
def test_the_cosine_similarity_of_images_is_one_number_per_image() -> None:
    loss = made("cosine_similarity")
    truth, output = _data(loss.settle(INPUT))
    a, b = truth.reshape(EXAMPLES, -1), output.reshape(EXAMPLES, -1)
    expected = -((a * b).sum(axis=1) / np.linalg.norm(a, axis=1) / np.linalg.norm(b, axis=1)).mean()
    assert float(loss.build(loss.settle(INPUT))(truth, output)) == pytest.approx(expected, rel=1e-5)


@pytest.mark.tensorflow
def test_arguments_reach_keras() -> None:
    smoothed = made("categorical_crossentropy", label_smoothing=0.2)
    settled = smoothed.settle(TEN)
    truth, logits = _data(settled)
    soft = truth * 0.8 + 0.02
    expected = -(soft * np.log(_softmax(logits))).sum(axis=1).mean()
    assert float(smoothed.build(settled)(truth, logits)) == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize(
    ("quantiles", "words"),
    [((0.1, 0.9), "median"), ((0.5, 0.1), "ascend"), ((0.5, 0.5), "ascend"), ((0.1, 0.5, 0.9), ""), (0.9, "")],
)
def test_several_quantiles_ascend_and_have_the_median(quantiles: Any, words: str) -> None:
    problems = [problem.what for problem in made("quantile", quantiles=quantiles).problems()]
    assert len(problems) == bool(words)
    assert all(words in problem for problem in problems)


def test_a_quantile_loss_gives_each_value_an_output_for_each_level() -> None:
    settled = made("quantile").settle(VALUES)
    assert (settled.levels, settled.units, settled.main_level) == ((0.05, 0.5, 0.95), 9, 1)
    assert made("quantile", quantiles=0.9).settle(VALUES).units == 3
    assert "quantile" not in losses_for(TEN)


@pytest.mark.tensorflow
def test_the_quantile_loss_is_smallest_at_the_quantiles_of_the_target() -> None:
    target, levels = VALUES, (0.1, 0.5, 0.8)
    loss = made("quantile", quantiles=levels)
    settled, truth = loss.settle(target), np.random.default_rng(0).exponential(size=(999, 3)).astype("float32")
    best = np.quantile(truth, levels, axis=0).astype("float32").reshape(-1)

    def value(outputs: Any) -> float:
        return float(loss.build(settled)(truth, np.tile(outputs, (999, 1))))

    errors = truth[:, None] - best.reshape(1, 3, 3)
    q = np.array(levels).reshape(1, 3, 1)
    assert value(best) == pytest.approx(np.maximum(q * errors, (q - 1) * errors).mean(), rel=1e-5)
    for place in range(9):
        for step in (-0.05, 0.05):
            assert value(best + step * (np.arange(9) == place)) > value(best)


MASK = Target("mask", 3)
OF_MASKS = ("sparse_categorical_crossentropy", "categorical_crossentropy", "categorical_focal_crossentropy",
            "dice_crossentropy")  # fmt: skip


def _masks(*, ignored: bool = True) -> tuple[Array, Array]:
    """Masks of which the second one counts in part, and the logits of their pixels."""
    rng = np.random.default_rng(1)
    truth = rng.integers(0, 3, (2, 4, 5), np.uint8)
    if ignored:
        truth[1, :3] = IGNORED_CLASS
    return truth, rng.normal(0, 2, (2, 4, 5, 3)).astype("float32")


def _loss_of(name: str, truth: Array, output: Any, *, activation: str = "linear", **keys: Any) -> Any:
    from dlrun.training.step.feed import encode

    loss = made(name, **keys)
    settled = loss.settle(MASK)
    settled = settled.with_encoding(settled.encoding, activation)
    return loss.build(settled)(encode(truth, settled), output)


def test_masks_have_cross_entropies_and_the_one_with_areas() -> None:
    assert losses_for(MASK) == tuple(sorted(OF_MASKS))
    assert "dice_crossentropy" not in {name for each in (TEN, VALUE, INPUT) for name in losses_for(each)}
    assert [problem.path for problem in made("dice_crossentropy", dice_weight=0, crossentropy_weight=0).problems()] == [
        ("dice_weight",)
    ]


@pytest.mark.tensorflow
@pytest.mark.parametrize("activation", ["linear", "softmax"])
def test_dice_crossentropy_is_what_its_formula_says(activation: str) -> None:
    truth, logits = _masks()
    keys = {"dice_weight": 0.7, "crossentropy_weight": 2.0, "smooth": 0.5, "label_smoothing": 0.1}
    expected = []
    for mask, probabilities in zip(truth, _softmax(logits), strict=True):
        counted = mask != IGNORED_CLASS
        p, t = probabilities[counted], np.eye(3)[mask[counted].astype(int)]
        crossentropy = -((0.9 * t + 0.1 / 3) * np.log(p)).sum(axis=-1).mean()
        dice = ((2 * (p * t).sum(axis=0) + 0.5) / (p.sum(axis=0) + t.sum(axis=0) + 0.5)).mean()
        expected.append(2.0 * crossentropy + 0.7 * (1 - dice))
    output = logits if activation == "linear" else _softmax(logits)
    found = _loss_of("dice_crossentropy", truth, output, activation=activation, **keys)
    assert float(found) == pytest.approx(np.mean(expected), rel=1e-5)


@pytest.mark.tensorflow
@pytest.mark.parametrize("name", OF_MASKS)
def test_pixels_that_do_not_count_change_neither_the_loss_of_a_mask_nor_its_gradient(name: str) -> None:
    import tensorflow as tf

    truth, logits = _masks()
    changed = logits.copy()
    changed[truth == IGNORED_CLASS] = np.random.default_rng(2).normal(0, 50, (15, 3))
    gradients = []
    values = []
    for output in (logits, changed):
        outputs = tf.Variable(output)
        with tf.GradientTape() as tape:
            values.append(_loss_of(name, truth, outputs))
        gradients.append(tape.gradient(values[-1], outputs).numpy())
    assert float(values[0]) == pytest.approx(float(values[1]), rel=1e-6)
    np.testing.assert_allclose(gradients[0], gradients[1], atol=1e-7)
    assert (gradients[1][truth == IGNORED_CLASS] == 0).all()
    assert (np.abs(gradients[1][truth != IGNORED_CLASS]).sum(axis=-1) > 0).all()


@pytest.mark.tensorflow
@pytest.mark.parametrize("name", OF_MASKS[:3])
def test_where_every_pixel_of_a_mask_counts_the_loss_is_that_of_keras_over_pixels(name: str) -> None:
    import keras

    truth, logits = _masks(ignored=False)
    flat: Any = truth.reshape(-1) if name.startswith("sparse") else np.eye(3)[truth.astype(int).reshape(-1)]
    known = getattr(keras.losses, name.title().replace("_", ""))(from_logits=True)
    assert float(_loss_of(name, truth, logits)) == pytest.approx(float(known(flat, logits.reshape(-1, 3))), rel=1e-5)


@pytest.mark.tensorflow
@pytest.mark.parametrize("name", OF_MASKS)
def test_the_loss_of_masks_does_not_depend_on_which_share_a_batch(name: str) -> None:
    truth, logits = _masks()
    parts = [float(_loss_of(name, truth[[each]], logits[[each]])) for each in range(2)]
    assert parts[0] != pytest.approx(parts[1], rel=0.01)
    assert float(_loss_of(name, truth, logits)) == pytest.approx(np.mean(parts), rel=1e-5)


@pytest.mark.tensorflow
@pytest.mark.parametrize("name", OF_MASKS)
def test_the_loss_of_masks_is_finite_far_out_and_where_nothing_counts(name: str) -> None:
    import tensorflow as tf

    truth, logits = _masks()
    truth[1] = IGNORED_CLASS
    outputs = tf.Variable(logits * 1000)
    with tf.GradientTape() as tape:
        value = _loss_of(name, truth, outputs)
    assert np.isfinite(value)
    assert np.isfinite(tape.gradient(value, outputs).numpy()).all()
    assert float(_loss_of(name, truth[1:], logits[1:])) == pytest.approx(0, abs=1e-6)
