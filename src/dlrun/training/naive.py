"""Score naive forecasts and constant predictions: the baseline that a model has to beat.

For a time series the baseline is a naive forecast, which repeats the last value or, with a season, the value one season
before, whichever has the smaller error on the training split. For everything else it is a constant
that depends only on the targets of the training split: the frequency of each class or label, or the mean of each value.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from dlrun.data import Split
from dlrun.losses import Loss
from dlrun.metrics.metric import Metric
from dlrun.metrics.results import Collected
from dlrun.runs.record import BaselineRecord
from dlrun.signature import Target
from dlrun.training.evaluate import with_exact
from dlrun.training.setup import TrainingSetup
from dlrun.training.step.by_column import build_loss, build_metric
from dlrun.training.step.feed import encode

Array = npt.NDArray[Any]

_LEAST_PROBABILITY = 1e-7
_NUMBERS_AT_ONCE = 1 << 22
_VECTOR = 64
_MOST_VALUES = 1000
"""The values of a baseline with more classes than this are not stored in run.json."""


class NaiveScores:
    """Computes loss and metrics of baseline predictions, for examples that arrive in blocks.

    Args:
        loss: The loss of the spec.
        metrics: The metrics of the spec.
        target: What the model predicts, with the encoding and activation that the loss needs.
        batch_size: The number of examples in one step, for a loss that is computed over a whole batch.
        constant: The prediction for every example, as in `BaselineRecord.values`; empty if `add` gets predictions.
    """

    def __init__(
        self,
        loss: Loss,
        metrics: Iterable[Metric],
        target: Target,
        *,
        batch_size: int,
        constant: Sequence[float] = (),
    ) -> None:
        self._target = target
        self._output: Any = constant_output(np.asarray(constant), target) if constant else None
        self._loss = build_loss(loss, target)
        self._metrics = {metric.log_name: build_metric(metric, target) for metric in metrics}
        self._is_of_batch, self._batch_size = loss.is_of_batch, batch_size
        self._collected = Collected(self._metrics.values())
        self._sum, self._count = 0.0, 0.0

    def add(
        self,
        truth: Array,
        predicted: Array | None = None,
        factor: Array | None = None,
        *,
        weight: Array | None = None,
    ) -> None:
        """Score some more examples.

        Args:
            truth: The true targets, as `Split.target` stores them.
            predicted: The naive forecasts; None to use the constant.
            factor: The factor of the loss of each example (`Split.sample_weight`), which metrics do not use.
            weight: What each example counts in loss and metrics (`Split.weight`); None if all count once.

        Shape:
            truth: as `Split.target`. predicted: as `truth`, values in their original unit. factor, weight: `(n,)`.
        """
        is_mask = self._target.kind == "mask"
        numbers = max(1, self._target.units) * (truth[0].size if is_mask and len(truth) else 1)
        at_once = self._batch_size if self._is_of_batch else max(self._batch_size, _NUMBERS_AT_ONCE // numbers)
        for start in range(0, len(truth), at_once):
            rows = slice(start, start + at_once)
            count = len(truth[rows])
            in_loss = [np.asarray(each[rows], np.float32) for each in (factor, weight) if each is not None]
            weights = None if not in_loss else np.prod(in_loss, axis=0)
            counts = np.ones(count) if weight is None else np.asarray(weight[rows], np.float64)
            y_true, y_pred = self._encoded(truth[rows], None if predicted is None else np.asarray(predicted)[rows])
            self._sum += float(self._loss(y_true, y_pred, sample_weight=weights)) * count
            self._count += float(counts.sum())
            # The same batch has to give the same bits, but the processor rounds differently in the rest of an array
            # that fills no whole vector register. So pad to whole vectors, with examples of weight 0.
            padding = 0 if is_mask else -count % _VECTOR  # a mask fills many registers
            padded = np.concatenate([np.arange(count), np.zeros(padding, int)])
            y_true, y_pred = tf.gather(y_true, padded), tf.gather(y_pred, padded)
            counted = tf.constant(np.concatenate([counts, np.zeros(padding)]), tf.float32)
            for metric in self._metrics.values():
                metric.update_state(y_true, y_pred, sample_weight=counted)

    def _encoded(self, truth: Array, predicted: Array | None) -> tuple[Any, Any]:
        """Return targets and predictions in the form that loss and metrics take."""
        if predicted is not None:
            y_pred = tf.tile(encode(tf.constant(predicted), self._target), (1, max(1, len(self._target.levels))))
        else:
            y_pred = tf.tile(self._output[None], (len(truth), 1))
            if self._target.kind == "mask":  # the same at each pixel
                height, width = truth.shape[1:]
                y_pred = tf.tile(y_pred[:, None, None], (1, height, width, 1))
        return encode(tf.constant(np.asarray(truth)), self._target), y_pred

    def scores(self) -> dict[str, float]:
        """Return loss and metrics of all examples so far, under the same names as the model's."""
        of_metrics = {name: float(metric.result()) for name, metric in self._metrics.items()}
        return {"loss": self._sum / self._count if self._count else np.nan} | with_exact(
            of_metrics, self._collected.scores()
        )


