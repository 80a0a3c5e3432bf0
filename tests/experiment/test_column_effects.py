"""Importances and partial dependence are measured within a budget."""

from pathlib import Path

import numpy as np
import pytest

from dlrun.experiment.column_effects import turns_within_budget
from dlrun.runs.predictions import read_predictions


@pytest.mark.parametrize(
    ("columns", "calls", "positions", "parameters", "turns"),
    [
        (14, 1, 60, 2_000, 5),
        (14, 8, 500, 100_000, 2),
        (100, 8, 500, 2_000, 1),
        (14, 8, 500 * 24, 20_000, 0),
        (3, 8, 500, 10_000_000, 0),
        (0, 0, 0, 0, 5),
    ],
)
def test_columns_are_permuted_less_often_if_a_permutation_is_more_work(
    columns: int, calls: int, positions: int, parameters: int, turns: int
) -> None:
    assert turns_within_budget(columns, calls=calls, positions=positions, parameters=parameters) == turns


@pytest.mark.tensorflow
def test_a_run_keeps_importances_with_intervals_and_the_dependence_on_its_columns(tmp_path: Path) -> None:
    from dlrun.experiment.train import train

    random = np.random.default_rng(0)
    rows = [
        f"{x:.3f},{k},{x * 3 + (k == 'b') * 2:.3f}" for x, k in zip(random.normal(size=400), "abcb" * 100, strict=True)
    ]
    (tmp_path / "x.csv").write_text("\n".join(["x,k,y", *rows]) + "\n")
    config = {
        "dataset": {"type": "table", "path": str(tmp_path / "x.csv"), "target": "y", "test": 0.25},
        "model": "linear", "loss": "mean_squared_error", "optimizer": {"type": "adam", "learning_rate": 0.1},
        "training": {"epochs": 15, "batch_size": 50, "jit": "off", "tensorboard": False},
    }  # fmt: skip
    result = train(config, runs_dir=tmp_path / "runs")
    kept = read_predictions(result.folder, "test")
    assert kept is not None
    assert kept.measured.tolist() == [100, 5]
    assert (kept.importance_intervals[:, 0] < kept.importances).all()
    assert (kept.importance_intervals[:, 1] > kept.importances).all()
    assert kept.dependence_columns.tolist() == ["x", "k"]
    assert kept.dependence_outputs.tolist() == ["y"]
    known = ~np.isnan(kept.dependence_points[0])
    slope = np.polyfit(kept.dependence_points[0][known], kept.dependence[0, known, 0], 1)[0]
    assert slope == pytest.approx(3, abs=0.2)
    assert kept.dependence_names[1][:3].tolist() == ["b", "a", "c"]
    of_b, of_a, of_c = kept.dependence[1, :3, 0]
    assert of_b - of_a == pytest.approx(2, abs=0.3)
    assert of_a == pytest.approx(of_c, abs=0.3)
    names = {path.name for path in result.folder.plots.iterdir()}
    assert names >= {"importances.png", "dependence_1.png", "dependence_2.png"}
    assert "the mean of 5 shuffles" in result.folder.report_html.read_text()
