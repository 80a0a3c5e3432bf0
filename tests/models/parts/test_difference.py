"""A model that learns the difference from the last value outputs, scores and exports the value itself."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dlrun.experiment.train import train
from dlrun.prediction.predict import predict
from dlrun.training.progress.events import Note

pytestmark = pytest.mark.tensorflow

CONFIG = """\
dataset:
  {type: series, path: rows.csv, target: [load, wind], history: 3, horizon: 2, difference: true,
   test: 20, validation: 20}
model: {type: linear, kernel_initializer: zeros}
optimizer: {type: sgd, learning_rate: 1e-30}
loss: mean_squared_error
metrics: [mean_absolute_error, r2_score]
training: {batch_size: 10, epochs: 1, jit: off, tensorboard: false, report: false}
"""


def test_network_without_weights_predicts_the_last_value_in_its_unit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DLRUN_STATE", str(tmp_path / "state"))
    random = np.random.default_rng(0)
    load, wind = 900 + random.normal(size=(2, 150)).cumsum(axis=1) * [[1], [0.001]]
    rows = [f"{1949 + i // 12}-{i % 12 + 1:02d},{load[i]:.4f},{wind[i]:.6f},{i % 5}.5" for i in range(150)]
    (tmp_path / "rows.csv").write_text("\n".join(["month,load,wind,other", *rows]) + "\n")
    (tmp_path / "c.yaml").write_text(CONFIG)
    events: list[Any] = []
    result = train("c.yaml", runs_dir="runs", listener=events.append)
    for split, scores in result.scores.items():
        assert scores == pytest.approx(result.record["naive"][split], rel=1e-3)
    assert [event for event in events if isinstance(event, Note) and event.subject == "warning"]
    longer = next(event.text for event in events if isinstance(event, Note) and event.subject == "longer")
    assert longer.endswith(f"dlrun resume {result.folder.id} --set training.epochs=2")
    block = list(predict(result.folder.path, "rows.csv").blocks)[-1]
    values = [np.asarray(cells)[-1] for cells in block.cells[1:]]
    np.testing.assert_allclose(values, [load[-1], wind[-1]] * 2, rtol=1e-6)


def test_the_last_value_is_transformed_like_the_target(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DLRUN_STATE", str(tmp_path / "state"))
    load, wind = np.exp(np.random.default_rng(0).normal(size=(2, 150)).cumsum(axis=1) / 5)
    rows = [f"{load[i]:.6f},{wind[i]:.6f},{i % 5}.5" for i in range(150)]
    (tmp_path / "rows.csv").write_text("\n".join(["load,wind,other", *rows]) + "\n")
    (tmp_path / "c.yaml").write_text(CONFIG.replace("difference", "target_transform: quantile, difference"))
    result = train("c.yaml", runs_dir="runs")
    for split, scores in result.scores.items():
        assert scores == pytest.approx(result.record["naive"][split], rel=1e-3)
    block = list(predict(result.folder.path, "rows.csv").blocks)[-1]
    values = [np.asarray(cells)[-1] for cells in block.cells[1:]]
    np.testing.assert_allclose(values, [load[-1], wind[-1]] * 2, rtol=1e-4)
