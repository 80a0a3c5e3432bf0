"""A report shows the decision of its run with the scores before and after it, and nothing without a decision."""

from dlrun.decision import Decision
from dlrun.report.decision import decision_section
from dlrun.runs.record import DecisionRecord, RunRecord

DECISION = DecisionRecord(
    value=Decision((0.37,), (1.5,)),
    summary="<yes> above 0.37; temperature 1.5",
    finished="2026-11-28T18:00:00.000+00:00",
    origin="spec",
    checkpoint="step-000000080",
    wanted={"calibration": "temperature"},
    examples=90,
    reasons={"calibration": "temperature, with the smallest cross-entropy"},
    scores={"test": {"before": {"ece": 0.0812, "cost": None}, "after": {"ece": 0.0213, "cost": None}}},
)


def test_it_shows_what_was_chosen_and_the_scores_before_and_after() -> None:
    page = "".join(decision_section(RunRecord(id="a", name="a", decision=DECISION)))
    for text in ("&lt;yes&gt; above", "smallest cross-entropy", "2026-11-28 18:00", "0.0812", "0.0213", ">-<"):
        assert text in page, text
    assert page.index("as trained, at 0.5") < page.index("with the decision")


def test_nothing_is_shown_without_a_decision_or_after_it_was_undone() -> None:
    undone = DECISION.model_copy(update={"value": Decision(), "wanted": {}})
    for decision in (None, undone):
        assert not list(decision_section(RunRecord(id="a", name="a", decision=decision)))
