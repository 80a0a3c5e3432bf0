"""The metrics of a spec: all metrics of Keras, correct for every encoding that the loss may choose for the target."""

from __future__ import annotations

import abc
import functools
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from pydantic import Field

from dlrun.component import Component, FieldProblem
from dlrun.keras_table import (
    TABLE_PATH,
    KerasComponent,
    component_class,
    entry_names,
    find_entry,
    keras_object,
    short_names,
)
from dlrun.losses import counted_pixels
from dlrun.metrics.inputs import SEES, VALUES, Form, MetricInput, converter, where_it_varies
from dlrun.registry import Registry
from dlrun.signature import Target
from dlrun.system.keras_internals import build_metric

if TYPE_CHECKING:
    import keras

    from dlrun.metrics.results import Exact

_THRESHOLDS = 200
"""Default number of thresholds for the area under a curve during training; an evaluation computes it exactly."""


_WITH_LOGITS = ("binary_crossentropy", "categorical_crossentropy", "sparse_categorical_crossentropy")
_AS_PROBABILITIES: dict[Form, Form] = {"margin": "positive", "scores": "classes", "score_index": "index"}
_WITH_NUM_CLASSES = ("io_u", "mean_io_u", "one_hot_io_u", "one_hot_mean_io_u")
_BUILT_BY_FIRST_BATCH = ("f1_score", "f_beta_score", "r2_score")
_SMALLER_IS_BETTER = frozenset({
    "binary_crossentropy", "categorical_crossentropy", "categorical_hinge", "false_negatives", "false_positives",
    "hinge", "kl_divergence", "log_cosh_error", "mean_absolute_error", "mean_absolute_percentage_error",
    "mean_squared_error", "mean_squared_logarithmic_error", "poisson", "root_mean_squared_error",
    "sparse_categorical_crossentropy", "squared_hinge",
})  # fmt: skip

Direction = Literal["max", "min"]
"""Whether a larger (`max`) or a smaller (`min`) score is better."""

SPLIT_PREFIXES: Mapping[str, str] = {"val_": "validation", "test_": "test", "train_": "train"}
"""Prefixes of score names, each with its split."""


class Metric(Component, abc.ABC):
    """A score that is reported with the loss. A subclass defines what it `sees` and builds the Keras metric."""

    sees: ClassVar[MetricInput] = VALUES
    larger_is_better: ClassVar[bool | None] = None
    """Whether larger scores are better. If None, it selects the best epoch or run only if the user gives a sign."""

    name: str | None = Field(
        default=None, pattern=r"^[A-Za-z][A-Za-z0-9_]*$", description="Name in the log; null: the type."
    )

    @property
    def log_name(self) -> str:
        """Name of the score in the log."""
        return self.name or self.type_name

    @classmethod
    def accepts(cls, target: Target) -> bool:
        """Return whether the metric is defined for this target in any encoding, and for each of its class columns."""
        if target.kind == "class_columns":
            return all(cls.accepts(part.target) for part in target.parts)
        if target.kind in ("classes", "mask"):
            return cls.sees.form is not None and (not cls.sees.only_two or target.size == 2)
        if target.kind == "labels":
            return cls.sees.several_labels is not None
        right_kind = target.kind == "input" or cls.sees.form is None
        return cls.sees.values and right_kind and target.size >= cls.sees.least_size

    def misfits(self, target: Target) -> Iterator[FieldProblem]:  # noqa: ARG002
        """Yield the keys that cannot be used with this target."""
        return iter(())

    @abc.abstractmethod
    def build(self, target: Target) -> keras.metrics.Metric:
        """Build the Keras metric, which receives the same tensors as the loss.

        Args:
            target: Target with the encoding of `y_true` and the activation that produced `y_pred`. For class columns,
                the target of one column.

        Shape:
            y_true: see `target.encoding`. y_pred: `(batch, target.units)`, the shape of the input for kind `input`, or
            `(batch, height, width, target.units)` for masks. Result: a float32 scalar.
        """


