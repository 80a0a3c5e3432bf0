"""Every check finds what it is there for, in data made to have it, and nothing in data that has not."""

import csv
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dlrun.data.inspection.check import find_all, quick_warnings
from dlrun.data.inspection.finding import Finding
from dlrun.data.inspection.inspected import inspect_source
from dlrun.data.table.source import Table
from dlrun.data.text.source import Text

ROWS = 600


RANDOM = np.random.default_rng(0)


@pytest.fixture(autouse=True)
def _own_numbers(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each test draws the same numbers, whichever tests run before it."""
    monkeypatch.setitem(globals(), "RANDOM", np.random.default_rng(0))


def clean_columns(rows: int = ROWS) -> dict[str, Any]:
    """A table in which nothing is wrong: the target follows from no column alone."""
    size, weight = RANDOM.normal(size=rows), RANDOM.normal(size=rows)
    classes = np.where(size + weight + RANDOM.normal(size=rows) > 0, "yes", "no")
    towns = RANDOM.choice(["Rome", "Oslo", "Lima"], size=rows)
    return {"size": size.round(4), "weight": weight.round(4), "town": towns, "label": classes}


def write_csv(path: Path, columns: dict[str, Any]) -> Path:
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(columns)
        writer.writerows(zip(*columns.values(), strict=True))
    return path


def table_findings(path: Path, **keys: Any) -> dict[str, Finding]:
    source = Table(path=str(path), **{"target": "label", "test": 0.2, "validation": 0.1, **keys})
    return by_check(find_all(inspect_source(source)))


def by_check(findings: Sequence[Finding]) -> dict[str, Finding]:
    assert all(finding.advice for finding in findings if finding.status != "pass")
    return {finding.check: finding for finding in findings}


def test_clean_data_passes_every_check(tmp_path: Path) -> None:
    found = table_findings(write_csv(tmp_path / "clean.csv", clean_columns()))
    assert {name: finding.said for name, finding in found.items() if finding.status != "pass"} == {}
    assert {"duplicates test", "target given away", "few examples", "imbalance", "missing values"} < found.keys()
    assert all(finding.threshold for finding in found.values())


def test_test_rows_that_are_also_in_training_are_a_failure_with_their_number(tmp_path: Path) -> None:
    columns = clean_columns()
    path = write_csv(tmp_path / "train.csv", columns)
    copied = {name: list(values[:50]) + list(values[:50]) for name, values in clean_columns(50).items()}
    for name, values in columns.items():
        copied[name][:50] = list(values[:50])
    found = table_findings(path, test=0, validation=0, test_path=str(write_csv(tmp_path / "test.csv", copied)))
    assert found["duplicates test"].status == "failure"
    assert found["duplicates test"].said.startswith("50 of 100 test examples (50.0%)")


def test_repeated_rows_with_few_values_are_not_a_failure(tmp_path: Path) -> None:
    columns = {name: RANDOM.choice(["a", "b"], size=ROWS) for name in ("x", "y", "label")}
    found = table_findings(write_csv(tmp_path / "few.csv", columns))
    assert found["duplicates test"].status == "note"
    assert "repeat another one, too" in found["duplicates test"].said


@pytest.mark.parametrize(
    ("name", "leak"),
    [
        ("as a number", lambda label: np.where(label == "yes", 3.0, 1.0) + RANDOM.normal(size=len(label)) * 0.1),
        ("as a code", lambda label: np.where(label == "yes", "paid", "open")),
        ("by being missing", lambda label: np.where(label == "yes", "", RANDOM.normal(size=len(label)).round(3))),
    ],
)
def test_a_column_that_leaks_the_target_is_named(tmp_path: Path, name: str, leak: Callable[[Any], Any]) -> None:
    columns = clean_columns()
    given = write_csv(tmp_path / "leak.csv", {"refund": leak(columns["label"]), **columns})
    found = table_findings(given, missing={"numeric": "indicator"})
    assert found["target given away"].status == "failure", name
    assert found["target given away"].said.startswith("refund alone")
    assert "ignore: [refund]" in found["target given away"].advice


def test_a_column_that_is_the_target_in_another_unit_is_named(tmp_path: Path) -> None:
    price = np.exp(RANDOM.normal(size=ROWS))
    columns = {"euros": (price * 0.9 + RANDOM.normal(size=ROWS) * 0.001).round(4), "rooms": RANDOM.integers(1, 9, ROWS)}
    found = table_findings(write_csv(tmp_path / "price.csv", {**columns, "label": price.round(4)}))
    assert found["target given away"].said.startswith("euros alone")
    assert table_findings(tmp_path / "price.csv", ignore=("euros",))["target given away"].status == "pass"


def test_findings_are_graded_by_their_share_and_by_how_sure_it_is(tmp_path: Path) -> None:
    train = write_csv(tmp_path / "train.csv", clean_columns())
    first = [line.split(",") for line in train.read_text().splitlines()[1:]]
    for copies, rows, status in ((1, 13, "note"), (1, 1000, "note"), (4, 200, "warning"), (40, 200, "failure")):
        others = {name: list(values) for name, values in clean_columns(rows).items()}
        for place, name in enumerate(others):
            others[name][:copies] = [row[place] for row in first[:copies]]
        test = write_csv(tmp_path / "test.csv", others)
        found = table_findings(train, test=0, validation=0, test_path=str(test))["duplicates test"]
        assert (found.status, copies) == (status, int(found.said.split()[0])), (copies, rows)
    label = np.array(["no", "yes"])[np.arange(60) % 2]
    good = np.where(label == "yes", 3.0, 1.0) + RANDOM.normal(size=60) * 0.1
    few = write_csv(tmp_path / "few.csv", {"good": good, **clean_columns(60), "label": label})
    assert table_findings(few)["target given away"].status == "warning"  # so few may be told apart by one good column
    assert table_findings(write_csv(few, {"renamed": label == "yes", "label": label}))["target given away"].status == (
        "failure"
    )


def test_a_test_split_that_is_also_the_validation_split_is_checked_once(tmp_path: Path) -> None:
    source = Table(
        path=str(write_csv(tmp_path / "x.csv", clean_columns())), target="label", test=0.2, validation="test"
    )
    checks = [finding.check for finding in find_all(inspect_source(source))]
    assert len(set(checks)) == len(checks)
    assert not [check for check in checks if "validation" in check]


def test_warnings_of_a_training_name_the_key_that_helps(tmp_path: Path) -> None:
    columns = clean_columns()
    clean = Table(path=str(write_csv(tmp_path / "clean.csv", columns)), target="label", test=0.2)
    assert list(quick_warnings(clean, clean.load())) == []
    alive = np.where(columns["label"] == "yes", "alive", "dead")
    leaking = Table(path=str(write_csv(tmp_path / "x.csv", {"state": alive, **columns})), target="label", test=0.2)
    (said,) = quick_warnings(leaking, leaking.load())
    assert said.startswith("state alone predicts the target with 1.0000; ")
    assert "ignore: [state]" in said


def test_columns_without_information_are_named(tmp_path: Path) -> None:
    columns = {
        "one": ["x"] * ROWS,
        "nearly": [0] * (ROWS - 2) + [5, 7],
        "gaps": ["" if row % 2 else row * 0.3 for row in range(ROWS)],
        "code": [f"c{row}" for row in range(ROWS)],
        **clean_columns(),
    }
    path = write_csv(tmp_path / "idle.csv", columns)
    found = table_findings(path, categorical=("code",))
    assert found["constant columns"].status == "warning"
    assert "one (only one value, left out)" in found["constant columns"].said
    assert "nearly" in found["constant columns"].said
    assert found["missing values"].said == "1 column: gaps (50.0%)"
    assert found["ids"].said == f"code ({ROWS} values in {ROWS} rows)"
    assert table_findings(path)["ids"].said == "left out: code"


def test_rare_missing_and_frequent_classes_are_named(tmp_path: Path) -> None:
    columns = clean_columns()
    columns["label"] = ["b"] * 5 + ["c"] * 2 + ["a"] * (ROWS - 7)
    found = table_findings(write_csv(tmp_path / "rare.csv", columns), validation=0)
    assert "b (4), c (2)" in found["few examples"].said
    assert found["classes test"].said == "1 of 3 classes have no test example: c"
    assert found["imbalance"].status == "warning"
    assert "class_weight: balanced" in found["imbalance"].advice


def test_values_far_off_and_splits_that_differ_are_named(tmp_path: Path) -> None:
    columns, others = clean_columns(), clean_columns()
    columns["weight"] = [-999.0, *columns["weight"][1:]]
    others["size"] = [value + 1.5 for value in others["size"]]
    others["town"] = ["Rome"] * ROWS
    path = write_csv(tmp_path / "a.csv", columns)
    found = table_findings(path, test=0, test_path=str(write_csv(tmp_path / "b.csv", others)))
    assert "weight (-999 is" in found["far-off values"].said
    assert found["drift test"].said.startswith("size (1.5")
    assert "town (0." in found["drift test"].said
    assert found["drift validation"].status == "pass"


def test_several_class_columns_are_checked_one_by_one(tmp_path: Path) -> None:
    columns = clean_columns()
    columns["grade"] = np.repeat([3, 4, 5], [8, 92, ROWS - 100])
    columns["copy"] = columns["grade"] * 10
    path = write_csv(tmp_path / "several.csv", columns)
    found = table_findings(path, target=("label", "town", "grade"), task="classification")
    assert found["few examples"].said.startswith("1 of 8 classes have few training examples: grade=3 (")
    assert found["imbalance label"].status == found["imbalance town"].status == "pass"
    assert found["imbalance grade"].status == "warning"
    assert "class_weight" not in found["imbalance grade"].advice
    assert found["target given away"].said == "copy alone predicts the target grade with 1.0000"


def test_texts_that_are_empty_long_unknown_or_in_two_splits_are_counted(tmp_path: Path) -> None:
    texts = [f"the film was {'good' if row % 2 else 'bad'} {' very' * (row % 7)} word{row}" for row in range(200)]
    labels = [row % 2 for row in range(200)]
    train = write_csv(tmp_path / "train.csv", {"text": texts, "label": labels})
    others = [
        "",
        "",
        *(f"nothing here {' is known' * row}" for row in range(28)),
        *(f"  {t.upper()} " for t in texts[:10]),
    ]
    others[5] = "nothing " * 3000
    test = write_csv(tmp_path / "test.csv", {"text": others, "label": labels[:40]})
    source = Text(path=str(train), test_path=str(test), sequence_length=12)
    found = by_check(find_all(inspect_source(source)))
    assert found["duplicates test"].said.startswith("10 of 40 test examples")
    assert found["empty texts test"].said.startswith("2 of 40 test texts")
    assert found["long texts test"].status == "warning"
    assert found["long texts test"].said.endswith("the longest has 3,000")
    assert "sequence_length: " in found["long texts test"].advice
    assert found["unknown words test"].status == "warning"
    assert {found[f"{check} train"].status for check in ("empty texts", "long texts", "unknown words")} == {"pass"}


def test_columns_that_are_left_out_are_missed_by_nobody_and_categories_are_not_filled_in(tmp_path: Path) -> None:
    columns = clean_columns() | {"": [""] * ROWS, "cabin": ["", "", "A", "B"] * (ROWS // 4)}
    columns["gaps"] = np.where(np.arange(ROWS) % 2, "", columns["size"])
    found = table_findings(write_csv(tmp_path / "gaps.csv", columns), ignore=("gaps",))
    assert found["missing values"].said == "1 column: cabin (50.0%)"
    assert found["missing values"].advice.endswith("ignore: [cabin]")
    assert "no values, left out" in found["constant columns"].said


def test_two_categories_of_a_few_rows_differ_by_chance(tmp_path: Path) -> None:
    columns = clean_columns(100) | {"sex": ["f", "m"] * 50, "size": [-1.5, 1.5] * 50, "weight": [2.5, 0.5] * 50}
    few = clean_columns(8) | {"sex": ["f"] * 7 + ["m"], "size": [-1.5, 1.5] * 4, "weight": [2.5, 0.5] * 4}
    path = write_csv(tmp_path / "a.csv", columns)
    found = table_findings(path, test=0, test_path=str(write_csv(tmp_path / "b.csv", few)), ignore=("town",))
    assert "0.38 in sex" in found["drift test"].said
    assert "may be chance with so few examples" in found["drift test"].said
