"""Intervals of 0.9 cover nine tenths of the test rows of five regressions, also transformed and with quantiles."""

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dlrun.experiment.train import train

pytestmark = [pytest.mark.tensorflow, pytest.mark.soak]

KINDS: dict[str, tuple[dict[str, Any], int]] = {
    "diabetes": ({"type": "builtin", "name": "diabetes"}, 10),
    "friedman": ({"type": "table", "path": "friedman.csv", "target": "y"}, 3),
    "heavy": ({"type": "table", "path": "heavy.csv", "target": "y"}, 3),
    "ages": ({"type": "table", "path": "adult.csv", "target": "age", "task": "regression"}, 2),
    "beijing": ({"type": "table", "path": "beijing_pm25.csv", "target": "TEMP", "ignore": ["No", "pm2.5"]}, 2),
}
"""The keys of each dataset, and the number of seeds over which the coverage of few rows is averaged."""

ROWS = 8000


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory, shared_data: Path) -> Path:
    """The tables: two that are drawn, and rows of two of the shared ones."""
    folder, random = tmp_path_factory.mktemp("home"), np.random.default_rng(0)
    x = random.uniform(size=(4000, 10))
    y = 10 * np.sin(np.pi * x[:, 0] * x[:, 1]) + 20 * (x[:, 2] - 0.5) ** 2 + 10 * x[:, 3] + 5 * x[:, 4]
    y += random.normal(size=4000) * (0.5 + 2 * x[:, 5])
    write(folder / "friedman.csv", np.column_stack([x, y]))
    x = random.normal(size=(4000, 4))
    y = 100 * np.exp(1.5 + x[:, 0] + 0.5 * x[:, 1] * x[:, 2] + 0.3 * random.normal(size=4000))
    write(folder / "heavy.csv", np.column_stack([x, y]))
    for name in ("adult.csv", "beijing_pm25.csv"):
        with (shared_data / name).open(newline="") as file:
            header, *rows = csv.reader(file)
        chosen = np.sort(random.permutation(len(rows))[:ROWS])
        with (folder / name).open("w", newline="") as file:
            csv.writer(file).writerows([header, *(rows[row] for row in chosen)])
    return folder


def write(path: Path, rows: np.ndarray) -> None:
    header = ",".join([*(f"x{place}" for place in range(rows.shape[1] - 1)), "y"])
    np.savetxt(path, rows, delimiter=",", header=header, comments="", fmt="%.6g")


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("loss", "transform"), [("mean_squared_error", "none"), ("mean_squared_error", "quantile"), ("quantile", "none")]
)
def test_intervals_cover_what_they_promise(
    kind: str, loss: str, transform: str, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(home)
    monkeypatch.setenv("DLRUN_STATE", str(home / "state"))
    keys, seeds = KINDS[kind]
    covered = []
    for seed in range(seeds):
        spec = {
            "name": kind,
            "dataset": {**keys, "test": 0.3, "validation": 0.3, "seed": seed, "target_transform": transform},
            "model": {"type": "mlp", "units": [64, 64]},
            "optimizer": {"type": "adam", "learning_rate": 2e-3},
            "loss": loss,
            "training": {
                "batch_size": 32,
                "epochs": 12,
                "jit": "off",
                "report": False,
                "tensorboard": False,
                "early_stopping": {"patience_epochs": 4, "restore_best": True},
            },
        }
        result = train(spec, runs_dir="runs")
        recorded = json.loads(result.folder.run_json.read_text())["intervals"]
        (scores,) = recorded["test"].values()
        covered.append(scores["coverage_90"])
    assert 0.87 <= np.mean(covered) <= 0.93, covered
