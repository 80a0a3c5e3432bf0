"""A decision holds only values that can be applied, and describes itself in one line."""

import pytest

from dlrun.decision import MOST_POINTS, CalibrationCurve, Decision

CURVE = CalibrationCurve((-1.0, 2.0), (0.1, 0.9))


@pytest.mark.parametrize(
    ("logits", "probabilities"),
    [
        ((), ()),
        ((0.0,), (0.1, 0.2)),
        ((0.0, 0.0), (0.1, 0.2)),
        ((1.0, 0.0), (0.1, 0.2)),
        ((0.0, 1.0), (0.2, 0.1)),
        ((0.0, 1.0), (0.2, 1.1)),
        ((0.0, float("inf")), (0.1, 0.2)),
        (tuple(map(float, range(MOST_POINTS + 1))), (0.5,) * (MOST_POINTS + 1)),
    ],
)
def test_a_curve_that_is_not_a_rising_function_is_refused(
    logits: tuple[float, ...], probabilities: tuple[float, ...]
) -> None:
    with pytest.raises(ValueError, match="curve"):
        CalibrationCurve(logits, probabilities)


def test_impossible_thresholds_and_temperatures_are_refused() -> None:
    for wrong in (1.5, float("nan")):
        with pytest.raises(ValueError, match="threshold"):
            Decision((wrong,))
    with pytest.raises(ValueError, match="temperature"):
        Decision(temperatures=(0.0,))
    with pytest.raises(ValueError, match="both"):
        Decision(temperatures=(1.0,), curves=(CURVE,))


def test_it_describes_what_it_does() -> None:
    assert Decision((0.37,), (1.5,)).describe(("yes",)) == "yes above 0.37; temperature 1.5"
    assert Decision((0.2, 0.7)).describe(("a", "b")) == "a above 0.2; b above 0.7"
    assert Decision(curves=(CURVE,)).describe(("yes",)) == "isotonic calibration"
    assert [Decision().calibration, Decision(curves=(CURVE,)).calibration] == ["none", "isotonic"]
