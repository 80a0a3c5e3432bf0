"""A series with dates, a category and two targets is exported to each format and predicts the same as dlrun."""

import datetime as dt
import runpy
from pathlib import Path

import numpy as np
import pytest

from dlrun.exporting.export import ExportedModel, export
from dlrun.exporting.formats import FORMATS
from dlrun.prediction.predict import predict

pytestmark = pytest.mark.tensorflow

CONFIG = """\
name: load
dataset:
  {type: series, path: PATH, target: [load, wind], history: 12, horizon: 2, difference: seasonal, season: 7, test: 0.2,
   missing: {numeric: last}}
model: {type: gru, units: [4], linear_shortcut: true}
loss: mean_squared_error
training: {batch_size: 32, epochs: 1, jit: off, tensorboard: false, report: false}
"""


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the run and its data, load.csv: dates, some of them missing, and numbers."""
    from dlrun.experiment.train import train

    folder = tmp_path_factory.mktemp("home")
    first = dt.datetime(2023, 12, 25, tzinfo=dt.UTC)
    rows = ["at,load,wind,sky"]
    for hour in range(150):
        at = (first + dt.timedelta(hours=hour)).strftime("%d.%m.%Y %H:%M+05:30") if hour % 20 else ""
        load = f"{np.sin(hour / 5):.3f}" if hour % 30 != 7 else ""
        rows.append(f"{at},{load},{hour % 7},{('clear', 'rain', '')[hour % 3]}")
    (folder / "load.csv").write_text("\n".join(rows) + "\n")
    (folder / "load.yaml").write_text(CONFIG.replace("PATH", str(folder / "load.csv")))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DLRUN_STATE", str(folder / "state"))
        train(folder / "load.yaml", runs_dir=folder / "runs")
    return folder


@pytest.fixture(autouse=True)
def _own_state(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DLRUN_STATE", str(home / "state"))


def exported(home: Path, folder: Path, to: str) -> ExportedModel:
    for package in FORMATS[to].packages:
        pytest.importorskip(package, reason=f"an export to {to} needs it: pip install 'dlrun[{to}]'")
    output = folder / f"load{FORMATS[to].suffix}"
    return export("last", to, output=output, runs_dir=home / "runs")


@pytest.mark.usefixtures("children_here")
@pytest.mark.parametrize(
    "to", ["onnx", *(pytest.param(to, marks=pytest.mark.soak) for to in ("tflite", "keras", "savedmodel"))]
)
def test_an_exported_series_reads_the_dates_of_every_step(to: str, home: Path, tmp_path: Path) -> None:
    made = exported(home, tmp_path, to)
    assert made.measured.passed
    assert made.measured.examples == 139
    assert made.sample.origin.endswith("load.csv")
    assert made.measured.largest_difference < 1e-5


@pytest.mark.usefixtures("children_here")
@pytest.mark.parametrize(
    "to", ["onnx", *(pytest.param(to, marks=pytest.mark.soak) for to in ("tflite", "keras", "savedmodel"))]
)
def test_the_printed_code_runs_unchanged_and_predicts_the_same_as_dlrun(
    to: str, home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    made = exported(home, tmp_path, to)
    written = made.code.partition("history = ")[2]
    assert max(map(len, written.splitlines())) <= 120
    assert sum("nan, " in line or "'', " in line for line in written.splitlines()) >= 2  # what is missing is shown
    (tmp_path / "code.py").write_text(made.code)
    capsys.readouterr()
    outputs = runpy.run_path(str(tmp_path / "code.py"))["outputs"]["values"]
    assert capsys.readouterr().out.startswith("{'load +1': ")
    cells = next(predict("last", home / "load.csv", runs_dir=home / "runs").blocks).cells
    np.testing.assert_allclose(outputs[0], [float(column[0]) for column in cells[1:]], rtol=1e-4, atol=1e-5)


@pytest.mark.usefixtures("children_here")
@pytest.mark.parametrize(
    "to", ["onnx", *(pytest.param(to, marks=pytest.mark.soak) for to in ("tflite", "keras", "savedmodel"))]
)
def test_a_shift_invariant_model_without_a_bias_is_exported(to: str, home: Path, tmp_path: Path) -> None:
    from dlrun.experiment.train import train

    for package in FORMATS[to].packages:
        pytest.importorskip(package, reason=f"an export to {to} needs it: pip install 'dlrun[{to}]'")
    linear = "{type: linear, solver: least_squares, shift_invariant: true, bias: false}"
    config = CONFIG.replace("PATH", str(home / "load.csv"))
    (tmp_path / "linear.yaml").write_text(config.replace("{type: gru, units: [4], linear_shortcut: true}", linear))
    train(tmp_path / "linear.yaml", runs_dir=tmp_path / "runs")
    made = export("last", to, output=tmp_path / f"linear{FORMATS[to].suffix}", runs_dir=tmp_path / "runs")
    assert made.measured.passed
    assert made.measured.largest_difference < 1e-4
