"""The plots of a decision show what was measured, before and after the calibration, and mark the threshold."""

from typing import Any

import numpy as np
import pytest

from dlrun.decision import Decision
from dlrun.report import decision_plots
from dlrun.scoring.calibration import reliability
from dlrun.signature import Target
from run_folders import predictions
from undrawn_figures import keep_axes

SHARES = np.linspace(0.01, 0.99, 100, dtype=np.float32)
TRUTH = (np.random.default_rng(0).random(100) < SHARES**2).astype(int)
TWO = Target("classes", 2, ("no", "yes"))


def of_two(shares: Any) -> Any:
    return np.stack([1 - shares, shares], axis=1)


@pytest.fixture
def axes(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """The axes of every plot by its name, which are not made into pictures."""
    made: dict[str, Any] = {}
    keep_axes(monkeypatch, decision_plots, made.__setitem__)
    return made


def test_the_reliability_before_and_after_is_that_of_the_scores(axes: dict[str, Any]) -> None:
    kept = predictions(outputs=of_two(SHARES**2), uncalibrated=of_two(SHARES), target=TRUTH)
    list(decision_plots.decision_plots(kept, TWO.decided_by(Decision((0.3,), (2.0,)))))
    _, after, before = axes["reliability"].lines
    for line, shares, name in ((after, SHARES**2, "calibrated"), (before, SHARES, "as trained")):
        found = reliability(shares, TRUTH == 1)
        np.testing.assert_allclose(line.get_xydata(), np.stack([found.confidence, found.frequency], axis=1), atol=1e-6)
        assert line.get_label() == f"{name}: ECE {found.error:.3f}"


def test_the_threshold_is_marked_where_its_predictions_are(axes: dict[str, Any]) -> None:
    kept = predictions(outputs=of_two(SHARES), target=TRUTH)
    for threshold, decision in ((0.3, Decision((0.3,))), (0.5, None)):
        list(decision_plots.decision_plots(kept, TWO.decided_by(decision)))
        curve, mark = axes["precision_recall"].lines
        hits = ((threshold < SHARES) & (TRUTH == 1)).sum()
        (point,) = mark.get_xydata()
        assert point == pytest.approx([hits / TRUTH.sum(), hits / (threshold < SHARES).sum()])
        assert np.isclose(curve.get_xydata(), point).all(axis=1).any()
        assert mark.get_label() == f"yes: threshold {threshold:g}"
        assert len(axes["reliability"].lines) == 2


def test_each_label_has_a_curve_and_several_classes_have_none(axes: dict[str, Any]) -> None:
    labels = predictions(outputs=of_two(SHARES), target=np.stack([1 - TRUTH, TRUTH], axis=1))
    list(decision_plots.decision_plots(labels, Target("labels", 2, ("a", "b")).decided_by(Decision((0.3, 0.7)))))
    assert axes["precision_recall"].get_legend_handles_labels()[1] == ["a: threshold 0.3", "b: threshold 0.7"]
    axes.clear()
    list(decision_plots.decision_plots(predictions(), Target("classes", 3, ("a", "b", "c"))))
    assert list(axes) == ["reliability"]
    axes.clear()
    list(decision_plots.decision_plots(predictions(), Target("values", 3, encoding="value")))
    assert not axes