def find_baseline(setup: TrainingSetup) -> BaselineRecord | None:
    """Return the baseline of a run: the naive forecast of a series, or else a constant; None for an autoencoder.

    Args:
        setup: The training setup of the run.
    """
    if setup.dataset.naive:
        return BaselineRecord(method=setup.dataset.naive_method)
    split, kind = setup.dataset.splits["train"], setup.target.kind
    if kind == "input" or split.target is None:
        return None
    methods = {
        "values": "the mean",
        "labels": "the frequency of each label",
        "mask": "the most frequent class at each pixel",
    }
    if setup.target.levels:
        return BaselineRecord(method="the quantiles", values=tuple(_quantiles(split, setup.target).tolist()))
    counts_classes = setup.target.is_decided or kind == "mask"
    values = _frequencies(split, setup.target) if counts_classes else _means(split)
    return BaselineRecord(method=methods.get(kind, "the most frequent class"), values=tuple(values.tolist()))


def kept_baseline(baseline: BaselineRecord | None) -> BaselineRecord | None:
    """Return the baseline as run.json stores it: without its values if there are too many."""
    is_small = baseline is None or len(baseline.values) <= _MOST_VALUES
    return baseline if is_small or baseline is None else baseline.model_copy(update={"values": ()})


def naive_scores(setup: TrainingSetup, baseline: BaselineRecord, split: str) -> dict[str, float]:
    """Return the loss and metrics of the baseline on a split.

    Args:
        setup: The training setup of the run.
        baseline: The baseline to score.
        split: The name of the split.

    Returns:
        The scores by name, as for the model; empty if the split has no baseline predictions.
    """
    of_split, examples = setup.dataset.naive.get(split), setup.dataset.splits[split]
    if examples.target is None or (of_split is None and not baseline.values):
        return {}
    return _scores(setup, split, of_split, constant=() if of_split is not None else baseline.values)


def weaker_scores(setup: TrainingSetup, splits: Iterable[str]) -> dict[str, dict[str, dict[str, float]]]:
    """Return the loss and metrics of the other naive forecasts of a series, by method and split."""
    weaker = setup.dataset.weaker_naive
    return {method: {name: _scores(setup, name, made[name]) for name in splits} for method, made in weaker.items()}


def _scores(
    setup: TrainingSetup, split: str, predicted: Array | None, *, constant: Sequence[float] = ()
) -> dict[str, float]:
    examples, spec = setup.dataset.splits[split], setup.spec
    batch_size = spec.training.evaluation_batch_size
    found = NaiveScores(spec.loss, spec.metrics, setup.target, batch_size=batch_size, constant=constant)
    truth = np.asarray(examples.target)
    found.add(truth, predicted, factor=examples.sample_weight, weight=examples.weight)
    return found.scores()


def constant_output(values: Array, target: Target) -> Any:
    """Return the output of a model that predicts the same for every example.

    Args:
        values: Probabilities of classes or labels, or values in their original unit, at each level one after another.
        target: What the model predicts, with the activation of the output layer.

    Shape:
        values: `(size,)`, or `(levels * size,)`. Returns: `(units,)` float32.
    """
    if not target.is_decided and target.kind != "mask":
        return tf.reshape(encode(tf.constant(values.reshape(-1, target.size)), target), [-1])
    p = np.clip(values, _LEAST_PROBABILITY, 1 - _LEAST_PROBABILITY)
    if target.encoding == "binary":
        p = p[1:] if target.kind == "classes" else p
        logits = np.log(p) - np.log1p(-p)
    else:
        logits = np.log(p)
    output = logits if target.is_logits else 2 * p - 1 if target.activation == "tanh" else p
    return tf.constant(output, tf.float32)


def _frequencies(split: Split, target: Target) -> Array:
    """Return the frequency of each class or label; for several columns, of each class of each column.

    For masks, it is the frequency among the pixels that count.

    Shape:
        Returns: `(size,)`.
    """
    truth, weight = np.asarray(split.target), split.example_weight
    if target.kind == "labels":
        return np.average(truth.astype(np.float64), axis=0, weights=weight)
    if target.kind == "mask":
        return _of_pixels(truth, weight, target)
    return np.concatenate([*_of_columns(truth.reshape(len(truth), -1).astype(np.int64), weight, target)])


def _of_pixels(truth: Array, weight: Array | None, target: Target) -> Array:
    """Return the frequency of each class among the pixels of masks that count.

    Shape:
        truth: `(n, height, width)` uint8. weight: `(n,)` or None. Returns: `(size,)`.
    """
    counts = np.zeros(target.size)
    for number, mask in enumerate(truth):  # one at a time, because bincount needs eight bytes for each pixel
        found = np.bincount(mask.reshape(-1), minlength=target.size)[: target.size]
        counts += found if weight is None else found * weight[number]
    shares: Array = counts / max(1.0, counts.sum())
    return shares


def _of_columns(truth: Array, weight: Array | None, target: Target) -> Iterator[Array]:
    for number, part in enumerate(target.parts):
        counts = np.bincount(truth[:, number], weights=weight, minlength=part.target.size)
        yield counts / counts.sum()


def _quantiles(split: Split, target: Target) -> Array:
    """Return the quantiles of each value, all values at the first level, then at the second."""
    truth = np.asarray(split.target, np.float64)
    flat, weights = truth.reshape(len(truth), -1), split.example_weight
    return np.quantile(flat, target.levels, axis=0, weights=weights, method="inverted_cdf").reshape(-1)


def _means(split: Split) -> Array:
    truth = np.asarray(split.target, np.float64)
    return np.average(truth.reshape(len(truth), -1), axis=0, weights=split.example_weight)
