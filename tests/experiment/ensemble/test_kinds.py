"""Folds of every kind of data and target are joined, and the ensemble is used like any run."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import dlrun
from dlrun.report.writing import write_report
from pictures import blocks, png

pytestmark = [pytest.mark.tensorflow, pytest.mark.soak]

MLP = {"type": "mlp", "units": [8]}
TRAINING = {"batch_size": 32, "epochs": 2, "jit": "off", "report": False, "tensorboard": False}
BINARY, SPARSE = "binary_crossentropy", "sparse_categorical_crossentropy"


def write_table(folder: Path) -> Path:
    random = np.random.default_rng(0)
    x, path = random.normal(size=(240, 3)), folder / "t.csv"
    classes = np.digitize(x[:, :2] + 0.3 * random.normal(size=(240, 2)), [-0.5, 0.5])
    lines = [
        f"{p:.3f},{q:.3f},{r:.3f},{int(p > 0)},{int(q > r)},{'abc'[one]},{'xyz'[two]},{p + q:.4f},{1 + abs(r):.3f}"
        for (p, q, r), (one, two) in zip(x, classes, strict=True)
    ]
    path.write_text("\n".join(["p,q,r,yes,no,first,second,sum,w", *lines]) + "\n")
    return path


def write_images(folder: Path) -> Path:
    lines = []
    for number in range(60):
        (folder / f"{number}.png").write_bytes(png(blocks(8, 8, seed=number) // 2 + 100 * (number % 2)))
        lines.append(f"{number}.png,{'ab'[number % 2]},{number // 4},{1 + number % 3}")
    (folder / "list.csv").write_text("\n".join(["path,label,patient,w", *lines]) + "\n")
    return folder / "list.csv"


def dataset(kind: str, folder: Path) -> tuple[dict[str, Any], Any, str, Path]:
    """The dataset section, the model, the loss, and a file to predict."""
    if kind == "images":
        path = write_images(folder)
        keys: dict[str, Any] = {"type": "images", "path": str(path), "group": "patient", "weight": "w"}
        return keys, {"type": "cnn", "blocks": [{"filters": 4}]}, SPARSE, path
    targets: dict[str, tuple[Any, str]] = {
        "labels": (["yes", "no"], BINARY),
        "class columns": (["first", "second"], SPARSE),
        "number": ("sum", "mean_squared_error"),
        "quantiles": ("sum", "quantile"),
    }
    path, (target, loss) = write_table(folder), targets[kind]
    others = {"yes", "no", "first", "second", "sum"} - {*([target] if isinstance(target, str) else target)}
    keys = {"type": "table", "path": str(path), "target": target, "ignore": sorted(others), "weight": "w"}
    return keys, MLP, loss, path


def columns(run: str, path: Path, runs: Path, **options: Any) -> np.ndarray:
    """Every predicted number of a run: probabilities, or values."""
    made = dlrun.predict(run, path, runs_dir=runs, **options)
    numeric = {each.name: place for place, each in enumerate(made.columns) if not each.is_text}
    # The probability of the chosen class is that of another class for another model, so it has no mean.
    chosen = {name.partition("=")[0] for name in numeric if "=" in name} | {"probability"}
    places = [place for name, place in numeric.items() if name not in chosen]
    return np.concatenate([np.array([block.cells[place] for place in places], float).T for block in made.blocks])


@pytest.mark.parametrize("kind", ["labels", "class columns", "number", "quantiles", "images"])
def test_an_ensemble_of_folds_is_used_like_any_run(kind: str, tmp_path: Path) -> None:
    keys, model, loss, path = dataset(kind, tmp_path)
    runs = tmp_path / "runs"
    spec = {"model": model, "loss": loss, "training": TRAINING}
    members = [
        dlrun.train(
            {**spec, "name": f"fold{index}", "dataset": {**keys, "test": 0.2, "fold": {"index": index, "count": 3}}},
            runs_dir=runs,
        ).folder.id
        for index in range(3)
    ]
    result = dlrun.ensemble(members, runs_dir=runs)
    run, options = result.folder.id, {} if kind in ("labels", "number", "quantiles") else {"top": "all"}
    mean = np.mean([columns(member, path, runs, **options) for member in members], axis=0)
    np.testing.assert_allclose(columns(run, path, runs, **options), mean, atol=1e-4)
    assert dlrun.evaluate(run, runs_dir=runs)["test"].scores == pytest.approx(result.scores["test"], rel=1e-5)
    (of_file,) = dlrun.evaluate(run, data=path, runs_dir=runs).values()
    assert of_file.breakdown.weight is not None
    write_report(result.folder)
    page = result.folder.report_html.read_text().replace("<wbr>", "")
    assert all(f">{member}<" in page for member in members)
    for to in ("onnx", "keras", "savedmodel", "tflite"):
        exported = dlrun.export(run, to, output=tmp_path / f"model.{to}", runs_dir=runs)
        assert exported.measured.largest_difference < 1e-4
    if kind in ("number", "quantiles"):
        bounds = columns(run, path, runs, intervals=0.9)
        assert (bounds[:, -2] < bounds[:, -1]).all()
        assert exported.description.plain()["intervals"]["examples"] > 100
        assert result.folder.read_record().intervals is not None
