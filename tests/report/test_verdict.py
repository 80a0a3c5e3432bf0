"""The sentence at the top of a report."""

from typing import Any

import pytest

from dlrun.report.findings import Score
from dlrun.report.verdict import Verdict, verdicts
from dlrun.runs.record import RunRecord
from dlrun.scoring.breakdown import Breakdown

DIRECTIONS = {"loss": "min", "accuracy": "max", "quality": "min"}


def said(record: dict[str, Any], **known: Any) -> list[Verdict]:
    baseline = {"method": "the most frequent class"}
    run = RunRecord.model_validate({"id": "run-1", "name": "x", "status": "completed", "baseline": baseline, **record})
    return list(verdicts(run, directions=DIRECTIONS, **known))


@pytest.mark.parametrize(
    ("scores", "naive", "mood", "text"),
    [
        ({"accuracy": 0.9}, {"accuracy": 0.5}, "good", "Better than the naive prediction (the most frequent class)"),
        ({"accuracy": 0.4}, {"accuracy": 0.5}, "bad", "Worse than the naive prediction (the most frequent class)"),
        ({"accuracy": 0.5}, {"accuracy": 0.5}, "bad", "No better than the naive prediction"),
        ({"quality": 2.0}, {"quality": 3.0}, "good", "quality 2 against 3"),
        ({"quality": 4.0}, {"quality": 3.0}, "bad", "The model is not useful as it is."),
        (
            {"loss": 0.1, "accuracy": 0.4},
            {"loss": 0.5, "accuracy": 0.5},
            "open",
            "better in loss 0.1 against 0.5; worse in",
        ),
        ({"loss": 0.1, "accuracy": 0.5}, {"loss": 0.5, "accuracy": 0.5}, "open", "; no better in accuracy 0.5"),
        ({"loss": 0.9, "accuracy": 0.6}, {"loss": 0.5, "accuracy": 0.5}, "good", "split: accuracy 0.6 against 0.5."),
    ],
)
def test_the_verdict_says_whether_a_model_beats_the_naive_prediction(
    scores: dict[str, float], naive: dict[str, float], mood: str, text: str
) -> None:
    [verdict] = said({"result": {"test": scores}, "naive": {"test": naive}})
    assert verdict.mood == mood
    assert text in verdict.text
    assert "test split" in verdict.text


def test_the_naive_forecast_of_a_series_and_of_an_earlier_run_is_the_last_value() -> None:
    record = {"result": {"test": {"loss": 2.0}}, "naive": {"test": {"loss": 1.0}}, "baseline": None}
    assert said(record)[0].text.startswith("Worse than the naive forecast (the last value) on the test split: loss 2")


def test_a_seasonal_naive_forecast_is_a_forecast_and_its_verdict_says_what_to_try() -> None:
    baseline = {"method": "the value one season before (12 rows)", "warning": "the model is worse"}
    record = {"result": {"test": {"loss": 2.0}}, "naive": {"test": {"loss": 1.0}}, "baseline": baseline}
    (bad,) = said(record)
    assert "naive forecast (the value one season before (12 rows))" in bad.text
    assert "Try model: {type: linear, solver: least_squares}" in bad.text
    good, warned = said({**record, "naive": {"test": {"loss": 3.0}}})
    assert (good.mood, warned.mood, warned.text) == ("good", "bad", "The model is worse.")


def test_the_test_split_decides_and_validation_only_where_there_is_no_test() -> None:
    result = {"validation": {"accuracy": 0.9}, "test": {"accuracy": 0.1}}
    naive = {"validation": {"accuracy": 0.5}, "test": {"accuracy": 0.5}}
    assert said({"result": result, "naive": naive})[0].mood == "bad"
    del result["test"]
    assert said({"result": result, "naive": naive})[0].mood == "good"


def test_a_lead_within_the_interval_counts_as_undecided() -> None:
    record = {"result": {"test": {"accuracy": 0.52}}, "naive": {"test": {"accuracy": 0.5}}}
    [verdict] = said(record, intervals=[Score("accuracy", 0.52, 0.45, 0.6)])
    assert (verdict.mood, verdict.text.startswith("Hardly better")) == ("open", True)


def test_a_lead_outside_the_interval_of_one_score_counts_as_better() -> None:
    directions = {"mae": "min", "rmse": "min"}
    record = {"result": {"test": {"mae": 11.4, "rmse": 21.0}}, "naive": {"test": {"mae": 11.9, "rmse": 22.1}}}
    intervals = [Score("MAE", 11.4, 11.0, 11.8), Score("RMSE", 21.0, 19.4, 23.2)]
    run = RunRecord.model_validate({"id": "x", "name": "x", "status": "completed", **record})
    [verdict] = verdicts(run, directions=directions, intervals=intervals)
    assert verdict.text.startswith("Better than the naive forecast (the last value) on the test split: mae 11.4")


def test_scores_without_direction_or_value_do_not_count_and_undefined_ones_are_named() -> None:
    scores = {"mine": 1.0, "accuracy": None}
    [verdict] = said({"result": {"test": scores}, "naive": {"test": {"mine": 0.0, "accuracy": 0.5}}})
    assert verdict.text.startswith("Undefined on the test split: accuracy")
    assert said({"result": {"test": {"accuracy": 0.5}}}) == []


def test_an_unfinished_run_has_no_verdict_and_an_improving_one_suggests_longer_training() -> None:
    assert said({"status": "interrupted"})[0].text.startswith("This run is interrupted")
    [verdict] = said({"result": {"test": {"accuracy": 0.5}}}, longer="dlrun resume run-1 --set training.epochs=8")
    assert verdict.text.startswith("The last epoch was the best")
    assert verdict.command == "dlrun resume run-1 --set training.epochs=8"


def test_classes_of_pixels_that_are_hardly_found_are_named_however_good_the_accuracy_is() -> None:
    record = {"result": {"test": {"accuracy": 0.99}}, "naive": {"test": {"accuracy": 0.9}}}
    parts = {"sky": 0.9, "car": 0.04, "dog": 0.0}
    scores = {name: {"iou": iou, "pixels": 9.0} for name, iou in parts.items()} | {"owl": {"iou": 0.0, "pixels": 0.0}}
    _, verdict = said(record, breakdown=Breakdown("mask", 4, {}, scores))
    assert (verdict.mood, verdict.text) == (
        "bad",
        "Hardly found on the test split: dog (IoU 0.00), car (IoU 0.04).",
    )
    assert len(said(record, breakdown=Breakdown("mask", 4, {}, {"sky": scores["sky"]}))) == 1
    many = {str(number): {"iou": 0.0, "pixels": 9.0} for number in range(9)}
    assert said(record, breakdown=Breakdown("mask", 4, {}, many))[1].text.endswith("4 (IoU 0.00) and 4 more.")