class KerasMetric(KerasComponent, Metric):
    """A metric of Keras."""

    def build(self, target: Target) -> keras.metrics.Metric:
        """Build the Keras metric with the conversion to its form in front of it."""
        from dlrun.metrics.results import (
            undefined_where_it_is,
        )  # imported late: it imports numpy, which checking a spec does not need

        if target.kind == "mask":
            return _over_pixels(self.build(replace(target, kind="classes")), target)
        form = self._form(target)
        outputs = target.size if form in {"classes", "values", "differences", "each_label"} else 1
        # R2 subtracts the square of a sum from a sum of squares, which cancels most digits of float32.
        given: dict[str, Any] = {
            "name": self.log_name,
            "dtype": "float64" if self.type_name == "r2_score" else "float32",
        }
        if self.type_name in _WITH_LOGITS:
            given["from_logits"] = target.activation == "linear"
            # Without from_logits, Keras expects probabilities in place of scores.
            form = form if given["from_logits"] else _AS_PROBABILITIES.get(form, form)
        if self.type_name in _WITH_NUM_CLASSES:
            given["num_classes"] = target.size
        given |= self._defaults(form, outputs)
        metric = keras_object(self, **given)
        if self.type_name in _BUILT_BY_FIRST_BATCH:
            if self.type_name == "r2_score":  # Keras 3.15 creates its variables as float32 and ignores dtype
                metric.add_variable = functools.partial(metric.add_variable, dtype="float64")
            # Keras creates these variables with the first batch, too late to restore them from a checkpoint.
            build_metric(metric, (None, outputs))
        undefined_where_it_is(metric, self.type_name)
        exact = self._exact(target, columns=outputs)
        return _convert(metric, form, target, exact=exact, correlates=self.type_name == "pearson_correlation")

    def _exact(self, target: Target, *, columns: int) -> Exact | None:
        """Return what computes the score from all predictions at once; None if adding up batches is exact."""
        from dlrun.metrics.results import Exact, exact_area, exact_r2

        if self.type_name == "r2_score" and target.kind != "input":
            return Exact(exact_r2(getattr(self, "class_aggregation", "")), columns=columns)
        asks_for_thresholds = getattr(self, "thresholds", None) or getattr(self, "num_thresholds", 0) != _THRESHOLDS
        if self.type_name != "auc" or asks_for_thresholds:
            return None
        keys: dict[str, Any] = {
            key: getattr(self, name)
            for key, name in {"curve": "curve", "summation": "summation_method", "multi_label": "multi_label"}.items()
        }
        return Exact(exact_area(**keys, label_weights=getattr(self, "label_weights", None)), columns=columns)

    def problems(self) -> Iterator[FieldProblem]:
        """Yield mistakes that Keras detects only when the metric is built, or not at all."""
        if getattr(self, "label_weights", None) is not None and not getattr(self, "multi_label", False):
            what = "label_weights has no effect without multi_label"
            yield FieldProblem(("label_weights",), what, expected="multi_label: true")
        thresholds = getattr(self, "thresholds", None)
        if isinstance(thresholds, tuple) and list(thresholds) != sorted(set(thresholds)):
            yield FieldProblem(
                ("thresholds",), "the thresholds do not increase", expected="each larger than the one before"
            )

    def misfits(self, target: Target) -> Iterator[FieldProblem]:
        """Yield class indices and counts that exceed the number of classes."""
        if target.kind not in ("classes", "labels", "mask"):
            return
        for key in ("class_id", "ignore_class", "target_class_ids"):
            given = getattr(self, key, None)
            largest = max(given, default=0) if isinstance(given, tuple) else given or 0
            if largest >= target.size:
                what = f"{key} is class {largest}, but there are only {target.size} classes"
                yield FieldProblem((key,), what, expected=f"at most {target.size - 1}")
        for key in ("k", "top_k"):
            count = getattr(self, key, None) or 0
            if count > target.size:
                yield FieldProblem(
                    (key,),
                    f"{key} is {count}, but there are only {target.size} classes",
                    expected=f"at most {target.size}",
                )
        weights = getattr(self, "label_weights", None)
        labels = target.size if self._form(target) in ("classes", "each_label") else 1
        if weights is not None and len(weights) != labels:
            what = f"{len(weights)} label weights for {labels} classes"
            yield FieldProblem(("label_weights",), what, expected=f"{labels} numbers")

    def _form(self, target: Target) -> Form:
        asks_for_one = any(getattr(self, key, None) is not None for key in ("class_id", "top_k", "average"))
        if target.kind == "labels" and self.sees.several_labels:
            asks = asks_for_one or getattr(self, "multi_label", False)
            return "each_label" if asks else self.sees.several_labels
        if target.kind not in ("classes", "mask") or self.sees.form is None:
            return "differences" if self.sees.differences else "values"
        if self.sees.two_classes and target.size == 2 and not asks_for_one:
            return self.sees.two_classes
        return self.sees.form

    def _defaults(self, form: Form, outputs: int) -> dict[str, Any]:
        """Return the values of null keys that depend on the target."""
        if getattr(self, "multi_label", False):
            return {"num_labels": outputs, "label_weights": _list(getattr(self, "label_weights", None))}
        if self.type_name in {"f1_score", "f_beta_score"}:
            # With one column per example, the default (the most probable column) would always choose that column.
            threshold = 0.5 if form in ("positive", "each_label") else None
            given = getattr(self, "threshold", None)
            return {"average": getattr(self, "average", None) or "macro", "threshold": given or threshold}
        thresholds = getattr(self, "thresholds", None)
        return {"thresholds": list(thresholds)} if isinstance(thresholds, tuple) else {}


