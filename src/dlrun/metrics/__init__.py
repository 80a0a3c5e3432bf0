"""The metrics of a spec, and the conversion of labels and outputs into what each metric needs."""

from dlrun.metrics.inputs import MetricInput
from dlrun.metrics.metric import KerasMetric, Metric, metrics

__all__ = ["KerasMetric", "Metric", "MetricInput", "metrics"]
