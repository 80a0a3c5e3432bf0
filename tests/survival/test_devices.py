"""Several devices share each batch, and the result is that of one; logical CPUs stand for them here."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytestmark = [pytest.mark.tensorflow, pytest.mark.slow]

# 1293 training examples in batches of 33: parts of 17 and 16, and of 3 and 3 in the last batch, which has 6.
# 144 validation examples in batches of 13: the last has one, so that one of the devices has none.
CONFIG = """\
name: small
dataset: {type: builtin, name: digits, validation: 0.1}
model: {type: mlp, units: [16]}
optimizer: {type: adam, learning_rate: 0.01}
loss: sparse_categorical_crossentropy
metrics: [accuracy]
training: {batch_size: 33, evaluation_batch_size: 13, epochs: 2, checkpoint_minutes: 100, tensorboard: false,
           report: false, jit: off, cpu_shares: 1, precision: float32}
"""
NORMALIZED = (
    "model={type: sequential, layers: [Flatten, {Dense: {units: 16}}, BatchNormalization, ReLU, {Dense: {units: 10}}]}"
)
AUTOENCODER = "model={type: autoencoder, units: [16], latent_units: 4, l2: 0.001}"
AVERAGED = (
    "optimizer={type: adamw, learning_rate: 0.01, clipnorm: 0.1, gradient_accumulation_steps: 3, "
    "use_ema: true, ema_overwrite_frequency: 7}"
)
TWO = "training.device=cpu:0,1"


def train(dlrun: Any, folder: Path, *overrides: str, code: int = 0, **options: Any) -> Path:
    (folder / "small.yaml").write_text(CONFIG)
    before = set(folder.glob("runs/*"))
    settings = [part for override in overrides for part in ("--set", override)]
    ended = dlrun.run("train", "small.yaml", *settings, folder=folder, **options)
    assert ended.code == code, ended.err
    (run,) = set(folder.glob("runs/*")) - before
    return run


def rows(run: Path) -> list[dict[str, float]]:
    timings = {"seconds", "examples_per_second", "data_wait"}
    lines = map(json.loads, (run / "metrics.jsonl").read_text().splitlines())
    return [{name: value for name, value in line.items() if name not in timings} for line in lines]


def arrays(run: Path) -> dict[str, Any]:
    from dlrun.training.checkpoints.checkpoint import read_checkpoint

    return dict(read_checkpoint(max((run / "checkpoints").glob("step-*"))).arrays)


def assert_equal_within(one: Path, two: Path, *, tolerance: float) -> None:
    for before, after in zip(rows(one), rows(two), strict=True):
        assert before == pytest.approx(after, rel=tolerance)
    ones, twos = arrays(one), arrays(two)
    assert ones.keys() == twos.keys()
    for name, array in ones.items():
        assert (array.shape, array.dtype) == (twos[name].shape, twos[name].dtype), name
        np.testing.assert_allclose(array, twos[name], rtol=tolerance, atol=tolerance / 10, err_msg=name)


@pytest.mark.parametrize(
    "overrides",
    [
        pytest.param((), id="parts of unequal size"),
        pytest.param(
            (AUTOENCODER, "loss=mean_squared_error", "metrics=[]", "optimizer={type: sgd, learning_rate: 0.1}"),
            id="a target of many axes",
            marks=pytest.mark.soak,
        ),
        # Not with Adam: the bias before a normalization has no gradient but noise, which Adam makes large.
        pytest.param((NORMALIZED, "optimizer={type: sgd, learning_rate: 0.1}"), id="batch normalization"),
        pytest.param(
            (AVERAGED,),
            id="gradients that are clipped and accumulated, moving averages of the variables",
        ),
    ],
)
def test_two_devices_give_the_result_of_one(dlrun: Any, tmp_path: Path, overrides: tuple[str, ...]) -> None:
    one = train(dlrun, tmp_path, *overrides)
    two = train(dlrun, tmp_path, TWO, *overrides)
    assert_equal_within(one, two, tolerance=2e-3 if NORMALIZED in overrides else 2e-4)
    record = json.loads((two / "run.json").read_text())
    assert (record["device"]["value"], record["jit"]["value"]) == ("cpu:0,1", "off")
    assert [row.get("accuracy") for row in rows(one)] == [row.get("accuracy") for row in rows(two)]


def test_a_run_on_two_devices_that_was_stopped_inside_an_epoch_goes_on_to_the_bit(
    dlrun: Any, tmp_path: Path, outcome_of: Any
) -> None:
    dropout = "model={type: mlp, units: [16], dropout: 0.2}"
    whole = outcome_of(train(dlrun, tmp_path, TWO, dropout))
    stopped = train(
        dlrun,
        tmp_path,
        TWO,
        dropout,
        code=130,
        at=("StepsDone", 1),
        signals=(2,),
    )
    ended = dlrun.run("resume", stopped.name, "--set", "training.device=cpu", folder=tmp_path)
    assert ended.code == 2, ended.err
    ended = dlrun.run("resume", stopped.name, folder=tmp_path)
    assert ended.code == 0, ended.err
    assert outcome_of(stopped) == whole


@pytest.mark.parametrize(
    ("overrides", "said"),
    [
        (("training.device=cpu:0,0",), "names a device twice"),
        (("training.device=gpu:0,1",), "TensorFlow sees"),
        (("training.device=cpu:0,900",), "cores"),
        ((TWO, "training.batch_size=1"), "2 devices share each batch"),
        ((TWO, "training.batch_size=1292"), "drop_remainder=true"),
        ((TWO, "training.jit=on"), "training.jit=auto"),
        ((TWO, "training.cpu_shares=2"), "training.cpu_shares=auto"),
        ((TWO, "loss=dice"), "mean over examples"),
        ((TWO, AUTOENCODER, "model.activity_l1=0.1", "loss=mean_squared_error", "metrics=[]"), "equal parts"),
    ],
)
def test_what_several_devices_cannot_do_is_refused(
    dlrun: Any, tmp_path: Path, overrides: tuple[str, ...], said: str
) -> None:
    (tmp_path / "small.yaml").write_text(CONFIG)
    settings = [part for override in overrides for part in ("--set", override)]
    ended = dlrun.run("train", "small.yaml", *settings, folder=tmp_path)
    assert (ended.code, "Traceback" in ended.err) == (2, False), ended.err
    assert said in ended.err
