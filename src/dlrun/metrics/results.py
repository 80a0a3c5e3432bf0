"""Corrections of Keras metrics: nan where a score is undefined, and exact scores in an evaluation.

Keras returns 0 for undefined scores, approximates the area under a curve with 200 thresholds, and computes R2 from
accumulated sums of squares. During training these approximations are good enough, since the weights change from batch
to batch. In an evaluation the model is fixed, so all predictions are kept and the score is computed from all of them
at once. The same model then has the same score in training, `dlrun evaluate` and the report.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from dlrun.scoring.areas import Curve, Summation, area_under_curve
from dlrun.scoring.regression import r2_score

if TYPE_CHECKING:
    import keras

Array = npt.NDArray[Any]
Compute = Callable[[Array, Array, Array | None], float]
"""A score of truth `(n, columns)`, predictions `(n, columns)` and weights `(n,)` or None."""

_MOST_NUMBERS = 1 << 24
"""With more predictions than this, the batch-wise approximation of Keras is used, to limit the memory."""

_NOTHING_LEFT = 1e-13
"""Relative size below which a difference of sums of squares is considered a rounding error."""


class Exact:
    """Collector of the truth and predictions of one metric, for an exact score at the end of an evaluation.

    Args:
        compute: Function that computes the score.
        columns: Number of values of each example.
    """

    def __init__(self, compute: Compute, *, columns: int) -> None:
        self._compute = compute
        self._columns = columns
        self._parts: list[tuple[Array, ...]] = []
        self._numbers = 0
        self._is_open = False

    def open(self) -> None:
        """Start collecting. Only graphs that are traced from now on contribute."""
        self._parts, self._numbers, self._is_open = [], 0, True

    def close(self) -> None:
        """Stop collecting, also from graphs that were traced while it was open."""
        self._parts, self._numbers, self._is_open = [], 0, False

    def take(self, y_true: Any, y_pred: Any, weight: Any) -> None:
        """Collect a batch if open. Called by the metric's update, which may be traced into a graph."""
        # The flag is checked while a graph is traced, so the graph of a training step contains no such call.
        if not self._is_open:
            return
        import tensorflow as tf

        shape = (-1, self._columns)
        weight = tf.zeros((0,)) if weight is None else tf.reshape(tf.cast(weight, tf.float32), (-1,))
        tf.numpy_function(self._keep, [tf.reshape(y_true, shape), tf.reshape(y_pred, shape), weight], [])

    def _keep(self, *arrays: Array) -> None:
        self._numbers += arrays[1].size
        # Beyond the limit, release the memory but keep counting: all processes compare their counts in `score`, so that
        # they agree on whether to compute the exact score.
        if self._numbers > _MOST_NUMBERS:
            self._parts = []
        elif self._is_open:
            self._parts.append(tuple(map(np.array, arrays)))  # copies: the memory is TensorFlow's

    def score(self, gather: Callable[[Array], Array]) -> float | None:
        """Return the score of everything collected; None if there was nothing, or too much to keep.

        Args:
            gather: Function that joins the rows of this process with those of all other processes.
        """
        nothing = np.zeros((0, self._columns))
        found = [np.concatenate(each) for each in zip(*self._parts, strict=True)] or [nothing, nothing, np.zeros(0)]
        truth, predicted, weight = (gather(each.astype(np.float64)) for each in found)
        if gather(np.array([float(self._numbers)])).max() > _MOST_NUMBERS or not len(truth):
            return None
        return self._compute(truth, predicted, weight if len(weight) else None)


class Collected:
    """The exact scores of an evaluation. Created before its first batch; read and closed after the last.

    Args:
        metrics: Metrics of a compiled model or of a spec.
    """

    def __init__(self, metrics: Iterable[keras.metrics.Metric]) -> None:
        each = [metric for group in metrics for metric in getattr(group, "metrics", (group,))]
        self._parts: dict[str, tuple[Exact, ...]] = {
            metric.name: metric.exact for metric in each if getattr(metric, "exact", ())
        }
        for exact in self._all():
            exact.open()

    def scores(self, gather: Callable[[Array], Array] = lambda rows: rows) -> dict[str, float]:
        """Return the scores by the name of their metric (the mean over class columns), and close.

        Args:
            gather: Function that joins the rows of this process with those of all other processes.
        """
        found = {name: [exact.score(gather) for exact in parts] for name, parts in self._parts.items()}
        self.close()
        return {name: float(np.mean(values)) for name, values in found.items() if None not in values}  # type: ignore[arg-type]

    def close(self) -> None:
        """Discard everything collected."""
        for exact in self._all():
            exact.close()

    def _all(self) -> Iterable[Exact]:
        return (exact for parts in self._parts.values() for exact in parts)


