"""The metrics that a spec can name, and what they are computed from."""

from dlrun.metrics.inputs import MetricInput
from dlrun.metrics.metric import KerasMetric, Metric, metrics

__all__ = ["KerasMetric", "Metric", "MetricInput", "metrics"]
