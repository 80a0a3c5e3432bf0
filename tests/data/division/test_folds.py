"""Folds: every example in exactly one of them, each class divided evenly, the test split the same for all."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dlrun.data import Arrays, Builtin, Dataset, Images, Source, Synthetic, Table, Text
from dlrun.data.division.folds import Fold, Folds, FoldsError, assign_folds, fold_size
from pictures import write_classes

COUNT = 3


def loaded(source: Source, *, repeat: int = 0) -> list[Dataset]:
    return [source.with_fold(Fold(index=index, count=COUNT, repeat=repeat)).load() for index in range(COUNT)]


def test_every_fold_has_its_share_of_the_examples_and_of_every_class() -> None:
    generator = np.random.default_rng(0)
    for case in range(200):
        count = int(generator.integers(2, 8))
        labels = np.repeat(np.arange(4), generator.integers(count, 40, size=4))
        generator.shuffle(labels)
        fold = Fold(index=0, count=count, seed=case)
        folds = assign_folds(len(labels), fold, labels=labels)
        sizes = np.bincount(folds, minlength=count)
        assert sizes.max() - sizes.min() <= 1
        assert sizes.tolist() == [fold_size(Fold(index=k, count=count), len(labels)) for k in range(count)]
        for each in range(4):
            of_class = np.bincount(folds[labels == each], minlength=count)
            assert of_class.min() >= 1
            assert of_class.max() - of_class.min() <= 1


def test_the_division_depends_on_seed_and_repeat_and_not_on_the_index() -> None:
    def division(**keys: int) -> list[int]:
        return list(map(int, assign_folds(60, Fold.model_validate({"index": 0, "count": 4, **keys}))))

    assert division() == division(index=3)
    assert len({tuple(division(**keys)) for keys in ({}, {"repeat": 1}, {"repeat": 2}, {"seed": 1})}) == 4


def test_the_runs_of_repeated_folds_come_in_order() -> None:
    folds = Folds(count=2, repeats=2, seed=7).folds
    assert [(fold.repeat, fold.index, fold.seed) for fold in folds] == [(0, 0, 7), (0, 1, 7), (1, 0, 7), (1, 1, 7)]


@pytest.mark.parametrize(
    ("total", "labels", "message"),
    [
        (4, None, "4 examples cannot be divided into 5 folds"),
        (20, np.arange(20) == 3, "the rarest class has 1 of the examples"),
    ],
)
def test_too_few_examples_or_examples_of_a_class_are_an_error(total: int, labels: Any, message: str) -> None:
    with pytest.raises(FoldsError, match=message):
        assign_folds(total, Fold(index=0, count=5), labels=labels)


def test_a_class_with_fewer_examples_than_folds_is_in_the_training_rows_of_each() -> None:
    labels = np.array([0] * 30 + [1, 1] + [2] * 3)
    folds = assign_folds(35, Fold(index=0, count=5), labels=labels)
    assert [len(set(folds[labels == label])) for label in (1, 2)] == [2, 3]
    for fold in range(5):
        assert set(labels[folds != fold]) == {0, 1, 2}


def written(folder: Path, kind: str) -> Source:
    generator = np.random.default_rng(1)
    numbers = generator.normal(size=(40, 3)).astype(np.float32)
    if kind == "arrays":
        np.savez(folder / "a.npz", x=numbers, y=np.arange(40) % 2)
        return Arrays(path=str(folder / "a.npz"), test=0.25)
    if kind == "images":
        return Images(path=str(write_classes(folder / "pictures", count=12, side=8)), test=0.25)
    if kind == "text":
        lines = [f"word{row} common,{'yes' if row % 2 else 'no'}" for row in range(40)]
        (folder / "t.csv").write_text("\n".join(["text,label", *lines]) + "\n")
        return Text(path=str(folder / "t.csv"), test=0.25)
    rows = [f"{row},{value:.5f},{'' if row in (3, 17) else 'ab'[row % 2]}" for row, value in enumerate(numbers[:, 0])]
    (folder / "t.csv").write_text("\n".join(["number,value,kind", *rows]) + "\n")
    keys = {"path": str(folder / "t.csv"), "target": "kind", "missing_target": "drop", "numeric": ("number",)}
    return Table.model_validate({**keys, "standardize": False, "test": 0.25})


IMAGES = pytest.param("images", marks=pytest.mark.tensorflow)  # it decodes them


@pytest.mark.parametrize("kind", ["arrays", "table", "text", "builtin", "synthetic", IMAGES])
def test_each_example_is_in_one_fold_and_the_test_split_in_none(kind: str, tmp_path: Path) -> None:
    source: Source
    if kind == "builtin":
        source = Builtin(name="wine", test=0.25)
    elif kind == "synthetic":
        source = Synthetic(task="linear", examples=40, width=3, test=0.25)
    else:
        source = written(tmp_path, kind)
    datasets = loaded(source)
    first = datasets[0]
    parts = [dataset.splits["validation"] for dataset in datasets]
    assert all(np.array_equal(each.splits["test"].features, first.splits["test"].features) for each in datasets)
    rows = [part.rows.tolist() for part in parts if part.rows is not None]
    divided = sorted(row for part in rows for row in part)
    assert len(divided) == len(set(divided)) == len(first.splits["train"]) + len(parts[0])
    assert first.splits["test"].rows is not None
    assert not set(divided) & set(first.splits["test"].rows.tolist())
    for dataset, own in zip(datasets, rows, strict=True):
        assert dataset.splits["train"].rows is not None
        assert sorted([*dataset.splits["train"].rows.tolist(), *own]) == divided
    if kind == "images":
        names = sorted(str(path.relative_to(tmp_path / "pictures")) for path in tmp_path.glob("pictures/*/*"))
        for part in parts:
            assert part.rows is not None
            assert part.origins is not None
            assert [names[row] for row in part.rows] == [str(name) for name in part.origins]
    if kind == "table":
        # Rows 3 and 17 have no target and are left out, but the numbers of the others are still those of the file.
        assert not {3, 17} & {*divided, *first.splits["test"].rows.tolist()}
        assert all(part.features[:, 0].tolist() == part.rows.tolist() for part in parts if part.rows is not None)
    assert loaded(source, repeat=1)[0].splits["validation"].rows.tolist() != rows[0]  # type: ignore[union-attr]


@pytest.mark.parametrize("kind", ["arrays", "images", "builtin"])
def test_too_many_folds_are_found_before_the_examples_are_read(kind: str, tmp_path: Path) -> None:
    source = Builtin(name="wine") if kind == "builtin" else written(tmp_path, kind)
    source.with_fold(Fold(index=0, count=3)).check_fold()
    with pytest.raises(FoldsError, match="cannot be divided into 450 folds"):
        source.with_fold(Fold(index=0, count=450)).check_fold()


def test_preprocessing_is_fitted_on_the_training_rows_of_each_fold(tmp_path: Path) -> None:
    source = written(tmp_path, "table").model_copy(update={"standardize": True})
    means = set()
    for dataset in loaded(source):
        rows = dataset.splits["train"].rows
        assert rows is not None
        column = next(column for column in dataset.raw_input().columns if column.name == "number")  # type: ignore[attr-defined]
        assert column.mean == pytest.approx(rows.mean())
        means.add(column.mean)
    assert len(means) == COUNT


def test_without_a_fold_nothing_of_it_is_stored() -> None:
    assert "fold" not in Builtin(name="wine").plain()
    assert Builtin(name="wine", test=0).load().splits["train"].rows is None


def test_the_rows_of_a_group_stay_in_one_fold_and_each_repeat_divides_them_anew() -> None:
    generator = np.random.default_rng(3)
    groups = np.repeat(np.arange(40), generator.integers(3, 9, size=40))
    labels = generator.integers(0, 2, size=len(groups))
    divisions = [
        assign_folds(len(groups), Fold(index=0, count=4, repeat=repeat), labels=labels, groups=groups)
        for repeat in range(3)
    ]
    for folds in divisions:
        assert all(len(np.unique(folds[groups == group])) == 1 for group in range(40))
        sizes = np.bincount(folds, minlength=4)
        assert sizes.max() - sizes.min() < 9
        shares = [labels[folds == fold].mean() for fold in range(4)]
        assert max(shares) - min(shares) < 0.1
    assert len({tuple(folds) for folds in divisions}) == 3


def test_too_few_groups_or_a_class_in_a_single_group_are_an_error() -> None:
    fold, groups = Fold(index=0, count=3), np.repeat(np.arange(4), 5)
    with pytest.raises(FoldsError, match="5 folds of 4 groups"):
        assign_folds(20, Fold(index=0, count=5), groups=groups)
    with pytest.raises(FoldsError, match="all examples of 1 of the classes are in a single fold"):
        assign_folds(20, fold, labels=(groups == 2).astype(int), groups=groups)
