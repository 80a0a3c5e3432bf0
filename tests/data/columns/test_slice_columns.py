"""Columns to group examples by: read again from the files, and aligned with the examples of each split."""

import csv
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from dlrun.data.columns import slice_values
from dlrun.data.table import source as table_module
from dlrun.data.table.source import Table
from dlrun.errors import DataError


def write_people(path: Path, rows: int = 200, first: int = 0) -> Path:
    with path.open("w") as file:
        file.write("id,age,sex,code,y\n")
        for n in range(first, first + rows):
            sex = ("female", "male", "")[n * 7 % 3]
            y = "" if n % 11 == 0 else ("yes" if n * 5 % 3 else "no")
            file.write(f"{n},{20 + n % 50},{sex},0{n % 4},{y}\n")
    return path


def people(folder: Path, **keys: object) -> Table:
    path = write_people(folder / "people.csv")
    given = {"path": str(path), "target": "y", "ignore": ("id", "sex"), "missing_target": "drop", "test": 0.2, **keys}
    return Table.model_validate(given)


def check_alignment(table: Table) -> None:
    splits = table.load().splits
    groups = table.read_slice_values(("id", "sex", "age"), splits)
    for name, split in splits.items():
        assert len(groups[name]["id"]) == len(split)
        # `age` is a feature, the first of a stored row: the rows read again are those of the examples.
        np.testing.assert_array_equal(groups[name]["age"], split.features[:, 0])
        expected = [("female", "male", "")[int(n) * 7 % 3] for n in groups[name]["id"]]
        assert groups[name]["sex"].tolist() == expected
    together = np.concatenate([groups[name]["id"] for name in splits])
    assert len(np.unique(together)) == len(together)


def test_columns_that_are_no_features_belong_to_the_examples_of_their_rows(tmp_path: Path) -> None:
    check_alignment(people(tmp_path, validation=0.25))


def test_rows_of_separate_files_are_numbered_through_all_of_them(tmp_path: Path) -> None:
    test = write_people(tmp_path / "test.csv", 50, first=1000)
    table = people(tmp_path, test=0, test_path=str(test), validation=30)
    check_alignment(table)
    splits = table.load().splits
    assert (table.read_slice_values(("id",), splits)["test"]["id"] >= 1000).all()


def test_rows_in_files_of_the_cache_know_their_numbers_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DLRUN_CACHE", str(tmp_path / "cache"))
    for constant in ("DESCRIBED_BYTES", "_PERHAPS_LARGE_BYTES", "IN_MEMORY_BYTES"):
        monkeypatch.setattr(table_module, constant, 0)
    table = people(tmp_path, validation=0.25)
    check_alignment(table)
    assert isinstance(table.load().splits["train"].rows, np.memmap)
    check_alignment(table)


def test_a_file_that_lost_rows_meanwhile_is_refused(tmp_path: Path) -> None:
    table = people(tmp_path)
    splits = table.load().splits
    write_people(tmp_path / "people.csv", 20)
    with pytest.raises(DataError, match="has changed since its rows were read"):
        table.read_slice_values(("sex",), splits)


def test_the_fingerprint_does_not_depend_on_row_numbers(tmp_path: Path) -> None:
    table = people(tmp_path)
    before = table.load().fingerprint
    lines = (tmp_path / "people.csv").read_text().splitlines()
    kept = [line for line in csv.reader(lines) if line[4]]  # without the rows that have no target
    (tmp_path / "people.csv").write_text("\n".join(map(",".join, kept)) + "\n")
    assert table.load().fingerprint == before


def test_names_of_columns_are_checked_with_the_nearest_one(tmp_path: Path) -> None:
    problems = list(people(tmp_path).slicing_problems(("sex", "agee", "sex")))
    assert [problem.path for problem in problems] == [(1,), (2,)]
    assert problems[0].hint == "did you mean 'age'?"


def test_numbers_stay_numbers_and_codes_stay_texts(tmp_path: Path) -> None:
    assert slice_values(pa.array(["1.5", None, "2"])).tolist() == pytest.approx([1.5, np.nan, 2.0], nan_ok=True)
    assert slice_values(pa.array(["01", None]), is_category=True).tolist() == ["01", ""]
    assert slice_values(pa.array([3, None], pa.int64())).tolist() == pytest.approx([3.0, np.nan], nan_ok=True)
    assert slice_values(pa.array(["a", None, "1"])).tolist() == ["a", "", "1"]
    assert slice_values(pa.array(["2021-03-05", "2022-01-01"])).tolist() == [2021.0, 2022.0]
    table = people(tmp_path, categorical=("code",))
    splits = table.load().splits
    assert set(table.read_slice_values(("code",), splits)["test"]["code"]) == {"00", "01", "02", "03"}