def _list(values: tuple[float, ...] | None) -> list[float] | None:
    return None if values is None else list(values)


def _convert(metric: Any, form: Form, target: Target, *, exact: Exact | None, correlates: bool) -> keras.metrics.Metric:
    update, convert = metric.update_state, converter(form, target)
    repeats = target.size if target.kind == "labels" and form != "each_label" else 1

    def update_state(y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        truth, predicted = convert(y_true, y_pred)
        weight = _repeat(sample_weight, repeats)
        if correlates:
            truth, predicted, varies = where_it_varies(truth, predicted)
            weight = varies if weight is None else varies * weight
        if exact is not None:
            exact.take(truth, predicted, weight)
        update(truth, predicted, sample_weight=weight)

    metric.update_state = update_state
    metric.exact = (exact,) if exact is not None else ()
    return metric


def _over_pixels(metric: Any, target: Target) -> keras.metrics.Metric:
    """Return a metric of classes as one of masks, for which each pixel that counts is an example."""
    from keras import ops

    update = metric.update_state

    def update_state(y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        weight = counted_pixels(y_true, target)
        if sample_weight is not None:
            weight *= ops.reshape(ops.cast(sample_weight, "float32"), (-1, 1, 1))
        if target.encoding == "index":  # any class will do, because these pixels get the weight 0
            y_true = ops.where(counted_pixels(y_true, target) > 0, y_true, 0)
        truth, predicted, weight = (ops.reshape(each, (-1, *each.shape[3:])) for each in (y_true, y_pred, weight))
        update(truth, predicted, sample_weight=weight)

    metric.update_state = update_state
    return metric


def _repeat(weight: Any, repeats: int) -> Any:
    """Repeat the weight of each example for each of its labels.

    Shape:
        Input: `(n,)` or None. Result: `(n * repeats,)` or None.
    """
    from keras import ops

    return weight if weight is None or repeats == 1 else ops.repeat(ops.reshape(weight, (-1,)), repeats)


metrics: Registry[Metric] = Registry("metric")


def metrics_for(target: Target) -> tuple[str, ...]:
    """Return the names of the metrics that are defined for a target, including those of plugins."""
    found = ((name, metrics.find(name)) for name in metrics.names())
    return tuple(name for name, metric in found if metric is not None and metric.accepts(target))


def directions_of(of_spec: Iterable[Metric]) -> dict[str, Direction]:
    """Return the direction of the loss and of each metric of a spec, by its name in the log.

    Args:
        of_spec: The metrics of the spec. Metrics without a direction are omitted.
    """
    known = {metric.log_name: metric.larger_is_better for metric in of_spec}
    found: dict[str, Direction] = {"loss": "min"}
    return found | {name: "max" if larger else "min" for name, larger in known.items() if larger is not None}


def direction_of_type(name: str) -> Direction | None:
    """Return the direction of the metric registered as `name`; None if it is unknown or has no direction."""
    metric = metrics.find(short_names("metrics").get(name, name))
    if metric is None or metric.larger_is_better is None:
        return None
    return "max" if metric.larger_is_better else "min"


def without_split(score: str) -> str:
    """Return the name of a score without the prefix of its split: `accuracy` for `val_accuracy`."""
    prefix = next((prefix for prefix in SPLIT_PREFIXES if score.startswith(prefix)), "")
    return score.removeprefix(prefix)


@functools.cache
def _keras_metric(name: str) -> type[Metric]:
    made = component_class(find_entry("metrics", name), KerasMetric)
    made.sees = SEES[name]
    made.larger_is_better = name not in _SMALLER_IS_BETTER
    return made


metrics.register_lazily(entry_names("metrics"), _keras_metric, origin=str(TABLE_PATH))
