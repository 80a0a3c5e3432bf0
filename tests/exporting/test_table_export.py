"""Networks for tables, with scaled and embedded numbers, are exported to each format and predict the same as dlrun."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dlrun.exporting.export import export
from dlrun.exporting.formats import FORMATS

pytestmark = pytest.mark.tensorflow

TABLE = "dataset: {type: table, path: PATH, test: 0.2, missing: {numeric: indicator}, embedding: {min_categories: 3}, "
TRAINING = """optimizer: {type: adam, learning_rate: 0.02}
training: {batch_size: 32, epochs: 2, jit: off, tensorboard: false, report: false}
"""
RUNS = {
    "tabm": f"""{TABLE}target: grade, scaling: quantile}}
model: {{type: tabm, units: [8], members: 3, dropout: 0.1, numeric_embedding: piecewise_linear,
         linear_blend: true}}
loss: sparse_categorical_crossentropy
{TRAINING}""",
    "realmlp": f"""{TABLE}target: price, scaling: robust}}
model: {{type: realmlp, units: [8]}}
loss: mean_squared_error
{TRAINING}""",
    "periodic": f"""{TABLE}target: sold, scaling: standard}}
model: {{type: tabm, units: [8], members: 3, numeric_embedding: {{type: periodic, frequencies: 4, size: 3}}}}
loss: binary_crossentropy
{TRAINING}""",
    "autoencoder": """dataset: {type: table, path: PATH, test: 0.2, embedding: off, scaling: robust}
model: {type: autoencoder, units: [8], latent_units: 4, numeric_embedding: {type: piecewise_linear, size: 3}}
loss: mean_squared_error
"""
    + TRAINING,
    "sequential": f"""{TABLE.replace("embedding: {min_categories: 3}", "embedding: off")}target: grade}}
model: {{type: sequential, layers: [{{Dense: {{units: 8, activation: relu}}}}, {{Dense: {{units: 3}}}}],
  numeric_embedding: {{type: periodic, frequencies: 4, size: 3}}}}
loss: sparse_categorical_crossentropy
{TRAINING}""",
}
QUICK = (("tabm", "onnx"), ("autoencoder", "keras"))
CASES = [pytest.param(run, to, marks=() if (run, to) in QUICK else pytest.mark.soak) for run in RUNS for to in FORMATS]


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A table with a heavy tail, dates, missing numbers and categories."""
    random, path = np.random.default_rng(0), tmp_path_factory.mktemp("table") / "houses.csv"
    rows = ["area,tax,built,city,grade,price,sold"]
    for row in range(150):
        area, tax = random.normal(100, 30), np.exp(3 * random.normal())
        city, grade = random.choice(list("abcde")), "low" if area < 90 else "high" if area > 120 else "fair"
        built, price = f"20{row % 20 + 10}-0{row % 9 + 1}-11", 3 * area + tax
        known = "" if row % 10 == 3 else f"{tax:.4f}"
        rows.append(f"{area:.2f},{known},{built},{city},{grade},{price:.1f},{area > tax}")
    path.write_text("\n".join(rows) + "\n")
    return path


@pytest.mark.usefixtures("children_here")
@pytest.mark.parametrize(("run", "to"), CASES)
def test_an_exported_network_takes_raw_columns_and_returns_the_mean_of_its_members(
    run: str, to: str, table: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from dlrun.experiment.train import train

    for package in FORMATS[to].packages:
        pytest.importorskip(package, reason=f"an export to {to} needs it: pip install 'dlrun[{to}]'")
    monkeypatch.setenv("DLRUN_STATE", str(tmp_path / "state"))
    config = tmp_path / "houses.yaml"
    config.write_text(RUNS[run].replace("PATH", str(table)))
    train(config, runs_dir=tmp_path / "runs")
    made: Any = export("last", to, output=tmp_path / f"houses{FORMATS[to].suffix}", runs_dir=tmp_path / "runs")
    assert made.measured.passed
    assert made.sample.origin.endswith("houses.csv")
    # A price is about 300, an area about 100.
    assert made.measured.largest_difference < {"realmlp": 1e-2, "autoencoder": 1e-2}.get(run, 1e-5)
