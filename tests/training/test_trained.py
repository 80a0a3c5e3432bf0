"""Trained models with every kind of target are loaded without their data, and predict and score correctly."""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import yaml

from dlrun.data.arrays.source import Arrays
from dlrun.data.dataset import Dataset
from dlrun.data.splits import Split
from dlrun.errors import CheckpointError, RunError, UsageError
from dlrun.experiment.session import TrainingResult
from dlrun.experiment.train import train
from dlrun.runs.folder import RunFolder
from dlrun.scoring.classification import label_scores
from dlrun.scoring.regression import regression_scores
from dlrun.signature import Target
from dlrun.spec.stored import read_stored_spec
from dlrun.training.progress.events import silent

pytestmark = pytest.mark.tensorflow

Array = npt.NDArray[Any]
GENERATOR = np.random.default_rng(0)
X = GENERATOR.normal(size=(300, 4)).astype(np.float32)
WEIGHTS = GENERATOR.normal(size=(4, 3)).astype(np.float32)
LABELS = (X @ WEIGHTS > 0).astype(np.float32)
# In units of their own: some thousand, and some billionths.
VALUES = (X @ WEIGHTS[:, :2] * (300, 2e-9) + (5000, 1e-8)).astype(np.float32)
TRAINING = {"batch_size": 16, "jit": "off", "precision": "float32", "tensorboard": False, "report": False}


def with_target(target: Target, values: Array) -> Callable[[Dataset], Dataset]:
    """Return the dataset with a target of another kind, which no data source here has."""

    def changed(dataset: Dataset) -> Dataset:
        splits = {name: Split(split.features, values[split.target]) for name, split in dataset.splits.items()}
        return replace(dataset, target=target, splits=splits)

    return changed


@dataclass(frozen=True)
class Run:
    """A trained run, and the split that it was scored on at its end."""

    result: TrainingResult
    test: Split

    @property
    def scores(self) -> Any:
        return self.result.scores["test"]

    @property
    def truth(self) -> Array:
        assert self.test.target is not None
        return self.test.target


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., Run]]:
    """Trains on `X` with a changed dataset, in a folder that no longer has the data afterwards."""
    place = tmp_path_factory.mktemp("trained")
    load = Arrays.load
    seen: list[Dataset] = []

    def run(change: Callable[[Dataset], Dataset], **spec: Any) -> Run:
        def changed(source: Arrays) -> Dataset:
            seen.append(change(load(source)))
            return seen[-1]

        np.savez(place / "data.npz", x=X, y=np.arange(300))  # the label is the row
        dataset = {"type": "arrays", "path": str(place / "data.npz"), "test": 0.2, "num_classes": 300}
        training = {**TRAINING, "epochs": spec.pop("epochs", 15)}
        whole = {"dataset": dataset, "optimizer": {"type": "adam", "learning_rate": 0.02}, "training": training, **spec}
        (place / "x.yaml").write_text(yaml.safe_dump(whole))
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(Arrays, "load", changed)
            patch.setattr(Arrays, "describe", lambda _: None)
            result = train(place / "x.yaml", runs_dir=place / "runs")
        (place / "data.npz").unlink()
        return Run(result, seen[-1].splits["test"])

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DLRUN_STATE", str(place / "state"))
        yield run


def loaded(run: Run) -> Any:
    from dlrun.training.trained import load_trained

    spec = read_stored_spec(run.result.folder, looks_at_data=False).spec
    return load_trained(run.result.folder, spec, checkpoint="final", listener=silent)


def test_a_scaled_regression_learns_and_its_scores_are_in_the_values_own_unit(trained: Callable[..., Run]) -> None:
    target = Target("values", 2, encoding="value", names=("a", "b"))
    scaled = replace(target, mean=tuple(VALUES.mean(axis=0).tolist()), scale=tuple(VALUES.std(axis=0).tolist()))
    losses = {"model": {"type": "linear"}, "loss": "mean_squared_error", "metrics": ["mean_absolute_error", "r2_score"]}
    run = trained(with_target(scaled, VALUES), **losses)
    x, truth = run.test.features, run.truth
    model = loaded(run)
    scores = regression_scores(truth, model.predictor().precise(x))
    assert (scores.r2 > 0.99).all()  # the second value would be lost beside the first, were they not scaled
    # The errors are so small that the mean, which float32 rounds where it is taken off, counts in their fourth digit.
    assert run.scores["mean_absolute_error"] == pytest.approx(scores.mae.mean(), rel=1e-3)
    assert run.scores["r2_score"] == pytest.approx(scores.r2.mean(), abs=1e-4)
    streamed = model.streamed_scores()
    for rows in (slice(0, 50), slice(50, 60)):
        streamed.add(x[rows], truth[rows])
    assert streamed.scores() == pytest.approx(run.scores, rel=1e-5)


