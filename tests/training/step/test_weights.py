"""Rows of weight 2 train and score like rows that stand there twice, whatever computes the steps."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dlrun.evaluation.evaluate import evaluate
from dlrun.experiment.session import TrainingResult
from dlrun.experiment.train import train
from dlrun.runs.folder import RunFolder

pytestmark = pytest.mark.tensorflow

GENERATOR = np.random.default_rng(4)
COUNT = 48
X = GENERATOR.normal(size=(COUNT, 2)).round(3)
WEIGHTS = GENERATOR.integers(1, 4, COUNT)
NOISE = GENERATOR.normal(size=COUNT)
PARTS = np.where(np.arange(COUNT) % 4 == 3, "test", np.where(np.arange(COUNT) % 4 == 2, "validation", "train"))
TARGETS = {
    "two": np.where(X[:, 0] + NOISE > 0, "yes", "no"),
    "three": np.array(list("abc"))[np.digitize(X[:, 0] + NOISE, (-0.7, 0.7))],
    "value": (3 * X[:, 0] + NOISE).round(3),
}
LOSSES = {
    "two": ("binary_crossentropy", ["accuracy", "auc", "f1_score", "precision", "true_positives"]),
    "three": ("sparse_categorical_crossentropy", ["accuracy", "f1_score"]),
    "value": ("mean_squared_error", ["mean_absolute_error", "r2_score", "root_mean_squared_error"]),
}


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder of tables: `once` has each row with its weight, `repeated` has it as often as its weight."""
    with pytest.MonkeyPatch.context() as patch:
        folder = tmp_path_factory.mktemp("weighed")
        patch.setenv("DLRUN_STATE", str(folder / "state"))
        for target, values in TARGETS.items():
            lines = [f"{x},{z},{part},{y}" for (x, z), part, y in zip(X, PARTS, values, strict=True)]
            # The same weight for all rows where the rows also decide the unit that the target is learned in.
            weights = np.full(COUNT, 2) if target == "value" else WEIGHTS
            once = [f"{line},{weight}" for line, weight in zip(lines, weights, strict=True)]
            again = [f"{line},1" for line, weight in zip(lines, weights, strict=True) for _ in range(weight)]
            for name, rows in (("once", once), ("repeated", again)):
                (folder / f"{target}_{name}.csv").write_text("\n".join(["x,z,part,y,w", *rows]) + "\n")
        yield folder


_RUNS: dict[str, TrainingResult] = {}


