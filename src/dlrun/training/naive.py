"""A forecast without a model, scored as the model is: what a model has to be better than."""

from __future__ import annotations

import numpy as np
import tensorflow as tf

from dlrun.training.assembly import Assembly
from dlrun.training.by_column import build_loss, build_metric
from dlrun.training.feed import encode


def naive_scores(assembly: Assembly, split: str) -> dict[str, float]:
    """Loss and metrics of the dataset's naive predictions for a split.

    Args:
        assembly: Of the run.
        split: Its name.

    Returns:
        By name, as those of the model; empty if the data has no naive predictions.
    """
    predictions = assembly.dataset.naive.get(split)
    truth = assembly.dataset.splits[split].target
    if predictions is None or truth is None:
        return {}
    spec, target = assembly.spec, assembly.target
    y_true, y_pred = (encode(tf.constant(np.asarray(values, np.float32)), target) for values in (truth, predictions))
    scores = {"loss": float(build_loss(spec.loss, target)(y_true, y_pred))}
    for metric in spec.metrics:
        built = build_metric(metric, target)
        built.update_state(y_true, y_pred)
        scores[metric.log_name] = float(built.result())
    return scores
