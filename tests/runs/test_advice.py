"""What a run that has ended tells its user."""

from typing import Any

from dlrun.runs.advice import longer_command, worse_than_naive
from dlrun.runs.record import BaselineRecord, BestRecord, RunRecord
from dlrun.schedules import schedules
from dlrun.spec.types import Training

DIRECTIONS: dict[str, Any] = {"loss": "min", "mean_absolute_error": "min", "r2_score": "max"}


def scored(model: dict[str, float | None], naive_scores: dict[str, float | None], **keys: Any) -> RunRecord:
    baseline = BaselineRecord(method="the last value")
    known: dict[str, Any] = {"result": {"test": model}, "naive": {"test": naive_scores}, "baseline": baseline}
    return RunRecord(id="x", name="x", directions=DIRECTIONS, **{**known, **keys})


def test_a_model_that_no_metric_shows_to_be_better_than_a_naive_prediction_is_told() -> None:
    naive: dict[str, float | None] = {"loss": 0.3, "mean_absolute_error": 2.0, "r2_score": 0.5}
    worse = scored({"loss": 0.2, "mean_absolute_error": 3.0, "r2_score": 0.1}, naive)
    assert worse_than_naive(worse) == (
        "the model is worse than predicting the last value on the test split: "
        "mean_absolute_error 3.0000 against 2.0000, r2_score 0.1000 against 0.5000"
    )
    assert "no better than" in worse_than_naive(scored(naive, naive))
    assert worse_than_naive(scored({**naive, "loss": 9.0, "r2_score": 0.6}, naive)) == ""
    assert worse_than_naive(scored({"loss": 0.4}, {"loss": 0.3})).endswith("loss 0.4000 against 0.3000")
    assert worse_than_naive(scored({"loss": None, "r2_score": None}, naive)) == ""
    assert worse_than_naive(scored({"loss": 1.0}, {}, naive={})) == ""


def test_a_run_whose_last_epoch_is_the_best_is_told_how_to_go_on() -> None:
    class Spec:
        training = Training(epochs=5)
        schedule = schedules.find("constant")()  # type: ignore[misc]  # it is there

    def command(**keys: Any) -> str:
        best = BestRecord(metric="val_loss", value=0.5, epoch=5, step=50)
        record = scored({}, {}, **{"best": best, **keys})
        spec: Any = Spec()
        return longer_command(record, spec, last_epoch=5, resume="dlrun resume x", anew="dlrun train s.yaml")

    assert command() == "dlrun resume x --set training.epochs=10"
    assert command(reason="val_loss has not fallen for 3 epochs") == ""  # more epochs would train nothing
    assert command(best=BestRecord(metric="val_loss", value=0.5, epoch=4, step=40)) == ""
    assert command(best=BestRecord(metric="loss", value=0.5, epoch=5, step=50)) == ""  # it nearly always falls
    Spec.schedule = schedules.find("cosine")()  # type: ignore[misc]
    assert command() == "dlrun train s.yaml --set training.epochs=10"
