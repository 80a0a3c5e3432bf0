"""Predictions as CSV, JSON lines, Parquet and arrays."""

import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dlrun.errors import UsageError
from dlrun.prediction.columns import OutputColumn
from dlrun.prediction.output import choose_format, write_predictions
from dlrun.prediction.predict import PredictionBatch, Predictions
from example_predictions import IN_CSV, NUMBERS, READABLE, predictions, read_back


@pytest.mark.parametrize("name", ["p.csv", "p.jsonl", "p.parquet"])
def test_every_format_preserves_float32_and_text_except_formulas_in_csv(tmp_path: Path, name: str) -> None:
    written = write_predictions(predictions(), tmp_path / name, kind=choose_format(tmp_path / name, None))
    names, numbers = read_back(tmp_path / name)
    assert written.rows == 6
    assert written.formula == "=1+1"
    assert names == (IN_CSV if name == "p.csv" else READABLE)
    expected = [None if np.isnan(number) else number for number in NUMBERS]
    assert [None if number is None else np.float32(number) for number in numbers] == expected
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_numbers_have_no_more_digits_than_they_need() -> None:
    stream = io.StringIO()
    write_predictions(predictions(), stream, kind="csv")
    assert stream.getvalue().splitlines()[:3] == ["name,label,probability", "row 0,x,1.0", '"a,""b"".png",y,0.1']


def test_nan_is_null_in_json() -> None:
    stream = io.StringIO()
    write_predictions(predictions(), stream, kind="jsonl")
    rows = [json.loads(line, parse_constant=pytest.fail) for line in stream.getvalue().splitlines()]
    assert rows[3] == {"name": "Grüße\n2", "label": "", "probability": None}


def test_a_column_may_have_any_name() -> None:
    stream, columns = io.StringIO(), (OutputColumn('100% "a"', is_text=True), OutputColumn("%s"))
    write_predictions(Predictions(columns, iter([PredictionBatch((["x"], NUMBERS[:1]))])), stream, kind="jsonl")
    assert json.loads(stream.getvalue()) == {'100% "a"': "x", "%s": 1.0}


@pytest.mark.parametrize(
    ("path", "wanted", "found"),
    [
        (None, None, "csv"),
        (Path("a.CSV"), None, "csv"),
        (Path("a.ndjson"), None, "jsonl"),
        (Path("a.parquet"), None, "parquet"),
        (Path("a.txt"), "jsonl", "jsonl"),
        (Path("a.csv"), "parquet", "parquet"),
    ],
)
def test_the_format_is_the_requested_one_or_follows_from_the_suffix(path: Any, wanted: Any, found: str) -> None:
    assert choose_format(path, wanted) == found


@pytest.mark.parametrize(
    ("path", "wanted", "said"),
    [
        (None, "parquet", "--output"),
        (Path("a.txt"), None, "is not a known format"),
        (Path("a.csv"), "xls", "one of csv, jsonl, parquet"),
        (None, "xls", "one of csv, jsonl, parquet"),
    ],
)
def test_an_impossible_format_is_a_usage_error(path: Any, wanted: Any, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        choose_format(path, wanted)
