"""A linear model that is blended in is the softmax regression of the training rows, with the weight it deserves."""

from pathlib import Path

import numpy as np
import pytest

from dlrun.training.start.softmax_regression import fit_classes

pytestmark = pytest.mark.tensorflow

CONFIG = """\
dataset: {type: table, path: rows.csv, target: kind, split: part, scaling: none}
model: {type: tabm, units: [4], members: 2, linear_blend: true}
optimizer: {type: sgd, learning_rate: 0.1}
loss: sparse_categorical_crossentropy
training: {batch_size: 16, epochs: 1, jit: off, tensorboard: false, report: false, class_weight: balanced}
"""


def test_the_blended_linear_model_is_fitted_to_the_training_rows_alone_and_never_trained(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from dlrun.experiment.train import train
    from dlrun.prediction.predict import predict
    from dlrun.spec.stored import read_stored_spec
    from dlrun.training.trained import load_trained

    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DLRUN_STATE", str(tmp_path / "state"))
    random = np.random.default_rng(0)
    x = np.round(random.normal(size=(100, 2)), 3)
    kinds = (x[:, 0] + random.normal(size=100) > 0.4).astype(int) + (x[:, 1] > 1)
    parts = ["test" if row % 5 == 4 else "train" for row in range(100)]
    # A test row that would change everything, if anything looked at it.
    x[4] = [1e6, -1e6]
    lines = [f"{a},{b},k{kind},{part}" for (a, b), kind, part in zip(x, kinds, parts, strict=True)]
    (tmp_path / "rows.csv").write_text("\n".join(["a,b,kind,part", *lines]) + "\n")
    (tmp_path / "c.yaml").write_text(CONFIG)
    events: list[object] = []
    result = train("c.yaml", runs_dir="runs", listener=events.append)
    is_train = np.array(parts) == "train"
    counts = np.bincount(kinds[is_train])
    fit = fit_classes(x[is_train], kinds[is_train], 3, 80 / (3 * counts)[kinds[is_train]])
    assert f"{fit.explained:.3g} of the log loss" in str(events)
    spec = read_stored_spec(result.folder).spec
    core = load_trained(result.folder, spec, checkpoint="final", listener=events.append).core
    np.testing.assert_allclose(core.get_layer("linear").get_weights()[0], fit.kernel, rtol=1e-5)
    share, rows = 0.7 * np.sqrt(fit.explained), x[5:8].astype(np.float32)
    members = np.asarray(core(rows, training=True))
    assert np.abs(members).max() > 1e-3
    network = np.log((np.exp(members) / np.exp(members).sum(axis=2, keepdims=True)).mean(axis=1))
    logits = (1 - share) * network + share * (rows @ fit.kernel + fit.bias)
    (tmp_path / "new.csv").write_text("\n".join(["a,b", *(f"{a},{b}" for a, b in x[5:8])]) + "\n")
    block = next(iter(predict(result.folder.path, "new.csv", top="all").blocks))
    found = np.stack([np.asarray(cells, np.float64) for cells in block.cells[-3:]], axis=1)
    np.testing.assert_allclose(found, np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True), rtol=1e-4)