def trained(place: Path, target: str, table: str, *, weight: str | None = "w", **training: Any) -> TrainingResult:
    """Train on a table, once for each combination of arguments."""
    loss, metrics = LOSSES[target]
    dataset: dict[str, Any] = {
        "type": "table",
        "path": str(place / f"{target}_{table}.csv"),
        "target": "y",
        "split": "part",
    }
    dataset |= {"standardize": False, **({"weight": weight} if weight else {"ignore": ["w"]})}
    usual = {"batch_size": COUNT // 2, "epochs": 2, "jit": "off", "precision": "float32", "shuffle": False}
    spec = {
        "name": f"{target}_{table}",
        "dataset": dataset,
        "model": {"type": "mlp", "units": [5], "activation": "tanh", "l2": 0.01},
        "optimizer": {"type": "sgd", "learning_rate": 0.5},
        "loss": loss,
        "metrics": metrics,
        "training": {**usual, "tensorboard": False, "report": False, **training},
    }
    key = repr(spec)
    if key not in _RUNS:
        _RUNS[key] = train(spec, runs_dir=place / "runs")
    return _RUNS[key]


def training_rows(target: str, table: str) -> int:
    weights = np.full(COUNT, 2) if target == "value" else WEIGHTS
    return int(weights[PARTS == "train"].sum()) if table == "repeated" else int((PARTS == "train").sum())


def same(first: TrainingResult, second: TrainingResult, *, rel: float = 2e-5) -> None:
    rows = [RunFolder(each.folder.path).read_metrics() for each in (first, second)]
    for one, other in zip(*rows, strict=True):
        for name in one.keys() - {"seconds", "examples_per_second", "data_wait"}:
            assert one[name] == pytest.approx(other[name], rel=rel, abs=1e-6), name
    assert first.scores.keys() == {"validation", "test"}
    for split, scores in first.scores.items():
        assert scores == pytest.approx(second.scores[split], rel=rel, abs=1e-6)
    naive = [each.record["naive"] for each in (first, second)]
    for split, scores in naive[0].items():
        known = {name: value for name, value in scores.items() if value is not None}
        assert known == pytest.approx({name: naive[1][split][name] for name in known}, rel=rel, abs=1e-6)


@pytest.mark.parametrize(("target", "class_weight"), [("two", None), ("three", "balanced"), ("value", None)])
def test_full_batches_with_weights_are_those_with_repeated_rows(
    place: Path, target: str, class_weight: str | None
) -> None:
    weighed, repeated = (
        trained(place, target, table, batch_size=training_rows(target, table), class_weight=class_weight)
        for table in ("once", "repeated")
    )
    same(weighed, repeated)
    record = weighed.record
    assert record["dataset"]["weight"] == "w"


def test_evaluations_of_splits_and_files_weigh_rows(place: Path) -> None:
    weighed = trained(place, "two", "once", batch_size=training_rows("two", "once"), class_weight=None)
    run = weighed.folder.path
    of_split = evaluate(run, split="test")["test"]
    assert of_split.scores == pytest.approx(weighed.scores["test"], rel=1e-6)
    files = {}
    for table in ("once", "repeated"):
        path = place / f"two_{table}.csv"
        files[table] = next(iter(evaluate(run, data=path, overrides="training.evaluation_batch_size=7").values()))
    assert files["once"].scores == pytest.approx(files["repeated"].scores, rel=1e-5)
    assert files["once"].breakdown.naive == pytest.approx(files["repeated"].breakdown.naive, rel=1e-5, nan_ok=True)
    # The number of bins of the calibration error follows from the number of rows.
    overall = [{**each.breakdown.overall, "ece": 0.0} for each in files.values()]
    assert overall[0] == pytest.approx(overall[1], rel=1e-6)
    assert files["once"].breakdown.confusions == files["repeated"].breakdown.confusions
    assert (files["once"].breakdown.examples, files["once"].breakdown.weight) == (COUNT, WEIGHTS.sum())


@pytest.mark.soak
@pytest.mark.parametrize(
    "training", [{"feed": "host"}, {"cpu_shares": 2}, {"jit": "on"}], ids=lambda each: next(iter(each))
)
def test_every_way_of_computing_a_step_has_the_same_weights(place: Path, training: dict[str, Any]) -> None:
    usual = trained(place, "two", "once", batch_size=10)
    same(usual, trained(place, "two", "once", batch_size=10, **training), rel=1e-4)


@pytest.mark.soak
def test_weights_of_another_unit_and_of_one_change_nothing(place: Path) -> None:
    text = (place / "two_once.csv").read_text().splitlines()
    for name, factor in (("scaled", "e3"), ("equal", None)):
        rows = [line + factor if factor else line.rpartition(",")[0] + ",7" for line in text[1:]]
        (place / f"two_{name}.csv").write_text("\n".join([text[0], *rows]) + "\n")
    without = [score for score in LOSSES["two"][1] if score != "true_positives"]
    usual, scaled = trained(place, "two", "once", batch_size=10), trained(place, "two", "scaled", batch_size=10)
    plain, equal = trained(place, "two", "equal", weight=None), trained(place, "two", "equal")
    for first, second in ((usual, scaled), (plain, equal)):
        for score in ("loss", *without):
            assert first.scores["test"][score] == pytest.approx(second.scores["test"][score], rel=1e-5)
    assert plain.record["weights_sha256"] != usual.record["weights_sha256"]
