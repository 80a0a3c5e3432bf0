"""Runs with intervals: predictions, scores, exports, and what happens to the scores of the validation split."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dlrun.errors import RunError, UsageError
from dlrun.evaluation.evaluate import evaluate
from dlrun.experiment.resume import resume
from dlrun.experiment.train import train
from dlrun.exporting.export import export
from dlrun.exporting.formats import FORMATS
from dlrun.prediction.predict import predict

pytestmark = pytest.mark.tensorflow

CONFIG = """\
name: rents
dataset:
  {type: table, path: rents.csv, target: [rent, area], validation: 0.3, test: 0.3, target_transform: log1p}
model: {type: mlp, units: [8]}
optimizer: {type: adam, learning_rate: 0.01}
loss: {type: quantile, quantiles: [0.1, 0.5, 0.9]}
metrics: [mean_absolute_error]
training: {batch_size: 32, epochs: 3, jit: off, tensorboard: false, report: false, precision: float32}
"""


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a run, and its data: two targets that span orders of magnitude, with noise that depends on `a`."""
    folder = tmp_path_factory.mktemp("home")
    random = np.random.default_rng(0)
    inputs = random.normal(size=(600, 3))
    noise = random.normal(size=(600, 2)) * np.exp(inputs[:, :1] / 2)
    rent, area = np.exp(6 + inputs[:, 1] + noise[:, 0] / 2), 1e-2 * np.exp(inputs[:, 2] + noise[:, 1] / 4)
    lines = "\n".join(",".join(f"{value:.8g}" for value in row) for row in np.column_stack([inputs, rent, area]))
    (folder / "rents.csv").write_text(f"a,b,c,rent,area\n{lines}\n")
    (folder / "rents.yaml").write_text(CONFIG)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setenv("DLRUN_STATE", str(folder / "state"))
        train("rents.yaml", runs_dir=folder / "runs")
    return folder


@pytest.fixture(autouse=True)
def _here(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(home)
    monkeypatch.setenv("DLRUN_STATE", str(home / "state"))


def home_run(home: Path) -> Path:
    (run,) = (home / "runs").iterdir()
    return run


def columns(**options: Any) -> dict[str, np.ndarray]:
    found = predict("last", "rents.csv", **options)
    blocks = list(found.blocks)
    names = [column.name for column in found.columns][1:]
    return {
        name: np.concatenate([np.asarray(block.cells[place + 1]) for block in blocks])
        for place, name in enumerate(names)
    }


def test_predictions_have_named_quantiles_and_bounds_that_hold_the_truth() -> None:
    found = columns(intervals=0.9)
    ends = ["", "_q0.1", "_q0.9", "_lower", "_upper"]
    assert [*found] == [f"{name}{end}" for name in ("rent", "area") for end in ends]
    assert [*columns()] == [f"{name}{end}" for name in ("rent", "area") for end in ends[:3]]
    truth = np.loadtxt("rents.csv", delimiter=",", skiprows=1)[:, 3:]
    for name, values in zip(("rent", "area"), truth.T, strict=True):
        assert (found[f"{name}_q0.1"] <= found[name]).all()
        assert (found[name] <= found[f"{name}_q0.9"]).all()
        inside = (found[f"{name}_lower"] <= values) & (values <= found[f"{name}_upper"])
        assert 0.85 < inside.mean() < 0.95
        # As skewed as the target: more room above than below.
        assert ((found[f"{name}_upper"] - found[name]) > (found[name] - found[f"{name}_lower"])).mean() > 0.5
    wider = columns(intervals=0.98)
    assert (wider["rent_upper"] > found["rent_upper"]).all()


def test_evaluations_report_coverage_and_width_where_they_mean_something(home: Path) -> None:
    (test,) = evaluate("last", split="test").values()
    recorded = json.loads((home_run(home) / "run.json").read_text())["intervals"]
    for name in ("rent", "area"):
        part = test.breakdown.parts[name]
        assert 0.8 < part["coverage_90"] <= 1
        assert part["coverage_90"] == pytest.approx(recorded["test"][name]["coverage_90"])
        assert part["interval_width_90"] == pytest.approx(recorded["test"][name]["interval_width_90"])
    (other,) = evaluate("last", data="rents.csv", intervals=0.5).values()
    assert 0.4 < other.breakdown.parts["area"]["coverage_50"] < 0.6
    found = columns(intervals=0.5)
    assert other.breakdown.parts["rent"]["interval_width_50"] == pytest.approx(
        float((found["rent_upper"] - found["rent_lower"]).mean()), rel=1e-4
    )
    with pytest.raises(UsageError, match="measured on the validation split"):
        evaluate("last", split="validation", intervals=0.9)


def test_lost_scores_are_measured_again_to_the_bit_and_changed_ones_refused(home: Path) -> None:
    path = home_run(home) / "intervals.json"
    before = path.read_bytes()
    assert b"0" in before
    path.write_bytes(before.replace(b"0", b"1", 1))
    with pytest.raises(RunError, match="damaged, or was changed"):
        columns(intervals=0.9)
    evaluate("last", split="validation")
    assert path.read_bytes() == before
    assert columns(intervals=0.9)


@pytest.mark.soak
def test_intervals_belong_to_the_checkpoint_that_they_were_measured_with(
    home: Path,
) -> None:
    run = home_run(home)
    stored = json.loads((run / "intervals.json").read_text())
    result = resume(run, overrides=("training.epochs=4",))
    again = json.loads((run / "intervals.json").read_text())
    assert stored["checkpoint"] != again["checkpoint"]
    assert columns(intervals=0.9)
    with pytest.raises(UsageError, match=f"measured with {again['checkpoint']}, not with {stored['checkpoint']}"):
        columns(intervals=0.9, checkpoint=stored["checkpoint"])
    assert result.record["intervals"]["examples"] == again["conformal"]["examples"]


@pytest.mark.usefixtures("children_here")
@pytest.mark.parametrize(
    "to", ["onnx", *(pytest.param(to, marks=pytest.mark.soak) for to in ("keras", "savedmodel", "tflite"))]
)
def test_an_exported_model_returns_the_median_and_all_quantiles(to: str, tmp_path: Path) -> None:
    for package in FORMATS[to].packages:
        pytest.importorskip(package, reason=f"an export to {to} needs it: pip install 'dlrun[{to}]'")
    made = export("last", to, output=tmp_path / f"m{FORMATS[to].suffix}")
    assert made.measured.passed
    assert [*made.description.outputs] == ["values", "quantiles"]
    assert made.description.outputs["quantiles"][1:] == (3, 2)
    description = made.description.plain()
    assert description["levels"] == [0.1, 0.5, 0.9]
    intervals = description["intervals"]
    assert (intervals["around"], intervals["unit"]) == ([0.1, 0.9], "log1p(value)")
    found = columns(intervals=0.9)
    for name, offset in zip(("rent", "area"), intervals["offsets"]["0.9"], strict=True):
        upper = np.expm1(np.log1p(found[f"{name}_q0.9"].astype(np.float64)) + offset)
        np.testing.assert_allclose(found[f"{name}_upper"], upper, rtol=1e-4)
