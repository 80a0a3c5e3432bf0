"""Start layers of a model, one after the other, with weights that suit what the layers before make of training rows."""

from __future__ import annotations

import numpy as np

from dlrun.training.failures import building_failures
from dlrun.training.setup import TrainingSetup
from dlrun.training.start.values import AT_ONCE, training_values

_MOST_ROWS = 16_384
"""Rows whose variance is as good as that of all."""


def start_from_data(setup: TrainingSetup) -> str:
    """Start the layers that the model names, if any.

    The rows are the whole training split, or as many of it as suffice, drawn by the seed of the run.

    Args:
        setup: The parts of a run whose model has its initial values.

    Returns:
        A sentence about the rows; empty if the model names no layer.
    """
    names = setup.spec.model.started_layers()
    if not names:
        return ""
    total, random = len(setup.dataset.splits["train"]), np.random.default_rng(setup.spec.seed)
    rows = np.arange(total) if total <= _MOST_ROWS else np.sort(random.choice(total, _MOST_ROWS, replace=False))
    parts = [rows[start : start + AT_ONCE] for start in range(0, len(rows), AT_ONCE)]
    layers = [setup.compiled.core.get_layer(name) for name in names]
    with building_failures():
        values = training_values(setup, [layer.input for layer in layers])
        for index, layer in enumerate(layers):
            # One function for all inputs is traced once. What it computes too much is next to nothing.
            inputs = np.concatenate([values(part)[index] for part in parts])
            layer.start(inputs.astype(np.float32), random)
    which = "the training split" if len(rows) == total else f"{len(rows):,} training rows"
    return f"the weights of {names[0]} to {names[-1]} are scaled to {which}"