def exact_area(
    *, curve: Curve, summation: Summation, multi_label: bool, label_weights: tuple[float, ...] | None
) -> Compute:
    """Return a function for the area under a curve, or for the mean area over the classes for which it is defined.

    Args:
        curve: See `area_under_curve`.
        summation: See `area_under_curve`.
        multi_label: Whether to draw one curve for each class instead of one over all pairs of example and class.
        label_weights: Weights of the classes in the mean; None for equal weights.
    """

    def of_one(truth: Array, predicted: Array, weight: Array | None) -> float:
        return area_under_curve(truth > 0, predicted, weights=weight, curve=curve, summation=summation)

    def compute(truth: Array, predicted: Array, weight: Array | None) -> float:
        columns = truth.shape[1]
        if not multi_label:
            repeated = None if weight is None else np.repeat(weight, columns)
            return of_one(truth.reshape(-1), predicted.reshape(-1), repeated)
        areas = np.array([of_one(truth[:, index], predicted[:, index], weight) for index in range(columns)])
        shares = np.ones(columns) if label_weights is None else np.array(label_weights)
        shares = shares * ~np.isnan(areas)
        return float(np.nansum(areas * shares) / shares.sum()) if shares.sum() else np.nan

    return compute


def exact_r2(aggregation: str) -> Compute:
    """Return a function for R2; see `r2_score` for `aggregation`."""
    is_weighted = aggregation == "variance_weighted_average"

    def compute(truth: Array, predicted: Array, weight: Array | None) -> float:
        return r2_score(truth, predicted, weights=weight, by_variance=is_weighted)

    return compute


def undefined_where_it_is(metric: Any, type_name: str) -> None:
    """Make the result of a Keras metric nan where the score is undefined; Keras returns 0.

    Args:
        metric: A Keras metric that has been built.
        type_name: Name of the metric in a spec.
    """
    if type_name in _RESULTS:
        # Keras looks up `result` on the instance, in graphs and in eager code, so replacing it here is enough.
        own, result = metric.result, _RESULTS[type_name]
        metric.result = lambda: result(metric, own)


def _where(is_defined: Any, value: Any) -> Any:
    from keras import ops

    return ops.where(is_defined, ops.cast(value, "float32"), ops.cast(np.nan, "float32"))


def _of_both_classes(metric: Any, own: Callable[[], Any]) -> Any:
    """Return the score, or nan without examples of both classes.

    The counts at the lowest threshold, where every example counts as positive, contain all examples of each class.
    """
    from keras import ops

    positives = metric.true_positives[0] + metric.false_negatives[0]
    negatives = metric.false_positives[0] + metric.true_negatives[0]
    return _where(ops.any(ops.logical_and(positives > 0, negatives > 0)), own())


def _of_positives(metric: Any, own: Callable[[], Any]) -> Any:
    from keras import ops

    return _where(ops.any(metric.true_positives + metric.false_negatives > 0), own())


def _area(metric: Any, own: Callable[[], Any]) -> Any:
    return (_of_positives if metric.curve.value == "PR" else _of_both_classes)(metric, own)


def _precision(metric: Any, own: Callable[[], Any]) -> Any:
    from keras import ops

    return _where(ops.any(metric.true_positives + metric.false_positives > 0), own())


def _f_score(metric: Any, own: Callable[[], Any]) -> Any:
    """Return the mean F score over the classes that occur as examples or as predictions.

    Formula:
        F = (1 + b^2) TP / ((1 + b^2) TP + b^2 FN + FP)

    Reference:
        van Rijsbergen, 1979, "Information Retrieval", chapter 7.
    """
    from keras import ops

    del own
    square = metric.beta**2
    hits = (1 + square) * metric.true_positives
    whole = hits + square * metric.false_negatives + metric.false_positives
    scores = ops.divide_no_nan(hits, whole)
    weights = metric.intermediate_weights if metric.average == "weighted" else ops.cast(whole > 0, scores.dtype)
    return _where(ops.sum(weights) > 0, ops.divide_no_nan(ops.sum(scores * weights), ops.sum(weights)))


def _r2(metric: Any, own: Callable[[], Any]) -> Any:
    from keras import ops

    del own
    # The spread as a difference of large sums: what is left of a constant value is rounding error.
    total = metric.squared_sum - metric.sum * ops.divide_no_nan(metric.sum, metric.count)
    is_defined = total > _NOTHING_LEFT * metric.squared_sum
    if metric.class_aggregation == "variance_weighted_average":
        total = ops.where(is_defined, total, 0.0)
        explained = 1 - ops.divide_no_nan(ops.sum(metric.total_mse), ops.sum(total))
        return _where(ops.any(is_defined), explained)
    return _where(ops.all(is_defined), ops.mean(1 - ops.divide_no_nan(metric.total_mse, total)))


def _mean(metric: Any, own: Callable[[], Any]) -> Any:
    return _where(metric.count > 0, own())


_RESULTS: dict[str, Callable[[Any, Callable[[], Any]], Any]] = {
    "auc": _area,
    "concordance_correlation": _mean,
    "f1_score": _f_score,
    "f_beta_score": _f_score,
    "pearson_correlation": _mean,
    "precision": _precision,
    "precision_at_recall": _of_positives,
    "r2_score": _r2,
    "recall": _of_positives,
    "recall_at_precision": _of_positives,
    "sensitivity_at_specificity": _of_both_classes,
    "specificity_at_sensitivity": _of_both_classes,
}
