"""The datasets of the members of an ensemble are joined row by row, or the difference is named."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dlrun.data import Dataset, Table, datasets
from dlrun.data.ensemble.input import EnsembleInput
from dlrun.data.ensemble.joining import difference, join_datasets
from dlrun.errors import DataError


@pytest.fixture
def table(tmp_path: Path) -> Path:
    random = np.random.default_rng(0)
    rows = [f"{random.normal():.3f},{['red', 'green', 'blue'][i % 3]},{['no', 'yes'][i % 2]}" for i in range(60)]
    path = tmp_path / "t.csv"
    path.write_text("\n".join(["a,color,y", *rows, ",unique,yes"]) + "\n")
    return path


def load(path: Path, **keys: Any) -> Dataset:
    return Table(path=str(path), target="y", test=0.2, **keys).load()


def test_folds_are_joined_side_by_side_and_every_other_row_is_a_training_row(table: Path) -> None:
    folds = [load(table, fold={"index": index, "count": 3}) for index in range(3)]
    joined = join_datasets(folds)
    assert {name: len(split) for name, split in joined.splits.items()} == {"train": 48, "test": 13}
    train = joined.splits["train"].rows
    assert train is not None
    assert np.all(np.diff(train) > 0)
    assert joined.target is not None
    assert isinstance(joined.raw, EnsembleInput)
    widths = [fold.preprocess.raw_shape[0] for fold in folds]
    assert joined.splits["test"].features.shape == (13, sum(widths))
    first = joined.splits["test"].features[:, : widths[0]]
    np.testing.assert_array_equal(first, folds[0].splits["test"].features)
    assert joined.features.size == sum(fold.features.size for fold in folds)


def test_what_a_file_is_read_as_is_what_the_splits_hold(table: Path) -> None:
    folds = [load(table, fold={"index": index, "count": 3}) for index in range(3)]
    joined, path = join_datasets(folds), str(table)
    read = np.concatenate([block.stored for block in joined.raw_input().read(path, at_once=7)])
    for split in joined.splits.values():
        np.testing.assert_array_equal(read[split.rows], split.features)


def test_members_with_the_same_splits_keep_the_validation_split(table: Path) -> None:
    wide, narrow = load(table, validation=0.25), load(table, validation=0.25, ignore=("color",))
    joined = join_datasets([wide, narrow])
    assert len(joined.splits["validation"]) == len(wide.splits["validation"])
    places = joined.raw_input().columns_of_stored()
    width = wide.preprocess.raw_shape[0]
    assert max(places["color"]) < width  # only the first member takes it
    assert [place >= width for place in places["a"]].count(True) == len(places["a"]) / 2
    assert join_datasets([wide, wide]) is wide


def test_a_different_test_split_is_refused_by_name(table: Path) -> None:
    with pytest.raises(DataError, match=r"other and first do not fit together: their test splits have different"):
        join_datasets([load(table), load(table, seed=1)], ["first", "other"])
    without = Table(path=str(table), target="y").load()
    assert difference(load(table), without) == "only one of them has a test split"


def test_targets_that_differ_are_named(table: Path) -> None:
    one = load(table)
    assert one.target is not None
    swapped = replace(one, target=replace(one.target, class_names=one.target.class_names[::-1]))
    assert difference(one, swapped).startswith("the classes are in another order: no, yes and yes, no")
    number = Table(path=str(table), target="a", test=0.2, missing_target="drop").load()
    assert "2 classes" in difference(one, number)
    assert "1 numbers" in difference(one, number)


def test_an_ensemble_is_a_dataset_that_a_spec_can_name(table: Path) -> None:
    section = {"type": "table", "path": str(table), "target": "y", "test": 0.2}
    found = datasets.find("ensemble")
    assert found is not None
    source: Any = found(members=({**section, "ignore": ("a",)}, section))  # type: ignore[call-arg]
    assert [member["type"] for member in source.plain()["members"]] == ["table", "table"]
    assert source.places() == (table,)
    assert len(source.load().splits["test"]) == 13
