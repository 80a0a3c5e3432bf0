"""Keep what the run of a fold predicts for its validation split, for the out-of-fold predictions of all folds."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from dlrun.runs.fold_predictions import FoldPredictions, write_fold_predictions
from dlrun.runs.folder import RunFolder

if TYPE_CHECKING:
    from dlrun.training.setup import TrainingSetup


def keep_fold_predictions(setup: TrainingSetup, folder: RunFolder) -> None:
    """Predict the whole validation split with the final model, and store that in the run; nothing without a fold.

    Args:
        setup: The parts of the run, with the weights of its final model.
        folder: The run.

    Raises:
        RunError: The predictions cannot be written, or memory ran out.
    """
    split = setup.dataset.splits.get("validation")
    if setup.spec.dataset.fold is None or split is None or split.rows is None:
        return
    # Without a calibration, which was fitted to these very examples: whoever joins the folds wants predictions for
    # examples that nothing was fitted to.
    predictor = setup.decided_by(None).predictor()
    is_input = setup.target.kind == "input"
    outputs = predictor.reconstruction_errors(split.features) if is_input else predictor.precise(split.features)
    nothing: npt.NDArray[np.float32] = np.zeros(0, np.float32)
    is_image = setup.dataset.features.kind == "image"
    names = nothing if split.origins is None or not is_image else np.array(list(map(str, split.origins)), np.str_)
    target = nothing if is_input or split.target is None else np.asarray(split.target)
    weights = nothing if split.weight is None else np.asarray(split.weight, np.float32)
    rows = np.asarray(split.rows, np.int64)
    write_fold_predictions(folder, FoldPredictions(rows, outputs, target, names, weights))
