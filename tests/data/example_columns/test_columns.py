"""The columns that describe the rows of a table: what each may contain, and what it does to the splits."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dlrun.component import FieldProblem
from dlrun.data.table.source import Table
from dlrun.errors import DataError

FOLDS = ("train", "Training", " TRAIN ", "val", "dev", "test")


def rows(count: int = 60, **cells: Any) -> str:
    """Write rows of a patient, a fold, two features and a class; `cells` replaces a column of one row."""
    lines = ["patient,fold,x,c,y"]
    for index in range(count):
        given = {"patient": f"p{index % 12}", "fold": FOLDS[index % 6], **cells.get(f"row_{index + 1}", {})}
        lines.append(f"{given['patient']},{given['fold']},{index}.5,{'ab'[index % 2]},{'yes' if index % 4 else 'no'}")
    return "\n".join(lines) + "\n"


@pytest.fixture
def table(tmp_path: Path) -> Any:
    def make(content: str | None = None, **keys: Any) -> Table:
        path = tmp_path / "table.csv"
        path.write_text(rows() if content is None else content)
        return Table(**{"path": str(path), "target": "y", **keys})

    return make


def numbers(source: Table) -> dict[str, set[int]]:
    """Return the numbers of the rows in each split, which the feature x tells."""
    return {name: set(split.features[:, 0].astype(int).tolist()) for name, split in source.load().splits.items()}


def problems(source: Table) -> list[FieldProblem]:
    return list(source.problems())


def test_groups_stay_on_one_side_and_are_no_feature(table: Any) -> None:
    source = table(group="patient", test=0.2, validation=0.2, ignore=("fold",))
    found = numbers(source)
    groups = {name: {row % 12 for row in of} for name, of in found.items()}
    assert {name: len(of) for name, of in found.items()} == {"train": 35, "validation": 10, "test": 15}
    assert sum(map(len, groups.values())) == len(set().union(*groups.values())) == 12
    loaded = source.load()
    assert loaded.left_out["patient"] == "it is the group of each row (dataset.group)"
    assert [column.name for column in loaded.raw.columns] == ["x", "c"]
    assert any(
        note == "test: 15 of 60 examples in 3 whole groups (12 asked for) held out, stratified by class, seed 0"
        for note in loaded.notes
    )


def test_a_group_that_is_listed_is_a_feature_too(table: Any) -> None:
    loaded = table(group="patient", test=0.2, ignore=("fold",), categorical=("patient",)).load()
    assert [column.name for column in loaded.raw.columns] == ["x", "patient", "c"]


def test_without_these_keys_the_same_rows_are_held_out_as_before(table: Any) -> None:
    with_column = table(test=0.2, ignore=("fold",)).load()
    assert "patient" not in with_column.left_out
    assert len(with_column.splits["test"]) == 12


@pytest.mark.parametrize("path", ["test_path", "validation_path"])
def test_files_that_share_a_group_are_an_error(table: Any, tmp_path: Path, path: str) -> None:
    (tmp_path / "other.csv").write_text(rows(12).replace("p3,", "q3,").replace("p4,", "q4,"))
    source = table(group="patient", ignore=("fold",), **{path: str(tmp_path / "other.csv")})
    with pytest.raises(
        DataError, match=f"10 groups of 'patient' are in both the train split and the {path[:-5]} split"
    ):
        source.load()
    (tmp_path / "other.csv").write_text(
        rows(12).replace("p", "q", 1).replace("\np", "\nq").replace("qatient", "patient")
    )
    assert len(source.load().splits) == 2


def test_a_row_without_a_group_is_an_error(table: Any) -> None:
    source = table(rows(row_7={"patient": ""}), group="patient", test=0.2)
    with pytest.raises(DataError, match=r"table.csv:8 \(row 7\): the group 'patient' has no value"):
        source.load()


def test_the_split_column_decides_in_every_spelling(table: Any) -> None:
    source = table(split="fold", ignore=("patient",))
    found = numbers(source)
    assert found["validation"] == {row for row in range(60) if row % 6 in (3, 4)}
    assert found["test"] == {row for row in range(60) if row % 6 == 5}
    loaded = source.load()
    assert "split: 30 for training, 20 for validation, 10 for test, by the column fold" in loaded.notes
    assert loaded.left_out["fold"] == "it names the split of each row (dataset.split)"


@pytest.mark.parametrize(
    ("written", "said", "hint"),
    [
        ("tset", "the split 'fold' is 'tset'", "did you mean 'test'"),
        ("", "the split 'fold' has no value", "leave the row out"),
        ("3", "the split 'fold' is '3'", ""),
    ],
)
def test_another_value_of_the_split_column_is_an_error(table: Any, written: str, said: str, hint: str) -> None:
    with pytest.raises(DataError) as caught:
        table(rows(row_9={"fold": written}), split="fold").load()
    assert f"table.csv:10 (row 9): {said}" in str(caught.value)
    assert hint in str(caught.value)


def test_the_split_column_and_groups_that_cross_it_are_an_error(table: Any) -> None:
    by_fold = rows(24, **{f"row_{index + 1}": {"patient": f"p{index % 6}"} for index in range(24)})
    assert len(table(by_fold, split="fold", group="patient").load().splits) == 3
    with pytest.raises(
        DataError, match="a group of 'patient' is in both the train split and the validation split: 'p0'"
    ):
        table(by_fold.replace("p4,", "p0,"), split="fold", group="patient").load()


def test_a_split_that_the_column_gives_cannot_be_held_out_too(table: Any, tmp_path: Path) -> None:
    found = problems(table(split="fold", test=0.2, validation=5))
    assert [(problem.path, problem.what) for problem in found] == [
        (("test",), "split gives the test split, but test is set, too"),
        (("validation",), "split gives the validation split, but validation is set, too"),
    ]
    with pytest.raises(DataError, match="the column 'fold' gives them"):
        table(split="fold", validation=5).load()
    (file_problem,) = problems(table(split="fold", test_path=str(tmp_path / "other.csv")))
    assert (file_problem.path, file_problem.expected) == (("test_path",), "only one of them")


def test_a_split_that_the_column_does_not_give_can_be_held_out(table: Any) -> None:
    source = table(rows().replace("val", "train").replace("dev", "train"), split="fold", validation=0.2)
    assert problems(source) == []
    assert {name: len(of) for name, of in numbers(source).items()} == {"train": 40, "validation": 10, "test": 10}


def test_columns_with_two_roles_or_of_other_names_are_problems(table: Any) -> None:
    found = problems(table(group="patent", split="y", numeric=("x",)))
    assert {(problem.path, problem.what) for problem in found} == {
        (("group",), "there is no column 'patent'"),
        (("split",), "'y' is also the column of target"),
    }
    assert next(problem for problem in found if problem.path == ("group",)).hint == "did you mean 'patient'?"
    (listed,) = problems(table(split="fold", categorical=("fold",)))
    assert "also listed under categorical" in listed.what
    (same,) = problems(table(group="fold", split="fold"))
    assert same.what == "'fold' is also the column of group"


def test_a_split_column_without_training_rows_is_an_error(table: Any) -> None:
    content = rows().lower().replace("training", "test").replace("train", "test").replace("dev", "test")
    with pytest.raises(DataError, match="no row is for training"):
        table(content, split="fold").load()


def test_a_large_table_is_divided_like_a_small_one(table: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from dlrun.data.table import source as table_module

    source = table(group="patient", test=0.2, ignore=("fold",))
    small = source.load()
    for constant in ("DESCRIBED_BYTES", "_PERHAPS_LARGE_BYTES", "IN_MEMORY_BYTES"):
        monkeypatch.setattr(table_module, constant, 0)
    for _ in range(2):
        large = source.load()
        assert large.fingerprint == small.fingerprint
        np.testing.assert_array_equal(large.splits["test"].features, small.splits["test"].features)


def weighed(**cells: str) -> str:
    """Write rows with a weight, of which `cells` replaces some by their numbers."""
    lines = rows(24).splitlines()
    return "\n".join(
        [
            lines[0] + ",w",
            *(f"{line},{cells.get(f'row_{index}', index % 3)}" for index, line in enumerate(lines[1:], 1)),
        ]
    )


def test_weights_stay_with_their_rows_and_are_no_feature(table: Any) -> None:
    loaded = table(weighed(), weight="w", test=0.25, ignore=("fold", "patient")).load()
    for split in loaded.splits.values():
        assert split.weight is not None
        np.testing.assert_array_equal(split.weight, (split.features[:, 0].astype(int) + 1) % 3)
    assert loaded.weight == "w"
    assert loaded.left_out["w"] == "it is the weight of each row (dataset.weight)"
    assert any(note.startswith("weight: w (0 to 2, mean ") for note in loaded.notes)
    other = table(weighed(row_3="7"), weight="w", test=0.25, ignore=("fold", "patient")).load()
    assert other.fingerprint != loaded.fingerprint


@pytest.mark.parametrize(
    ("written", "said"),
    [("-1", "is '-1'"), ("heavy", "is 'heavy'"), ("", "has no value"), ("nan", "has no value"), ("inf", "is 'inf'")],
)
def test_a_weight_that_is_none_is_an_error_that_names_the_row(table: Any, written: str, said: str) -> None:
    with pytest.raises(DataError) as caught:
        table(weighed(row_5=written), weight="w").load()
    assert f"table.csv:6 (row 5): the weight 'w' {said}" in str(caught.value)


def test_weights_may_have_decimal_commas_and_must_not_all_be_0(table: Any) -> None:
    german = weighed(**{f"row_{index}": '"1,5"' for index in range(1, 25)})
    loaded = table(german, weight="w", ignore=("fold", "patient")).load()
    assert loaded.splits["train"].weight.tolist() == [1.5] * 24
    with pytest.raises(DataError, match="the weights of all 24 examples of the train split are 0"):
        table(weighed(**{f"row_{index}": "0" for index in range(1, 25)}), weight="w").load()


def test_a_labelled_file_is_read_with_its_weights_or_with_a_message(table: Any, tmp_path: Path) -> None:
    loaded = table(weighed(), weight="w", ignore=("fold", "patient")).load()
    (tmp_path / "with.csv").write_text(weighed())
    (tmp_path / "without.csv").write_text(rows(24))
    paths = (str(tmp_path / name) for name in ("with.csv", "without.csv"))
    with_them, without = (list(loaded.raw.read(path, at_once=9, target=loaded.target)) for path in paths)
    np.testing.assert_array_equal(np.concatenate([block.weight for block in with_them]), [i % 3 for i in range(1, 25)])
    assert [block.left_out for block in with_them] == ["", "", ""]
    assert [block.weight for block in without] == [None] * 3
    assert [bool(block.left_out) for block in without] == [True, False, False]
    assert "without.csv has no weights (column 'w'), so every row counts once" in without[0].left_out
    unlabelled = next(loaded.raw.read(str(tmp_path / "without.csv"), at_once=9))
    assert (unlabelled.left_out, unlabelled.weight) == ("", None)
