"""A deployed model of a table begins with layers that give what the files' reader gives, for every odd value."""

import csv
import json
import random
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import parquet

from dlrun.data.columns import input_names
from dlrun.data.columns.keys import Missing
from dlrun.data.columns.texts import MISSING_VALUES
from dlrun.data.dataset import Dataset
from dlrun.data.interface import Interface, parse_interface
from dlrun.data.table.source import Table

pytestmark = pytest.mark.tensorflow

CITIES = [f"city {index} é" for index in range(80)] + ["[UNK]", "a,b", "line\nbreak", 'q"uote', "нет", "'"]
TEXTS = ["", "Hello, WORLD! é", "don't  stop\nnow", "ÄÖ x.y-z [UNK] NA", "?", "\t a\u00a0b ", "日本 語"]
NAMES = ["Hours per/week", "größe", "gräße", "colour", "city", "text", "flag", "day", "born", "y"]
DAYS = ["2021-03-05", "2020-02-29T23:15:01", "0001-01-01 00:00", "?", "9999-12-31", "2021-03-05T01:30+02:00",
        "2020-12-31 23:59:59.25 -0130", "2021-02-28 24:00Z"]  # fmt: skip
BORN = ["31.12.1999", "01.01.2000", ""]


def write(path: Path, rows: int, *, seed: int, odd: bool) -> Path:
    choose = random.Random(seed).choice
    new = ["new", "?", " NA ", "  x", ""] if odd else []
    with path.open("w", newline="") as file:
        out = csv.writer(file)
        out.writerow(NAMES)
        for _ in range(rows):
            numbers = [choose(["", "NaN", "-1.5", "3", "1e18", "0.1", "-999"]) for _ in range(2)]
            row = [*numbers, choose(["7", "8"]), choose(["x", "y", "NA", "ß", *new]), choose([*CITIES, *new])]
            out.writerow(
                [*row, choose(TEXTS), choose(["true", "false", *new]), choose(DAYS), choose(BORN), choose("ab")]
            )
    return path


@pytest.fixture(scope="module")
def loaded(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    path = write(tmp_path_factory.mktemp("table") / "train.csv", 800, seed=0, odd=False)
    missing, missing_values = Missing(numeric="indicator"), (*MISSING_VALUES, "-999")
    return Table(
        path=str(path), target="y", text=("text",), text_length=4, missing=missing, missing_values=missing_values
    ).load()


def test_the_layers_match_the_reader_even_when_loaded_with_plain_keras(loaded: Dataset, tmp_path: Path) -> None:
    import keras
    import tensorflow as tf

    assert loaded.target is not None
    made: Any = Interface("t", loaded.raw, loaded.preprocess, loaded.features, loaded.target)  # type: ignore[arg-type]
    kept: Any = parse_interface(json.dumps(made.plain()).encode(), origin="interface.json")
    assert kept == made
    kept.raw.build().save(tmp_path / "raw.keras")
    model = keras.models.load_model(tmp_path / "raw.keras")
    names = input_names(kept.raw.columns)
    assert sorted(names) == sorted(NAMES[:-1])
    assert sorted(model.input) == sorted(names.values())
    stored, given = [], []
    for examples in kept.raw.read(str(write(tmp_path / "new.csv", 300, seed=1, odd=True)), at_once=64):
        stored.append(examples.stored)
        given += [kept.raw.deployed(examples, index) for index in range(len(examples))]
    batch = {name: tf.constant(np.concatenate([each[name] for each in given])) for name in given[0]}
    found = np.concatenate(stored)
    assert np.array_equal(model(batch).numpy(), found)
    name = names["Hours per/week"]
    batch[name] = tf.where(tf.math.is_nan(batch[name]), np.float32(-999), batch[name])
    assert np.array_equal(model(batch).numpy(), found)
    shouted = {**batch, names["flag"]: tf.strings.upper(batch[names["flag"]])}
    assert np.array_equal(model(shouted).numpy(), found)
    ids = found[:, -5]
    assert (ids == 0).any()
    assert ids.max() > 80


def test_the_features_follow_from_the_columns(loaded: Dataset, tmp_path: Path) -> None:
    import keras

    loaded.preprocess.build().save(tmp_path / "preprocess.keras")
    model = keras.models.load_model(tmp_path / "preprocess.keras")
    train = loaded.splits["train"].features
    features = model(train).numpy()
    assert features.shape == (len(train), *loaded.features.shape)
    assert np.allclose(features[:, 0].mean(), 0, atol=1e-5)
    # Three numbers, of which two have an indicator that stays as it is, and two dates of five numbers and an indicator;
    # then one-hot columns; then ids as they were.
    columns = loaded.raw.columns  # type: ignore[union-attr]
    small = [column for column in columns if column.kind == "categorical" and not column.size]
    begun, stored = 17, 17
    assert set(np.unique(features[:, 1])) == {0, 1}
    for column in small:
        width = column.categories - 1
        hot = features[:, begun : begun + width]
        assert np.array_equal(hot.sum(axis=1), train[:, stored] > 0)
        assert np.array_equal(hot.argmax(axis=1) + 1, train[:, stored])
        begun, stored = begun + width, stored + 1
    assert np.array_equal(features[:, begun:], train[:, stored:])


@pytest.mark.parametrize("steps", [(), (3,)])
def test_sequences_of_rows_are_preprocessed_like_rows(loaded: Dataset, steps: tuple[int, ...]) -> None:
    from dlrun.data.columns import ColumnsPreprocess

    columns = loaded.raw.columns  # type: ignore[union-attr]
    rows = loaded.splits["train"].features[:6]
    model = ColumnsPreprocess.of(columns, steps=steps).build()
    shaped = rows.reshape(-1, *steps, rows.shape[-1])
    expected = loaded.preprocess.build()(rows).numpy()
    assert np.array_equal(model(shaped).numpy().reshape(expected.shape), expected)


@pytest.mark.parametrize("task", ["regression", "classification"])
def test_a_nan_target_is_missing_as_in_training(task: Any, tmp_path: Path) -> None:
    path = tmp_path / "gaps.parquet"
    values = [float("nan") if row == 3 else float(row % 4) for row in range(40)]
    parquet.write_table(pa.table({"x": [row / 7 for row in range(40)], "y": values}), path)
    dataset = Table(path=str(path), target="y", task=task, missing_target="drop").load()
    assert dataset.raw is not None
    (found,) = dataset.raw.read(str(path), at_once=50, target=dataset.target)
    assert (len(found), found.unlabelled) == (39, 1)
    assert found.target is not None
    assert not np.isnan(found.target).any()
