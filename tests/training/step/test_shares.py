"""CPU shares give the same loss, gradients and scores as whole batches, and are refused for other models."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dlrun.errors import UsageError
from dlrun.experiment import train as experiment
from dlrun.spec.parse import read_spec
from dlrun.spec.types import Spec
from dlrun.training.progress.events import silent

pytestmark = pytest.mark.tensorflow

CNN = "{type: cnn, blocks: [{filters: 4, pool_size: 2}], head_units: [8]}"
SEQUENTIAL = "{type: sequential, layers: [{Conv2D: %s, Flatten, {Dense: {units: 10}}]}"
L2 = "{units: 2, activity_regularizer: l2}"
TEXT = """\
dataset: {type: builtin, name: digits, validation: 0.1}
model: %s
loss: sparse_categorical_crossentropy
metrics: [accuracy]
training: {batch_size: 64, epochs: 1, precision: float32, tensorboard: false, report: false}
"""


def spec(tmp_path: Path, *overrides: str, model: str = CNN) -> Spec:
    path = tmp_path / "x.yaml"
    path.write_text(TEXT % model)
    return read_spec(path, overrides).spec


def variables(tmp_path: Path, *overrides: str, model: str = CNN) -> tuple[dict[str, Any], Any]:
    from dlrun.training.checkpoints.checkpoint import newest_valid

    path = tmp_path / "x.yaml"
    path.write_text(TEXT % model)
    result = experiment.train(path, overrides=overrides, runs_dir=tmp_path / "runs", listener=silent)
    found = newest_valid(result.folder.checkpoints)
    assert found is not None
    return dict(found.checkpoint.arrays), result


@pytest.mark.parametrize(
    "model",
    [
        CNN,
        pytest.param("{type: gru, units: [4], dropout: 0.0}", marks=pytest.mark.soak),
        pytest.param("{type: lstm, units: [4]}", marks=pytest.mark.soak),
    ],
)
def test_parts_of_a_batch_train_the_same_model_as_whole_batches(tmp_path: Path, model: str) -> None:
    whole, of_whole = variables(tmp_path, "training.cpu_shares=1", model=model)
    for shares in (2, 3):  # 1,293 examples: the last batch has 13, which neither of them divides
        parts, of_parts = variables(tmp_path, f"training.cpu_shares={shares}", model=model)
        assert whole.keys() == parts.keys()
        for name, array in whole.items():
            np.testing.assert_allclose(parts[name], array, rtol=1e-3, atol=1e-4, err_msg=f"{name}, {shares} parts")
        for split, scores in of_whole.scores.items():
            assert of_parts.scores[split] == pytest.approx(scores, rel=1e-3)


def test_a_last_batch_with_fewer_examples_than_parts_stays_whole(tmp_path: Path) -> None:
    # 1,293 = 161 * 8 + 5 examples, and 6 parts.
    whole, _ = variables(tmp_path, "training.cpu_shares=1", "training.batch_size=8")
    parts, _ = variables(tmp_path, "training.cpu_shares=6", "training.batch_size=8")
    for name, array in whole.items():
        np.testing.assert_allclose(parts[name], array, rtol=1e-2, atol=1e-3, err_msg=name)


@pytest.mark.parametrize(
    ("model", "shares"),
    [
        (CNN, "2"),
        ("{type: lstm, units: [4]}", "2"),
        ("{type: mlp, units: [4]}", "1"),
        ("{type: cnn, blocks: [{filters: 4}], batch_normalization: true}", "1"),
        ("{type: cnn, blocks: [{filters: 4, batch_normalization: true}]}", "1"),
        (SEQUENTIAL % "{filters: 2, kernel_size: 3}}", "2"),
        (SEQUENTIAL % "{filters: 2, kernel_size: 3}}, BatchNormalization", "1"),
        (SEQUENTIAL % "{filters: 2, kernel_size: 3, activity_regularizer: l2}}", "1"),
        ("{type: sequential, layers: [Flatten, {Dense: {units: 10}}]}", "1"),
        (SEQUENTIAL % "{filters: 2, kernel_size: 3}}, {TimeDistributed: {layer: BatchNormalization}}", "1"),
        (SEQUENTIAL % "{filters: 2, kernel_size: 3}}, {TimeDistributed: {layer: {Dense: {units: 2}}}}", "2"),
        (SEQUENTIAL % "{filters: 2, kernel_size: 3}}, {TimeDistributed: {layer: {Dense: %s}}}" % L2, "1"),
    ],
)
def test_only_models_that_compute_each_example_independently_get_cpu_shares(
    tmp_path: Path, model: str, shares: str
) -> None:
    from dlrun.training.step.shares import choose_shares

    assert choose_shares(spec(tmp_path, model=model), on_gpu=False, cores=2).value == shares


def test_parts_are_refused_for_layers_that_look_across_a_batch(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"block_1_conv_batch_normalization is computed over a whole batch"):
        variables(tmp_path, "training.cpu_shares=2", "model.batch_normalization=true")


def test_an_autoencoder_with_batch_normalization_gets_no_cpu_shares(tmp_path: Path) -> None:
    from dlrun.training.step.shares import choose_shares

    model = "{type: autoencoder, encoder: convolutional, filters: [4], batch_normalization: %s}"
    for normalizes, shares in (("false", "2"), ("true", "1")):
        given = ("loss=mean_squared_error", "metrics=[]")
        found = choose_shares(spec(tmp_path, *given, model=model % normalizes), on_gpu=False, cores=2)
        assert found.value == shares


def test_layers_that_need_whole_batches_override_a_chosen_number_of_parts() -> None:
    import keras

    from dlrun.runs.record import Choice
    from dlrun.training.step.shares import share_batches

    core = keras.Sequential([keras.Input((4,)), keras.layers.BatchNormalization(name="over_all")])
    model, shares = share_batches(core, Choice(value="2", reason="2 cores"), is_asked_for=False)
    assert model is core
    assert shares == Choice(value="1", reason="the layer over_all is computed over a whole batch")
    with pytest.raises(UsageError, match=r"cpu_shares is 2, but the layer over_all is computed over a whole batch"):
        share_batches(core, Choice(value="2", reason="asked for"), is_asked_for=True)


@pytest.mark.parametrize(
    ("override", "on_gpu", "cores", "value"),
    [
        ("training.batch_size=64", False, 4, "4"),
        ("training.batch_size=64", False, 1, "1"),
        ("training.batch_size=64", True, 4, "1"),
        ("training.batch_size=20", False, 16, "2"),
        ("training.batch_size=4", False, 16, "1"),
        ("training.jit=on", False, 2, "1"),
        ("training.cpu_shares=3", False, 2, "3"),
    ],
)
def test_there_is_one_part_per_core_if_the_parts_are_large_enough(
    tmp_path: Path, override: str, cores: int, value: str, *, on_gpu: bool
) -> None:
    from dlrun.training.step.shares import choose_shares

    assert choose_shares(spec(tmp_path, override), on_gpu=on_gpu, cores=cores).value == value
