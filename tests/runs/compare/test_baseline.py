"""Scores are compared with those of the baseline."""

from typing import Any

from dlrun.runs.compare.baseline import BaselineComparison, compare_with_naive, warn_of_naive
from dlrun.runs.record import BaselineRecord, RunRecord

DIRECTIONS: dict[str, Any] = {"loss": "min", "mean_absolute_error": "min", "r2_score": "max"}


def scored(model: dict[str, float | None], naive_scores: dict[str, float | None], **keys: Any) -> RunRecord:
    baseline = BaselineRecord(method="the last value")
    known: dict[str, Any] = {"result": {"test": model}, "naive": {"test": naive_scores}, "baseline": baseline}
    return RunRecord(id="x", name="x", directions=DIRECTIONS, **{**known, **keys})


def test_a_model_that_is_not_better_than_its_baseline_causes_a_warning() -> None:
    naive: dict[str, float | None] = {"loss": 0.3, "mean_absolute_error": 2.0, "r2_score": 0.5}
    worse = scored({"loss": 0.4, "mean_absolute_error": 3.0, "r2_score": 0.1}, naive)
    assert warn_of_naive(worse) == (
        "the model is worse than predicting the last value on the test split: "
        "mean_absolute_error 3 against 2, r2_score 0.1 against 0.5"
    )
    assert "no better than" in warn_of_naive(scored(naive, naive))
    assert warn_of_naive(scored({**naive, "loss": 9.0, "r2_score": 0.6}, naive)) == ""
    assert warn_of_naive(scored({"loss": 0.4}, {"loss": 0.3})).endswith("loss 0.4 against 0.3")
    assert warn_of_naive(scored({"loss": None, "r2_score": None}, naive)) == ""
    assert warn_of_naive(scored({"loss": 1.0}, {}, naive={})) == ""


def test_the_warning_mentions_a_loss_that_alone_is_better() -> None:
    naive: dict[str, float | None] = {"loss": 0.48, "r2_score": 0.0}
    assert warn_of_naive(scored({"loss": 0.3, "r2_score": 0.0}, naive)) == (
        "the model is no better than predicting the last value on the test split: r2_score 0 against 0; "
        "only its loss is better: loss 0.3 against 0.48"
    )


def test_a_weaker_naive_forecast_and_the_validation_split_have_to_be_beaten_too() -> None:
    seasonal = "the value one season before (12 rows)"
    weaker: dict[str, Any] = {seasonal: {"test": {"r2_score": 0.7}}}
    baseline = BaselineRecord(method="the last value", weaker=weaker)
    good = scored({"r2_score": 0.6}, {"r2_score": 0.5}, baseline=baseline)
    assert (
        warn_of_naive(good)
        == f"the model is worse than predicting {seasonal} on the test split: r2_score 0.6 against 0.7"
    )
    splits = {"result": {"test": {"r2_score": 0.6}, "validation": {"r2_score": 0.1}}}
    naive = {"naive": {"test": {"r2_score": 0.5}, "validation": {"r2_score": 0.2}}}
    assert "on the validation split: r2_score 0.1 against 0.2" in warn_of_naive(scored({}, {}, **splits, **naive))


def test_a_worse_loss_counts_only_without_metrics() -> None:
    penalized = scored({"loss": 9.0, "r2_score": 0.6}, {"loss": 0.3, "r2_score": 0.5})
    assert [each.name for each in compare_with_naive(penalized, "test", DIRECTIONS)] == ["r2_score"]
    bare = scored({"loss": 9.0}, {"loss": 0.3})
    assert [each.name for each in compare_with_naive(bare, "test", DIRECTIONS)] == ["loss"]


def test_scores_that_differ_are_written_with_enough_digits_to_see_it() -> None:
    assert str(BaselineComparison("mae", 2.0e-7, 3.0e-7, 1e-7)) == "mae 2e-07 against 3e-07"
    assert str(BaselineComparison("mae", 20123.4, 20123.2, -0.2)) == "mae 20123.4 against 20123.2"
    assert str(BaselineComparison("mae", 20123.4, 29123.2, 9e3)) == "mae 20,123 against 29,123"
    assert str(BaselineComparison("r2", 0.99991, 0.99994, -3e-5)) == "r2 0.99991 against 0.99994"
    assert str(BaselineComparison("r2", 0.5, 0.5, 0.0)) == "r2 0.5 against 0.5"
