"""A run with a transformed target: the loss is of the learned values, everything else in the unit of the data."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dlrun.evaluation.evaluate import evaluate
from dlrun.exporting.export import export
from dlrun.exporting.formats import FORMATS
from dlrun.prediction.predict import predict
from dlrun.runs.interface import read_interface
from dlrun.signature import Transform
from dlrun.value_transform import transform_values

pytestmark = pytest.mark.tensorflow
TRANSFORMS: tuple[Transform, ...] = ("log1p", "quantile")
RANDOM = np.random.default_rng(0)

CONFIG = """\
name: rents
dataset:
  {type: table, path: rents.csv, target: [rent, area], validation: 0.2, test: 0.2, target_transform: TRANSFORM}
model: {type: mlp, units: [8]}
optimizer: {type: adam, learning_rate: 0.01}
loss: mean_squared_error
metrics: [mean_absolute_error, root_mean_squared_error, r2_score, mean_absolute_percentage_error]
training: {batch_size: 32, epochs: 3, jit: off, tensorboard: false, report: false, precision: float32}
"""


def trained(folder: Path, transform: Transform) -> Any:
    """Train on two targets that span orders of magnitude, in units that differ by 1e5."""
    from dlrun.experiment.train import train

    inputs = RANDOM.normal(size=(300, 3))
    rent, area = np.exp(6 + inputs[:, 0] + inputs[:, 1]), 1e-2 * np.exp(inputs[:, 2])
    rows = np.column_stack([inputs, rent, area])
    lines = "\n".join(",".join(f"{value:.8g}" for value in row) for row in rows)
    (folder / "rents.csv").write_text(f"a,b,c,rent,area\n{lines}\n")
    (folder / "rents.yaml").write_text(CONFIG.replace("TRANSFORM", transform))
    return train(folder / "rents.yaml", runs_dir=folder / "runs")


@pytest.mark.usefixtures("children_here")
@pytest.mark.parametrize(
    ("transform", "to"),
    [
        ("quantile", "onnx"),
        *(
            pytest.param(transform, to, marks=pytest.mark.soak)
            for transform in TRANSFORMS
            for to in ("keras", "savedmodel", "onnx", "tflite")
        ),
    ],
)
def test_metrics_predictions_and_exports_are_in_the_unit_of_the_data(
    transform: Transform, to: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for package in FORMATS[to].packages:
        pytest.importorskip(package, reason=f"an export to {to} needs it: pip install 'dlrun[{to}]'")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DLRUN_STATE", str(tmp_path / "state"))
    result = trained(tmp_path, transform)
    target = read_interface(result.folder).target
    truth = np.loadtxt("rents.csv", delimiter=",", skiprows=1)[:, 3:]
    (block,) = predict("last", "rents.csv").blocks
    found = np.stack([np.asarray(cells) for cells in block.cells[1:]], axis=1).astype(np.float64)
    errors = found - truth
    scores = evaluate("last", data="rents.csv")["data-rents"].scores
    assert scores["mean_absolute_error"] == pytest.approx(np.abs(errors).mean(), rel=1e-4)
    assert scores["root_mean_squared_error"] == pytest.approx(np.sqrt(np.square(errors).mean()), rel=1e-4)
    assert scores["mean_absolute_percentage_error"] == pytest.approx(100 * np.abs(errors / truth).mean(), rel=1e-3)
    r2 = 1 - np.square(errors).sum(axis=0) / np.square(truth - truth.mean(axis=0)).sum(axis=0)
    assert scores["r2_score"] == pytest.approx(r2.mean(), rel=1e-3)
    learned = (transform_values(found, target) - transform_values(truth, target)) / target.scale
    assert scores["loss"] == pytest.approx(np.square(learned).mean(), rel=1e-3)
    naive = result.record["naive"]["test"]
    assert naive["r2_score"] == pytest.approx(0, abs=0.1)  # a constant in the unit of the data: its mean
    # The export compares itself with the predictions, and fails if they differ by more than rounding.
    assert export("last", to, output=tmp_path / f"m{FORMATS[to].suffix}").measured.passed
