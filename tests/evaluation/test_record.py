"""An evaluation in run.json and beside it."""

from typing import Any

import pytest

from dlrun.evaluation.record import data_name, evaluation_record
from dlrun.scoring.breakdown import Breakdown


def origin() -> Any:
    from dlrun.evaluation.record import Origin

    return Origin("final", "step-000000001", "some data")


def many(size: int) -> Breakdown:
    parts = {str(index): {"f1": 0.5, "roc_auc": float("nan")} for index in range(size)}
    return Breakdown("classes", size, {"accuracy": 1.0}, parts, tuple((index, index, 1) for index in range(size)))


def test_run_json_stays_small_however_many_classes_there_are() -> None:
    few, some, thousands = (evaluation_record({}, many(size), origin=origin()) for size in (20, 100, 5000))
    assert few.confusion is not None
    assert few.parts["3"] == {"f1": 0.5, "roc_auc": None}
    assert (some.confusion, len(some.parts)) == (None, 100)
    assert (thousands.confusion, thousands.parts, thousands.overall) == (None, {}, {"accuracy": 1.0})


@pytest.mark.parametrize(
    ("source", "name"),
    [
        ("a/new.csv", "data-new"),
        ("-", "data-stdin"),
        ("pics/*.png", "data-file"),
        ("../..", "data-file"),
        ("Größe 2.csv", "data-Größe_2"),
        ("x" * 300 + ".csv", "data-" + "x" * 60),
    ],
)
def test_an_evaluation_of_a_file_has_a_valid_file_name(source: str, name: str) -> None:
    assert data_name(source) == name
