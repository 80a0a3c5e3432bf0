"""What a metric sees: labels and outputs in the encoding that the loss chose, turned into the form it is defined on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

from dlrun.signature import Target

Form = Literal[
    "labels", "classes", "index", "positive", "margin", "scores", "score_index", "values", "differences", "each_label"
]
"""The forms, each a pair of truth and prediction:

- `labels` (n,) true class, (n,) predicted class;
- `classes` (n, size) one-hot, (n, size) probabilities;
- `index` (n,) true class, (n, size) probabilities;
- `scores` (n, size) one-hot, (n, size) the model's output as it is; `score_index` the same with (n,) true class;
- `positive` (n, 1) 0 or 1, (n, 1) probability of the second of two classes;
- `margin` (n, 1) 0 or 1, (n, 1) how much the output speaks for the second of two classes;
- `values` (n, size), (n, size), in their own unit; float64 where the model learns them in another;
- `differences` the same, less the mean of each value;
- `each_label` (n, size) 0 or 1, (n, size) the probability of 1, of several yes-or-no labels.
"""

Pair = tuple[Any, Any]


@dataclass(frozen=True)
class MetricInput:
    """What a metric is defined on.

    Args:
        form: The form of truth and prediction that Keras' class gets; None: values only.
        two_classes: The form instead, if there are exactly two classes.
        only_two: Whether it is defined for two classes only.
        values: Whether it takes real numbers and the model's own input.
        least_size: Smallest number of values that it makes sense for.
        several_labels: The form for several yes-or-no labels, which count as so many examples unless the metric is
            asked for a mean over them, or for one; None if it has none.
        differences: Whether it takes nothing but distances between values: then it is given each less the mean of its
            column, of which float32 keeps more digits.
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
"""What each of Keras' metrics sees."""


def converter(form: Form, target: Target) -> Callable[[Any, Any], Pair]:
    """The function that turns (y_true, y_pred) into `form`.

    Args:
        form: What the metric is defined on.
        target: Settled: the encoding of y_true and the activation that gave y_pred.

    Shape:
        y_true as `target.encoding` says, y_pred `(n, target.units)` or the input's shape for kind `input`.
    """
    if form == "differences":
        return lambda y_true, y_pred: (_without_mean(y_true, target), _without_mean(y_pred, target))
    if form == "values":
        return lambda y_true, y_pred: (_flat(y_true, target), _flat(y_pred, target))
    if target.kind == "labels":
        if form == "each_label":
            return lambda y_true, y_pred: _each_label(y_true, y_pred, target)
        if form == "positive":
            return lambda y_true, y_pred: _several_labels(y_true, y_pred, target)
        return lambda y_true, y_pred: _rounded(*_several_labels(y_true, y_pred, target))
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
    """Values that the model learns, standardized or not, in the unit that the data has.

    What was standardized is float64 then: a mean that is large against the spread would leave few digits of float32.

    Shape:
        `(n, size)`, as the result.
    """
    from keras import ops

    if not target.scale:
        return values
    scale, mean = (ops.convert_to_tensor(each, "float64") for each in (target.scale, target.mean))
    return ops.cast(values, "float64") * scale + mean


def _flat(values: Any, target: Target) -> Any:
    from keras import ops

    return in_own_unit(ops.reshape(ops.cast(values, "float32"), (-1, target.size)), target)


def _without_mean(values: Any, target: Target) -> Any:
    from keras import ops

    flat = ops.reshape(ops.cast(values, "float32"), (-1, target.size))
    return flat * ops.convert_to_tensor(target.scale, "float32") if target.scale else flat


def where_it_varies(y_true: Any, y_pred: Any) -> tuple[Any, Any, Any]:
    """Examples whose values a correlation can be taken of, and others replaced, with a weight of 1 or 0.

    Shape:
        `(n, size)` each. Returns: both, and `(n,)`.
    """
    from keras import ops

    varies = [
        ops.max(each, axis=-1, keepdims=True) > ops.min(each, axis=-1, keepdims=True) for each in (y_true, y_pred)
    ]
    both = ops.logical_and(*varies)
    some = ops.cast(ops.arange(y_true.shape[-1]), y_true.dtype)
    return ops.where(both, y_true, some), ops.where(both, y_pred, some), ops.cast(both[:, 0], "float32")


def _several_labels(y_true: Any, y_pred: Any, target: Target) -> Pair:
    """Each label as an example of its own: (n * size, 1) of 0 or 1, and the probability of 1."""
    from keras import ops

    truth, predicted = _each_label(y_true, y_pred, target)
    return ops.reshape(truth, (-1, 1)), ops.reshape(predicted, (-1, 1))


def _each_label(y_true: Any, y_pred: Any, target: Target) -> Pair:
    from keras import ops

    return ops.cast(y_true, "float32"), label_probabilities(y_pred, target)


def _rounded(y_true: Any, probabilities: Any) -> Pair:
    from keras import ops

    rounded = ops.cast(probabilities > 0.5, "int32")  # noqa: PLR2004
    return ops.reshape(ops.cast(y_true, "int32"), (-1,)), ops.reshape(rounded, (-1,))


def label_probabilities(y_pred: Any, target: Target) -> Any:
    """The probability that each label is 1, from what a model of `labels` gives.

    Shape:
        `(n, size)`, as the result.
    """
    from keras import ops

    y_pred = ops.cast(y_pred, "float32")
    if target.activation == "tanh":  # hinge losses are at home with it; its middle is 0
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
        return ops.cast(ops.reshape(_probabilities(y_pred, target)[:, 1] > 0.5, (-1,)), "int32")  # noqa: PLR2004
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
    # softmax of (0, z) is sigmoid of z
    return (
        ops.concatenate((ops.zeros_like(y_pred), y_pred), axis=-1)
        if target.is_logits
        else _probabilities(y_pred, target)
    )
