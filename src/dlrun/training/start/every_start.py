"""Start a model as a training does: every kind of weights that depends on the training split, in their order."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from dlrun.training.start.blended import fit_blended
from dlrun.training.start.data_driven import start_from_data
from dlrun.training.start.least_squares import start_at_least_squares

if TYPE_CHECKING:
    from dlrun.training.setup import TrainingSetup

_STARTS = (
    ("initialization", start_from_data),
    ("least squares", start_at_least_squares),
    ("linear blend", fit_blended),
)


def start_from_training_split(setup: TrainingSetup) -> Iterator[tuple[str, str]]:
    """Give the layers that the model names, if any, their weights.

    Args:
        setup: The parts of a run, with a model that was not trained yet.

    Yields:
        The subject, and what was done, for each kind of start that the model has.
    """
    for subject, start in _STARTS:
        with setup.timeline.spent("build"):
            text = start(setup)
        if text:
            yield subject, text