def test_several_labels_are_learnt_and_their_metrics_are_those_of_numpy(trained: Callable[..., Run]) -> None:
    metrics = ["accuracy", "precision", "recall", {"type": "auc", "num_thresholds": 2000}, "binary_accuracy"]
    run = trained(
        with_target(Target("labels", 3), LABELS),
        model={"type": "linear"},
        loss="binary_crossentropy",
        metrics=metrics,
        epochs=4,
    )
    truth = run.truth
    probabilities = loaded(run).predictor()(run.test.features)
    assert probabilities.shape == (60, 3)
    found, scores = label_scores(truth, probabilities, probabilities > 0.5), run.scores
    counts = found.counts
    assert scores["accuracy"] == pytest.approx(found.accuracy.mean(), abs=1e-6)
    assert scores["binary_accuracy"] == pytest.approx(found.accuracy.mean(), abs=1e-6)
    assert scores["precision"] == pytest.approx(counts.hits.sum() / counts.predicted.sum(), abs=1e-6)
    assert scores["recall"] == pytest.approx(counts.hits.sum() / counts.support.sum(), abs=1e-6)
    column = probabilities.reshape(-1, 1)
    together = label_scores(truth.reshape(-1, 1), column, column > 0.5)
    assert scores["auc"] == pytest.approx(together.roc_auc[0], abs=2e-3)
    surprise = -np.where(truth > 0, np.log(probabilities), np.log1p(-probabilities)).mean()
    assert scores["loss"] == pytest.approx(surprise, rel=1e-4)
    assert found.accuracy.mean() > 0.8


@pytest.fixture(scope="module")
def classes(trained: Callable[..., Run]) -> Run:
    target, labels = Target("classes", 3, ("a", "b", "c")), (X @ WEIGHTS).argmax(axis=1).astype(np.int32)
    return trained(
        with_target(target, labels),
        model={"type": "mlp", "units": [8], "dropout": 0.5, "batch_normalization": True},
        loss="sparse_categorical_crossentropy",
        metrics=["accuracy"],
        epochs=3,
    )


def test_predictions_depend_neither_on_batches_nor_on_where_the_rows_are_stored(classes: Run, tmp_path: Path) -> None:
    from dlrun.training.predictor import Predictor

    model = loaded(classes)
    predictor = model.predictor()
    whole = predictor(X)
    np.save(tmp_path / "x.npy", X)
    assert (predictor(np.load(tmp_path / "x.npy", mmap_mode="r")) == whole).all()
    assert whole.shape == (300, 3)
    assert np.abs(whole.sum(axis=1) - 1).max() < 1e-5
    for size in (1, 7, 300):
        few = Predictor(model.core, preprocess=model.preprocess(), target=model.interface.target, batch_size=size)
        assert np.abs(few(X[:40]) - whole[:40]).max() < 1e-6
    assert predictor(X[:0]).shape == (0, 3)


def test_an_autoencoders_error_is_the_mean_squared_error_of_its_reconstruction(trained: Callable[..., Run]) -> None:
    run = trained(
        lambda dataset: replace(dataset, target=None, splits={k: Split(s.features) for k, s in dataset.splits.items()}),
        model={"type": "autoencoder", "latent_units": 3},
        loss="mean_squared_error",
        epochs=1,
    )
    predictor = loaded(run).predictor()
    reconstructions, errors = predictor.reconstruct(X[:50])
    assert reconstructions.shape == (50, 4)
    assert errors == pytest.approx(np.square(reconstructions - X[:50]).mean(axis=1), rel=1e-5)
    assert (predictor.reconstruction_errors(X[:50]) == errors).all()
    streamed = loaded(run).streamed_scores()
    streamed.add(X[:50], None)
    assert streamed.scores()["loss"] == pytest.approx(errors.mean(), rel=1e-5)


def test_an_untrained_or_damaged_run_is_reported_as_an_error(classes: Run, tmp_path: Path) -> None:
    import shutil

    def copied(name: str) -> RunFolder:
        folder = RunFolder(shutil.copytree(classes.result.folder.path, tmp_path / name))
        folder.update_record(files_sha256={})  # of a version that kept no sums
        return folder

    def load(folder: RunFolder, checkpoint: str = "final") -> Any:
        from dlrun.training.trained import load_trained

        spec = read_stored_spec(folder, looks_at_data=False).spec
        return load_trained(folder, spec, checkpoint=checkpoint, listener=silent)

    begun = copied("begun")
    begun.interface_json.unlink()
    with pytest.raises(RunError, match=r"has no interface\.json") as raised:
        load(begun)
    assert "dlrun resume begun" in raised.value.hint
    other = copied("other")
    interface = json.loads(other.interface_json.read_text())
    interface["features"] |= {"kind": "tokens", "shape": [4], "vocabulary_size": 9}
    other.interface_json.write_text(json.dumps(interface))
    with pytest.raises(RunError, match="does not accept tokens features"):
        load(other)
    with pytest.raises(UsageError, match="no checkpoint 'other'"):
        load(classes.result.folder, "other")
    damaged = copied("damaged")
    next(damaged.best.glob("*.safetensors")).write_bytes(b"x" * 100)
    with pytest.raises(CheckpointError, match="best") as broken:
        load(damaged, "best")
    newest = max(path.name for path in damaged.checkpoints.glob("step-*"))
    assert broken.value.hint == f"{newest} is valid: --checkpoint {newest}"
    load(damaged, newest)
    for path in damaged.checkpoints.glob("step-*/*.safetensors"):
        path.write_bytes(b"x" * 100)
    with pytest.raises(CheckpointError, match=newest) as broken:
        load(damaged, "last")
    assert "no other checkpoint is valid" in broken.value.hint
    for name, old, new, said in (
        ("syntax", "{", "[", "is damaged"),
        ("kind", '"type": "array"', '"type": "picture"', "is damaged"),
        ("shape", '"raw_shape": [\n      4', '"raw_shape": [\n      5', "is damaged|not of this model"),
    ):
        folder = copied(name)
        text = folder.interface_json.read_text()
        assert old in text
        folder.interface_json.write_text(text.replace(old, new, 1))
        with pytest.raises(RunError, match=said):
            load(folder).predictor()
