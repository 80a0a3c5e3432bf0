"""The decision of a classifier: how probabilities are calibrated, and above which one a class or label is chosen."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

Calibration = Literal["none", "temperature", "isotonic"]
CalibrationMethod = Literal["temperature", "isotonic"]

HALF = 0.5
"""The threshold without a decision: the most probable of two classes, and each label that is more likely than not."""
MOST_POINTS = 64
"""Maximum number of points of a calibration curve."""


@dataclass(frozen=True)
class CalibrationCurve:
    """A piecewise linear function from the logit of a class or label to its calibrated probability.

    It is a function of the logit because probabilities near 0 and 1 lie too close together to interpolate in float32.

    Args:
        logits: Positions of its points, increasing. Outside of them the curve is constant.
        probabilities: Its values there, which never fall.
    """

    logits: tuple[float, ...]
    probabilities: tuple[float, ...]

    def __post_init__(self) -> None:
        """Reject a curve that is not a function, as in a damaged file."""
        if not 1 <= len(self.logits) == len(self.probabilities) <= MOST_POINTS:
            raise ValueError(f"a curve has {len(self.logits)} logits and {len(self.probabilities)} probabilities")
        if not all(map(math.isfinite, self.logits)) or any(a >= b for a, b in pairwise(self.logits)):
            raise ValueError("the logits of a curve do not increase")
        if not all(0 <= each <= 1 for each in self.probabilities) or any(
            a > b for a, b in pairwise(self.probabilities)
        ):
            raise ValueError("the probabilities of a curve fall, or are outside 0 to 1")


@dataclass(frozen=True)
class Decision:
    """How to get from the output of a classifier to probabilities, and from these to a class or to labels.

    At most one of `temperatures` and `curves` is given; without both, probabilities are not calibrated.

    Args:
        thresholds: Probability above which the second of two classes is chosen, or one for each label. Empty: the most
            probable class, or labels above 0.5.
        temperatures: Divisors of the logits: one for each class column or label, otherwise a single one.
        curves: Calibration curves: one for each label, or a single one for the second of two classes.
    """

    thresholds: tuple[float, ...] = ()
    temperatures: tuple[float, ...] = ()
    curves: tuple[CalibrationCurve, ...] = ()

    def __post_init__(self) -> None:
        """Reject values that no decision has, as in a damaged file."""
        if not all(0 <= each <= 1 for each in self.thresholds):
            raise ValueError("a threshold is outside 0 to 1")
        if not all(math.isfinite(each) and each > 0 for each in self.temperatures):
            raise ValueError("a temperature is not a number above 0")
        if self.temperatures and self.curves:
            raise ValueError("there are both temperatures and calibration curves")

    @property
    def calibration(self) -> Calibration:
        """How probabilities are calibrated."""
        return "temperature" if self.temperatures else "isotonic" if self.curves else "none"

    def uncalibrated(self) -> Decision:
        """Return the same thresholds for probabilities as the network gives them."""
        return Decision(self.thresholds)

    def at(self, label: int) -> float:
        """Return the threshold of a label, or of the second of two classes for 0."""
        return self.thresholds[label] if self.thresholds else HALF

    def describe(self, names: tuple[str, ...]) -> str:
        """Describe the decision in one line.

        Args:
            names: Name of what each threshold belongs to: the second class, or each label.
        """
        parts = [f"{name} above {value:g}" for name, value in zip(names, self.thresholds, strict=False)]
        if len(self.temperatures) == 1:
            parts.append(f"temperature {self.temperatures[0]:.3g}")
        elif self.temperatures:
            parts.append(f"temperatures {min(self.temperatures):.3g} to {max(self.temperatures):.3g}")
        elif self.curves:
            parts.append("isotonic calibration")
        return "; ".join(parts) or "the most probable class, without calibration"
