"""The least-squares solution is the one of numpy, and training starts at it."""

from pathlib import Path

import numpy as np
import pytest

pytestmark = pytest.mark.tensorflow

CONFIG = """\
dataset: {type: series, path: rows.csv, target: load, history: 6, season: 4, difference: seasonal, validation: 20}
model: {type: linear, solver: least_squares, l2: 0.01}
optimizer: {type: sgd, learning_rate: 1e-30}
loss: mean_squared_error
training: {batch_size: 16, epochs: 1, jit: off, tensorboard: false, report: false}
"""


def test_normal_equations_give_the_weighted_ridge_solution() -> None:
    from dlrun.training.start.least_squares import NormalEquations

    random = np.random.default_rng(0)
    x, noise, weight = random.normal(size=(60, 4)) + 5, random.normal(size=(60, 2)), random.random(60)
    y = x @ random.normal(size=(4, 2)) + 3 + noise
    x = np.concatenate([x, x[:, :1]], axis=1)  # a column twice, which no plain inverse survives
    equations = NormalEquations(5, 2)
    for rows in (slice(25), slice(25, 60)):
        equations.add(x[rows], y[rows], weight[rows])
    kernel, bias = equations.solve(l2=0.1)
    share = weight / weight.sum()
    x_mean, y_mean = share @ x, share @ y
    centred = (x - x_mean) * np.sqrt(share)[:, None]
    by_hand = np.linalg.solve(
        centred.T @ centred + 2 * 0.1 * np.eye(5), centred.T @ ((y - y_mean) * np.sqrt(share)[:, None])
    )
    np.testing.assert_allclose(kernel, by_hand, rtol=1e-8)
    np.testing.assert_allclose(bias, y_mean - x_mean @ by_hand, rtol=1e-8)
    plain, _ = equations.solve()
    np.testing.assert_allclose(plain[0], plain[4], rtol=1e-6)


def test_shift_invariant_weights_of_each_column_add_up_to_zero_and_are_the_best_such_weights() -> None:
    from dlrun.training.start.least_squares import NormalEquations

    random = np.random.default_rng(0)
    windows, y = random.normal(size=(80, 4, 2)), random.normal(size=(80, 1))
    equations = NormalEquations(8, 1)
    equations.add(windows.reshape(80, 8), y)
    kernel, bias = equations.solve(l2=0.1, steps=4)
    np.testing.assert_allclose(kernel.reshape(4, 2).sum(axis=0), 0, atol=1e-12)

    def objective(kernel: np.ndarray, bias: np.ndarray) -> float:
        errors = windows.reshape(80, 8) @ kernel + bias - y
        return float(np.square(errors).mean() + 0.1 * np.square(kernel).sum())

    for _ in range(20):
        change = random.normal(size=(4, 2)) * 0.01
        change -= change.mean(axis=0)
        assert objective(kernel + change.reshape(8, 1), bias) > objective(kernel, bias)
    without, zero = equations.solve(l2=1e9, steps=4, bias=False)
    np.testing.assert_allclose(without, 0, atol=1e-9)
    assert not zero.any()
    assert not equations.solve(steps=1)[0].any()


def test_a_shift_invariant_model_of_several_steps_moves_with_the_level(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from dlrun.experiment.train import train
    from dlrun.prediction.predict import predict

    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DLRUN_STATE", str(tmp_path / "state"))
    values = np.round(900 + np.random.default_rng(0).normal(size=120).cumsum() * 5, 2)
    (tmp_path / "rows.csv").write_text("\n".join(["load", *map(str, values)]) + "\n")
    (tmp_path / "higher.csv").write_text("\n".join(["load", *map(str, values + 400)]) + "\n")
    (tmp_path / "c.yaml").write_text(
        CONFIG.replace("season: 4, difference: seasonal", "horizon: 3, difference: true").replace(
            "l2: 0.01", "l2: 0.01, shift_invariant: true, bias: false"
        )
    )
    run = train("c.yaml", runs_dir="runs").folder.path
    plain, higher = (
        np.array([float(np.asarray(cells)[-1]) for cells in list(predict(run, name).blocks)[-1].cells[1:]])
        for name in ("rows.csv", "higher.csv")
    )
    np.testing.assert_allclose(higher - plain, 400, atol=0.01)
    fitted = values[: 120 - 20 - 2]
    z = (values - fitted.mean()) / fitted.std()
    starts = np.arange(6, len(fitted) - 2)
    x = np.stack([z[row - 6 : row] for row in starts])
    y = np.stack([z[row : row + 3] - z[row - 1] for row in starts])
    # A constraint by a penalty that nothing outweighs.
    penalties = 3 * 0.01 * np.eye(6) + 1e8 * np.ones((6, 6))
    kernel = np.linalg.solve(x.T @ x / len(x) + penalties, x.T @ y / len(x))
    by_hand = (z[-1] + z[-6:] @ kernel) * fitted.std() + fitted.mean()
    np.testing.assert_allclose(plain, by_hand, rtol=1e-5)


def test_a_linear_model_of_differences_starts_at_the_ridge_solution(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from dlrun.experiment.train import train
    from dlrun.prediction.predict import predict

    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DLRUN_STATE", str(tmp_path / "state"))
    random = np.random.default_rng(0)
    values = np.round(900 + np.tile([5, 0, 9, 2], 30) + random.normal(size=120).cumsum() * 0.3, 4)
    (tmp_path / "rows.csv").write_text("\n".join(["load", *map(str, values)]) + "\n")
    (tmp_path / "c.yaml").write_text(CONFIG)
    result = train("c.yaml", runs_dir="runs")
    train_rows = 120 - 20
    mean, scale = values[:train_rows].mean(), values[:train_rows].std()
    z = (values - mean) / scale
    x, y = np.lib.stride_tricks.sliding_window_view(z, 6)[: train_rows - 6], z[6:train_rows] - z[2 : train_rows - 4]
    centred = x - x.mean(axis=0)
    kernel = np.linalg.solve(centred.T @ centred / len(x) + 0.01 * np.eye(6), centred.T @ (y - y.mean()) / len(x))
    expected = (z[-4] + y.mean() + (z[-6:] - x.mean(axis=0)) @ kernel) * scale + mean
    block = list(predict(result.folder.path, "rows.csv").blocks)[-1]
    assert float(np.asarray(block.cells[1])[-1]) == pytest.approx(expected, rel=1e-6)
    longer = train("c.yaml", runs_dir="runs", overrides=("training.epochs=2",))
    assert result.record["weights_sha256"] == longer.record["weights_sha256"]
