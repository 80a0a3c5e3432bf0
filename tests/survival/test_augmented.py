"""Training with augmentation: killed and resumed to the bit, the same from device and host, on one device and two."""

import json
import signal
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pictures import write_classes

pytestmark = [pytest.mark.tensorflow, pytest.mark.slow]

CONFIG = """\
name: small
dataset:
  type: images
  path: data
  validation: 0.2
  augmentation: {flip: horizontal, rotation: 15, translation: 0.1, zoom: 0.1, contrast: 0.3, brightness: 0.2,
                 cutout: 0.3, mixup: 0.3, cutmix: 1.0}
model: {type: cnn, blocks: [{filters: 4, kernel_size: 3, strides: 2}]}
optimizer: {type: adam, learning_rate: 0.01}
loss: categorical_crossentropy
metrics: [accuracy]
training:
  {batch_size: 17, epochs: 2, checkpoint_minutes: 100, tensorboard: false, report: false, jit: off, precision: float32}
"""
PARTS = {"one": "training.cpu_shares=1", "shares": "training.cpu_shares=2", "two": "training.device=cpu:0,1"}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("images")
    write_classes(folder / "data", count=100)
    (folder / "small.yaml").write_text(CONFIG)
    return folder


def train(dlrun: Any, folder: Path, *overrides: str, code: int = 0, **options: Any) -> Path:
    before = set(folder.glob("runs/*"))
    settings = [part for override in overrides for part in ("--set", override)]
    ended = dlrun.run("train", "small.yaml", *settings, folder=folder, **options)
    assert ended.code == code, ended.err
    (run,) = set(folder.glob("runs/*")) - before
    return run


@pytest.fixture(scope="module")
def whole(dlrun: Any, folder: Path) -> dict[str, Path]:
    """A run that nothing has stopped, in each way of cutting batches."""
    return {name: train(dlrun, folder, part, "training.feed=device") for name, part in PARTS.items()}


@pytest.mark.parametrize("parts", [*(pytest.param(each, marks=pytest.mark.soak) for each in ("one", "shares")), "two"])
def test_a_run_that_was_killed_inside_an_epoch_goes_on_to_the_bit_from_device_and_host(
    dlrun: Any, folder: Path, whole: dict[str, Path], outcome_of: Any, parts: str
) -> None:
    at: dict[str, Any] = {"at": ("StepsDone", 4), "signals": (signal.SIGKILL,)}
    host = ("training.feed=host", "training.checkpoint_minutes=0.000001")
    killed = train(dlrun, folder, PARTS[parts], *host, code=-signal.SIGKILL, **at)
    (checkpoint, *_) = sorted(killed.glob("checkpoints/step-*"))
    assert int(checkpoint.name.removeprefix("step-")) % 10  # steps of an epoch: inside of one
    ended = dlrun.run("resume", killed.name, folder=folder)
    assert ended.code == 0, ended.err
    assert outcome_of(killed) == outcome_of(whole[parts])


def test_shares_and_devices_give_the_result_of_one_up_to_the_order_of_sums(whole: dict[str, Path]) -> None:
    scores = []
    for run in whole.values():
        lines = map(json.loads, (run / "metrics.jsonl").read_text().splitlines())
        scores.append([[line["loss"], line["val_loss"]] for line in lines])
    np.testing.assert_allclose(scores[1:], scores[:1] * 2, rtol=2e-4)
