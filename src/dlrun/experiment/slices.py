"""Score a trained model on groups of the examples of a split: the categories or ranges of columns of its files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from dlrun.component import FieldProblem
from dlrun.errors import UsageError
from dlrun.metrics.metric import without_split
from dlrun.scoring.breakdown import Collector, collector_of
from dlrun.scoring.masks import confusion_counts
from dlrun.scoring.slices import ColumnSlices, choose_main_score, group_examples, score_slices
from dlrun.spec.checks.check import monitored_metric
from dlrun.spec.types import Spec
from dlrun.training.progress.events import Listener, Note

if TYPE_CHECKING:
    from dlrun.data import Source
    from dlrun.training.predictor import Predictor
    from dlrun.training.setup import TrainingSetup

Array = npt.NDArray[Any]
SliceValues = Mapping[str, Mapping[str, Array]]
"""For each split, the values of each column to group its examples by; see `Source.read_slice_values`."""


def refuse_slicing(dataset: Source, by: Sequence[str]) -> None:
    """Check that the examples of a dataset can be grouped by some columns.

    Raises:
        UsageError: They cannot; the message has the reason for each column.
    """
    refuse_problems([*dataset.slicing_problems(by)] if by else [])


def refuse_problems(problems: Sequence[FieldProblem]) -> None:
    """Raise an error for the problems of the columns of `--by`, if there are any.

    Raises:
        UsageError: With what is wrong with each column, and the hint for the first.
    """
    if problems:
        first = problems[0]
        raise UsageError(
            "--by: " + "; ".join(problem.what for problem in problems), expected=first.expected, hint=first.hint
        )


def read_slice_values(setup: TrainingSetup, by: Sequence[str], splits: Sequence[str]) -> SliceValues:
    """Read the columns to group the examples of splits by; empty if there are none.

    Raises:
        DataError: A file cannot be read, lacks a column, or has changed.
    """
    return setup.spec.dataset.read_slice_values(by, {name: setup.dataset.splits[name] for name in splits}) if by else {}


def collect_predictions(setup: TrainingSetup, split: str) -> Collector:
    """Predict every example of a split, in blocks, so that memory stays bounded."""
    examples, predictor, at_once = setup.dataset.splits[split], setup.predictor(), setup.interface().rows_at_once
    collector = collector_of(setup.target)
    for start in range(0, len(examples), at_once):
        rows = slice(start, start + at_once)
        truth = None if examples.target is None else examples.target[rows]
        weights = None if examples.weight is None else np.asarray(examples.weight[rows])
        collector.add(*truth_and_predictions(predictor, examples.features[rows], truth), weights)
    return collector


def truth_and_predictions(predictor: Predictor, stored: Array, truth: Array | None) -> tuple[Array, Array]:
    """Return truth and predictions in the form that a collector takes."""
    if predictor.target.kind == "input" or truth is None:
        return np.empty(0), predictor.reconstruction_errors(stored)
    if predictor.target.kind == "mask":
        return np.empty(0), confusion_counts(np.asarray(truth), predictor.masks(stored), predictor.target.size)
    return np.asarray(truth), predictor.precise(stored)


def slice_predictions(collector: Collector, columns: Mapping[str, Array], spec: Spec) -> tuple[ColumnSlices, ...]:
    """Return the scores of each slice of each column.

    Args:
        collector: The predictions of all examples.
        columns: The values of each column, in the order of the examples.
        spec: The spec of the run, whose watched metric is the main score.
    """
    if not columns:
        return ()
    statistics = collector.statistics()
    main = choose_main_score(statistics, _metric_types(spec))
    return tuple(
        score_slices(statistics, group_examples(name, values), main=main, weight=collector.weights)
        for name, values in columns.items()
    )


def tell_gaps(split: str, slices: Sequence[ColumnSlices], listener: Listener) -> None:
    """Send a note about the largest gap of each column."""
    for column in slices:
        listener(Note("slices", f"{split} by {column.column}: {column.summary}"))


def _metric_types(spec: Spec) -> list[str]:
    """Return the types of the metrics of a spec, the watched one first and the loss last."""
    watched = without_split(monitored_metric(spec, "auto", has_validation=True))
    # The accuracy of pixels is mostly that of the background, so for masks the overlap comes first.
    types = sorted(spec.metrics, key=lambda metric: (metric.log_name != watched, not _is_overlap(metric.type_name)))
    return [*(metric.type_name for metric in types), spec.loss.type_name]


def _is_overlap(metric: str) -> bool:
    return metric.endswith("mean_io_u")
