"""Columns of free text are left out, with the reason, for models that cannot learn from text."""

import csv
import json
import shutil
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest

from dlrun.errors import DataError, SpecError
from dlrun.spec.parse import read_spec

WHY = "it is free text, which needs a model that learns vectors of words, such as mlp"
DATASET = "dataset: {type: table, path: rooms.csv, validation: 0.2, test: 0.2}\n"
AUTOENCODER = "model: {type: autoencoder, units: [4], latent_units: 2}\nloss: mse\n"
MLP = "model: {type: mlp, units: [4]}\nloss: mse\n"
TRAINING = "training: {epochs: 2, batch_size: 16, report: false}\n"
MOST_ROWS = 80


def rows() -> list[dict[str, str]]:
    generator = np.random.default_rng(0)
    words = ["quiet", "room", "with", "a", "large", "old", "window", "near", "the", "park"]
    sizes = generator.normal(30, 8, MOST_ROWS)
    return [
        {
            "size": f"{size:.2f}",
            "review": " ".join(generator.choice(words, 7)) + f" {index}",
            "kind": str(generator.choice(["loft", "flat", "house"])),
            "rent": f"{9 * size + generator.normal():.2f}",
        }
        for index, size in enumerate(sizes)
    ]


def write(path: Path, *names: str, most: int = MOST_ROWS) -> Path:
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, names, extrasaction="ignore")
        writer.writeheader()
        writer.writerows(rows()[:most])
    return path


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    write(tmp_path / "rooms.csv", "size", "review", "kind", "rent")
    return tmp_path


def dataset_of(folder: Path, text: str, *overrides: str) -> Any:
    (folder / "rooms.yaml").write_text(text + TRAINING)
    return read_spec(folder / "rooms.yaml", overrides).spec.dataset


def test_a_model_without_word_vectors_gets_the_other_columns(folder: Path) -> None:
    loaded = dataset_of(folder, DATASET + AUTOENCODER).load()
    assert loaded.left_out == {"review": WHY}
    assert {column.name for column in loaded.raw.columns} == {"size", "kind", "rent"}
    assert f"columns left out: review: {WHY}" in loaded.notes


def test_a_model_with_word_vectors_gets_the_text_unless_the_spec_excludes_it(folder: Path) -> None:
    text = DATASET.replace("test:", "target: rent, test:") + MLP
    dataset = dataset_of(folder, text)
    assert dataset.unlisted_text == "auto"
    assert {column.name: column.kind for column in dataset.load().raw.columns}["review"] == "text"
    assert dataset_of(folder, text, "dataset.unlisted_text=ignore").load().left_out == {"review": WHY}


@pytest.mark.parametrize("asked", ["dataset.text=[review]", "dataset.unlisted_text=learn"])
def test_listed_text_is_still_refused(folder: Path, asked: str) -> None:
    with pytest.raises(SpecError, match=r"cannot embed the ids of 'review'"):
        dataset_of(folder, DATASET + AUTOENCODER, asked)


def test_embedding_a_large_categorical_column_does_not_include_text(folder: Path) -> None:
    dataset = dataset_of(folder, DATASET + AUTOENCODER, "dataset.embedding={min_categories: 50}")
    assert dataset.load().left_out == {"review": WHY}


def test_a_table_with_only_text_is_a_clear_error(folder: Path) -> None:
    write(folder / "rooms.csv", "review")
    with pytest.raises(DataError, match=r"rooms.csv has no column to learn from: review: it is free text") as raised:
        dataset_of(folder, DATASET + AUTOENCODER)
    assert "mlp" in str(raised.value)


def test_a_series_leaves_text_out_too(folder: Path) -> None:
    text = "dataset: {type: series, path: rooms.csv, target: rent, history: 3}\nmodel: {type: gru, units: [3]}\n"
    text += "loss: mse\n"
    loaded = dataset_of(folder, text).load()
    assert loaded.left_out == {"review": "it is free text, which a series does not support"}
    assert {column.name for column in loaded.raw.columns} == {"size", "kind", "rent"}
    with pytest.raises(DataError, match="free text, which a series does not support"):
        dataset_of(folder, text, "dataset.unlisted_text=learn").load()


class Home(NamedTuple):
    """A folder with the data, a config and a run of it.

    Args:
        path: The folder.
        said: What training wrote.
        record: Its run.json.
    """

    path: Path
    said: str
    record: dict[str, Any]


@pytest.fixture(scope="module")
def trained(forked: Any, tmp_path_factory: pytest.TempPathFactory) -> Home:
    path = tmp_path_factory.mktemp("rooms")
    write(path / "rooms.csv", "size", "review", "kind", "rent")
    (path / "rooms.yaml").write_text(DATASET + AUTOENCODER + TRAINING)
    ended = forked.run("train", "rooms.yaml", folder=path)
    assert ended.code == 0, ended.err
    (record,) = (path / "runs").glob("*/run.json")
    return Home(path, ended.out + ended.err, json.loads(record.read_text()))


def out(forked: Any, home: Home, *arguments: object, errors: bool = True) -> str:
    ended = forked.run(*arguments, folder=home.path)
    assert ended.code == 0, ended.err
    return str(ended.out + (ended.err if errors else ""))


@pytest.mark.tensorflow
def test_columns_left_out_are_reported_by_every_command_and_stored(forked: Any, trained: Home) -> None:
    assert f"review: {WHY}" in trained.said
    assert trained.record["dataset"]["left_out"] == {"review": WHY}
    for command in (("validate", "rooms.yaml"), ("plan", "rooms.yaml"), ("data", "show", "rooms.yaml")):
        assert f"review: {WHY}" in " ".join(out(forked, trained, *command).split()), command


@pytest.mark.tensorflow
def test_the_stored_spec_makes_the_same_plan(forked: Any, trained: Home) -> None:
    (spec,) = (trained.path / "runs").glob("*/spec.yaml")
    shutil.copy(spec, trained.path / "again.yaml")
    out(forked, trained, "train", "again.yaml", "--runs-dir", "others", "-q")
    (path,) = (trained.path / "others").glob("*/run.json")
    again = json.loads(path.read_text())
    assert again["weights_sha256"] == trained.record["weights_sha256"]
    assert again["dataset"] == trained.record["dataset"]


@pytest.mark.tensorflow
def test_rows_with_and_without_the_text_are_predicted_alike(forked: Any, trained: Home) -> None:
    write(trained.path / "with.csv", "size", "review", "kind", "rent", most=4)
    write(trained.path / "without.csv", "rent", "size", "kind", most=4)
    given = out(forked, trained, "predict", "last", "with.csv", errors=False)
    assert len(given.splitlines()) == 5
    assert out(forked, trained, "predict", "last", "without.csv", errors=False) == given
    assert json.loads(out(forked, trained, "eval", "last", "--json", errors=False))["test"]["loss"] > 0


@pytest.mark.tensorflow
@pytest.mark.parametrize(
    "to", ["keras", "onnx", *(pytest.param(to, marks=pytest.mark.soak) for to in ("savedmodel", "tflite"))]
)
def test_the_run_is_exported_without_the_text(forked: Any, trained: Home, to: str) -> None:
    if to == "onnx":
        pytest.importorskip("onnxruntime", reason="an export to onnx needs it")
    said = out(forked, trained, "export", "last", "--to", to)
    assert "review" not in said
