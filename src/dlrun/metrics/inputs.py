"""Convert labels and outputs from the encoding that the loss chose to the form that a metric needs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

from dlrun.signature import Target
from dlrun.value_transform import restore_tensor, restore_values

Form = Literal[
    "labels", "classes", "index", "positive", "margin", "scores", "score_index", "values", "differences", "each_label"
]
"""Forms of a pair of truth and prediction:

- `labels` (n,) true class, (n,) predicted class;
- `classes` (n, size) one-hot, (n, size) probabilities;
- `index` (n,) true class, (n, size) probabilities;
- `scores` (n, size) one-hot, (n, size) the unchanged output of the model; `score_index` the same with (n,) true class;
- `positive` (n, 1) 0 or 1, (n, 1) probability of the second of two classes;
- `margin` (n, 1) 0 or 1, (n, 1) score of the second of two classes less that of the first;
- `values` (n, size), (n, size), in their own unit; float64 if the model learns standardized values;
- `differences` the same after subtracting the mean of each value;
- `each_label` (n, size) 0 or 1, (n, size) probability of 1, for several yes-or-no labels.
"""

Pair = tuple[Any, Any]


@dataclass(frozen=True)
class MetricInput:
    """The targets that a metric accepts and the form it needs them in.

    Args:
        form: Form of truth and prediction for classes; None if it accepts only values.
        two_classes: Form for exactly two classes, if different.
        only_two: Whether it is defined for exactly two classes only.
        values: Whether it accepts real numbers and the model's own input.
        least_size: Smallest number of values for which it is meaningful.
        several_labels: Form for several yes-or-no labels, None if it does not accept them. Each label counts as an
            example unless the metric is configured for a mean over labels or for one label.
        differences: Whether it depends only on differences between values. It then receives values without their
            mean, of which float32 keeps more digits.
    """

    form: Form | None = None
    two_classes: Form | None = None
    only_two: bool = False
    values: bool = False
    least_size: int = 1
    several_labels: Form | None = None
    differences: bool = False


VALUES = MetricInput(values=True)
_DIFFERENCES = MetricInput(values=True, differences=True)
_DETECTION = MetricInput("classes", two_classes="positive", several_labels="positive")
_LABELS = MetricInput("labels")
_CLASSES = MetricInput("classes")

SEES: dict[str, MetricInput] = {
    "accuracy": MetricInput("labels", several_labels="labels"),
    "auc": _DETECTION,
    "binary_accuracy": MetricInput("positive", only_two=True, several_labels="positive"),
    "binary_crossentropy": MetricInput("margin", only_two=True, values=True),
    "binary_io_u": MetricInput("positive", only_two=True),
    "categorical_accuracy": _CLASSES,
    "categorical_crossentropy": MetricInput("scores"),
    "categorical_hinge": MetricInput("scores"),
    "concordance_correlation": MetricInput(values=True, least_size=2),
    "cosine_similarity": MetricInput(values=True, least_size=2),
    "f1_score": _DETECTION,
    "f_beta_score": _DETECTION,
    "false_negatives": _DETECTION,
    "false_positives": _DETECTION,
    "hinge": MetricInput("margin", only_two=True),
    "io_u": _LABELS,
    "kl_divergence": _CLASSES,
    "log_cosh_error": _DIFFERENCES,
    "mean_absolute_error": _DIFFERENCES,
    "mean_absolute_percentage_error": VALUES,
    "mean_io_u": _LABELS,
    "mean_squared_error": _DIFFERENCES,
    "mean_squared_logarithmic_error": VALUES,
    "one_hot_io_u": _CLASSES,
    "one_hot_mean_io_u": _CLASSES,
    "pearson_correlation": MetricInput(values=True, least_size=2),
    "poisson": VALUES,
    "precision": _DETECTION,
    "precision_at_recall": _DETECTION,
    "r2_score": _DIFFERENCES,
    "recall": _DETECTION,
    "recall_at_precision": _DETECTION,
    "root_mean_squared_error": _DIFFERENCES,
    "sensitivity_at_specificity": _DETECTION,
    "sparse_categorical_accuracy": MetricInput("index"),
    "sparse_categorical_crossentropy": MetricInput("score_index"),
    "sparse_top_k_categorical_accuracy": MetricInput("index"),
    "specificity_at_sensitivity": _DETECTION,
    "squared_hinge": MetricInput("margin", only_two=True),
    "top_k_categorical_accuracy": _CLASSES,
    "true_negatives": _DETECTION,
    "true_positives": _DETECTION,
}
"""The targets that each Keras metric accepts, and the form it needs."""


def converter(form: Form, target: Target) -> Callable[[Any, Any], Pair]:
    """Return the function that converts (y_true, y_pred) to `form`.

    Args:
        form: Form that the metric needs.
        target: Target with the encoding of y_true and the activation that produced y_pred.

    Shape:
        y_true: see `target.encoding`. y_pred: `(n, target.units)`, or the shape of the input for kind `input`.
    """
    if form == "differences":
        return lambda y_true, y_pred: (_without_mean(y_true, target), _without_mean(_main(y_pred, target), target))
    if form == "values":
        return lambda y_true, y_pred: (_flat(y_true, target), _flat(_main(y_pred, target), target))
    if target.kind == "labels":
        if form == "each_label":
            return lambda y_true, y_pred: _each_label(y_true, y_pred, target)
        if form == "positive":
            return lambda y_true, y_pred: _several_labels(y_true, y_pred, target)
        return lambda y_true, y_pred: _round(*_several_labels(y_true, y_pred, target))
    truth = {"labels": _index, "index": _index, "score_index": _index, "classes": _one_hot, "scores": _one_hot}
    predicted: dict[str, Callable[[Any, Target], Any]] = {
        "labels": _label,
        "index": _probabilities,
        "classes": _probabilities,
        "scores": _scores,
        "score_index": _scores,
        "positive": lambda y_pred, target: _probabilities(y_pred, target)[:, 1:],
        "margin": lambda y_pred, target: y_pred if target.units == 1 else y_pred[:, 1:] - y_pred[:, :1],
    }
    true_form = truth.get(form, _second)
    return lambda y_true, y_pred: (true_form(y_true, target), predicted[form](y_pred, target))


def in_own_unit(values: Any, target: Target) -> Any:
    """Return values in the unit of the data; the model may learn them standardized.

    Standardized values become float64, because adding a mean much larger than the spread loses digits in float32.

    Shape:
        Input and result: `(n, size)`.
    """
    from keras import ops

    if not target.scale:
        return values
    scale, mean = (ops.convert_to_tensor(each, "float64") for each in (target.scale, target.mean))
    return restore_tensor(ops.cast(values, "float64") * scale + mean, target)


def _main(y_pred: Any, target: Target) -> Any:
    """Return the prediction of each value: of several quantiles, the median."""
    from keras import ops

    if len(target.levels) <= 1:
        return y_pred
    return ops.reshape(y_pred, (-1, len(target.levels), target.size))[:, target.main_level]


def _flat(values: Any, target: Target) -> Any:
    from keras import ops

    return in_own_unit(ops.reshape(ops.cast(values, "float32"), (-1, target.size)), target)


def _without_mean(values: Any, target: Target) -> Any:
    from keras import ops

    if target.transform != "none":
        # One constant near all values keeps as many digits of their differences as the mean would.
        center = restore_values([target.mean], target)[0]
        return ops.cast(_flat(values, target) - center, "float32")
    flat = ops.reshape(ops.cast(values, "float32"), (-1, target.size))
    return flat * ops.convert_to_tensor(target.scale, "float32") if target.scale else flat


def where_it_varies(y_true: Any, y_pred: Any) -> tuple[Any, Any, Any]:
    """Mark the examples for which a correlation is defined, that is, whose values are not all equal.

    Shape:
        y_true and y_pred: `(n, size)`. Weights: `(n,)`.

    Returns:
        y_true and y_pred with other examples replaced by a harmless value, and weights of 1 (defined) or 0.
    """
    from keras import ops

    varies = [
        ops.max(each, axis=-1, keepdims=True) > ops.min(each, axis=-1, keepdims=True) for each in (y_true, y_pred)
    ]
    both = ops.logical_and(*varies)
    # Any row with different values avoids a division by 0; its weight of 0 removes it from the mean.
    some = ops.cast(ops.arange(y_true.shape[-1]), y_true.dtype)
    return ops.where(both, y_true, some), ops.where(both, y_pred, some), ops.cast(both[:, 0], "float32")


def _several_labels(y_true: Any, y_pred: Any, target: Target) -> Pair:
    """Return each label as an example of its own: truth `(n * size, 1)` of 0 or 1, and the probability of 1."""
    from keras import ops

    truth, predicted = _each_label(y_true, y_pred, target)
    return ops.reshape(truth, (-1, 1)), ops.reshape(predicted, (-1, 1))


def _each_label(y_true: Any, y_pred: Any, target: Target) -> Pair:
    from keras import ops

    return ops.cast(y_true, "float32"), label_probabilities(y_pred, target)


def _round(y_true: Any, probabilities: Any) -> Pair:
    from keras import ops

    rounded = ops.cast(probabilities > 0.5, "int32")
    return ops.reshape(ops.cast(y_true, "int32"), (-1,)), ops.reshape(rounded, (-1,))


def label_probabilities(y_pred: Any, target: Target) -> Any:
    """Return the probability that each label is 1, from the output of a model for `labels`.

    Shape:
        Input and result: `(n, size)`.
    """
    from keras import ops

    y_pred = ops.cast(y_pred, "float32")
    if target.activation == "tanh":  # models for hinge losses end with tanh; map -1..1 to 0..1
        return (y_pred + 1) / 2
    return ops.sigmoid(y_pred) if target.is_logits else y_pred


def _index(y_true: Any, target: Target) -> Any:
    from keras import ops

    if target.encoding == "one_hot":
        return ops.argmax(y_true, axis=-1)
    return ops.cast(ops.reshape(y_true, (-1,)), "int32")


def _one_hot(y_true: Any, target: Target) -> Any:
    from keras import ops

    if target.encoding == "one_hot":
        return ops.cast(y_true, "float32")
    return ops.one_hot(_index(y_true, target), target.size, dtype="float32")


def _second(y_true: Any, target: Target) -> Any:
    return _one_hot(y_true, target)[:, 1:]


def _label(y_pred: Any, target: Target) -> Any:
    from keras import ops

    if target.encoding == "binary":
        return ops.cast(ops.reshape(_probabilities(y_pred, target)[:, 1] > 0.5, (-1,)), "int32")
    return ops.cast(ops.argmax(y_pred, axis=-1), "int32")


def _probabilities(y_pred: Any, target: Target) -> Any:
    from keras import ops

    y_pred = ops.cast(y_pred, "float32")
    if target.encoding == "binary":
        positive = label_probabilities(y_pred, target)
        return ops.concatenate((1 - positive, positive), axis=-1)
    has_to_normalize = target.is_logits or target.activation == "tanh"
    return ops.softmax(y_pred, axis=-1) if has_to_normalize else y_pred


def _scores(y_pred: Any, target: Target) -> Any:
    from keras import ops

    y_pred = ops.cast(y_pred, "float32")
    if target.encoding != "binary":
        return y_pred
    # softmax([0, z]) = [1 - sigmoid(z), sigmoid(z)], so one logit becomes two scores
    return (
        ops.concatenate((ops.zeros_like(y_pred), y_pred), axis=-1)
        if target.is_logits
        else _probabilities(y_pred, target)
    )
