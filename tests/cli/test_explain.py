"""Explanations of a table can be written to a file."""

import csv
import json
from pathlib import Path

import pytest

from dlrun.cli.explain import show_columns
from dlrun.errors import UsageError
from dlrun.explanation.columns import ColumnImportances
from dlrun.scoring.importances import Importance

FOUND = ColumnImportances((Importance("=a", 0.5, 0.1), Importance("b", 0.25, 0.0)), "the loss", 40, "final")


def test_the_importance_of_columns_is_written_as_csv_and_as_json_lines(tmp_path: Path) -> None:
    show_columns(FOUND, tmp_path / "x.csv", as_json=False)
    rows = list(csv.DictReader((tmp_path / "x.csv").open()))
    assert [(row["column"].lstrip("'"), float(row["mean"]), row["examples"]) for row in rows] == [
        ("=a", 0.5, "40"),
        ("b", 0.25, "40"),
    ]
    show_columns(FOUND, tmp_path / "x.jsonl", as_json=False)
    lines = [json.loads(line) for line in (tmp_path / "x.jsonl").read_text().splitlines()]
    assert [line["column"] for line in lines] == ["=a", "b"]


def test_a_file_with_an_unknown_suffix_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"\.csv, \.jsonl or \.json"):
        show_columns(FOUND, tmp_path / "x.png", as_json=False)
