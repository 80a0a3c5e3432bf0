"""The section `folds`: what it means, and where its mistakes are reported."""

from pathlib import Path

import pytest

from dlrun.errors import SpecError
from dlrun.spec.folds import asks_for_folds
from dlrun.spec.parse import read_spec
from dlrun.spec.schema import json_schema

SPEC = """\
dataset: {type: builtin, name: wine}
model: {type: mlp, units: [4]}
loss: sparse_categorical_crossentropy
metrics: [accuracy]
training: {monitor: val_accuracy}
folds: 4
"""
SERIES = """\
dataset: {type: series, path: s.csv, target: y, history: 2}
model: {type: linear}
loss: mean_squared_error
folds: 4
"""


def write(folder: Path, text: str = SPEC) -> Path:
    (folder / "x.yaml").write_text(text)
    return folder / "x.yaml"


def test_a_number_is_short_for_count_and_each_run_is_an_ordinary_one(tmp_path: Path) -> None:
    spec = read_spec(write(tmp_path)).spec
    assert spec.plain()["folds"] == {"count": 4, "repeats": 1, "seed": 0}
    runs = spec.of_folds()
    assert [run.plain()["dataset"]["fold"] for run in runs] == [
        {"index": index, "count": 4, "repeat": 0, "seed": 0} for index in range(4)
    ]
    assert not any("folds" in run.plain() for run in runs)
    alone = read_spec(write(tmp_path), ("folds=null", "dataset.fold={index: 2, count: 4}")).spec
    assert alone == runs[2]


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("folds=1", "folds.count is 1"),
        ("folds=true", "folds is true"),
        ("folds=[5]", "folds is [5]"),
        ("folds={}", "folds has no key 'count'"),
        ("folds={count: 3, repeat: 2}", "unknown key 'repeat' in folds"),
        ("folds={count: 200}", "cannot be divided into 200 folds"),
        ("dataset.validation=0.1", "folds give the validation split, but validation is set, too"),
        ("dataset.fold={index: 1, count: 4}", "folds and dataset.fold are both set"),
    ],
)
def test_a_wrong_value_is_the_only_problem_and_has_a_place(override: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(SpecError) as raised:
        read_spec(write(tmp_path), (override,))
    (problem,) = raised.value.problems
    assert message in problem.what
    assert (problem.line, problem.expected != "") == ((6 if "dataset.fold" in override else 1), True)


def test_a_division_that_is_impossible_points_at_the_number(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match=r"x\.yaml:6:8: \d+ examples cannot be divided") as raised:
        read_spec(write(tmp_path, SPEC.replace("folds: 4", "folds: 199")))
    assert "at most" in str(raised.value)


def test_a_fold_that_does_not_exist_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match="there is no fold 4 of 4, counted from 0"):
        read_spec(write(tmp_path), ("folds=null", "dataset.fold={index: 4, count: 4}"))


def test_a_series_has_no_folds_and_the_error_says_what_to_do_instead(tmp_path: Path) -> None:
    (tmp_path / "s.csv").write_text("y\n" + "\n".join(map(str, range(40))) + "\n")
    with pytest.raises(SpecError, match=r"--grid dataset\.validation=") as raised:
        read_spec(write(tmp_path, SERIES))
    (problem,) = raised.value.problems
    assert (problem.line, problem.column) == (4, 1)


def test_a_separate_validation_file_and_folds_exclude_each_other(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("a,b\n" + "".join(f"{row},{'xy'[row % 2]}\n" for row in range(40)))
    table = "dataset: {type: table, path: t.csv, validation_path: t.csv, target: b}\n"
    with pytest.raises(SpecError, match="folds give the validation split, but validation_path is set"):
        read_spec(write(tmp_path, table + SPEC.partition("\n")[2]))


def test_the_schema_knows_the_section() -> None:
    number, group, nothing, _variable = json_schema()["properties"]["folds"]["anyOf"]
    assert (number["minimum"], nothing) == (2, {"type": "null"})
    assert group["properties"].keys() == {"count", "repeats", "seed"}


def test_folds_divide_the_training_rows_of_a_split_column_unless_it_gives_a_validation_split(tmp_path: Path) -> None:
    table = "dataset: {type: table, path: t.csv, split: part, target: b}\n"
    config = write(tmp_path, table + SPEC.partition("\n")[2])
    for other in ("test", "validation"):
        rows = "".join(f"{row * 1.5},{'xy'[row % 2]},{'train' if row % 4 else other}\n" for row in range(40))
        (tmp_path / "t.csv").write_text("a,b,part\n" + rows)
        if other == "test":
            assert read_spec(config).spec.folds is not None
        else:
            with pytest.raises(SpecError, match="folds give the validation split, but split is set, too"):
                read_spec(config)


def test_more_folds_than_groups_point_at_the_number(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text(
        "a,b,who\n" + "".join(f"{row * 1.5},{'xy'[row % 2]},{row // 14}\n" for row in range(40))
    )
    table = "dataset: {type: table, path: t.csv, group: who, target: b}\n"
    with pytest.raises(SpecError, match=r"x\.yaml:6:8: 4 folds of 3 groups"):
        read_spec(write(tmp_path, table + SPEC.partition("\n")[2]))


def test_a_config_asks_for_folds_by_its_text_and_its_overrides_alone(tmp_path: Path) -> None:
    config = write(tmp_path, "folds: 3\nmodel: nonsense\n")
    assert asks_for_folds(config, [])
    assert not asks_for_folds(config, ["folds=null"])
    config.write_text("model: mlp\n")
    assert not asks_for_folds(config, [])
    assert asks_for_folds(config, ["folds.count=3"])
    config.write_text("a: [")
    assert not asks_for_folds(config, ["folds=3"])
    assert not asks_for_folds(tmp_path / "absent.yaml", ["folds=3"])
