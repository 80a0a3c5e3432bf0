"""Keep what the run of a fold predicts for its validation split, for the out-of-fold predictions of all folds."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from dlrun.experiment.slices import truth_and_predictions
from dlrun.runs.fold_predictions import FoldPredictions, write_fold_predictions
from dlrun.runs.folder import RunFolder

if TYPE_CHECKING:
    from dlrun.data import Split
    from dlrun.training.predictor import Predictor
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
    predictor, has_truth = setup.decided_by(None).predictor(), setup.target.kind not in ("input", "mask")
    outputs = predictor.precise(split.features) if has_truth else _errors(setup, split, predictor)
    nothing: npt.NDArray[np.float32] = np.zeros(0, np.float32)
    is_image = setup.dataset.features.kind == "image"
    names = nothing if split.origins is None or not is_image else np.array(list(map(str, split.origins)), np.str_)
    target = nothing if not has_truth or split.target is None else np.asarray(split.target)
    weights = nothing if split.weight is None else np.asarray(split.weight, np.float32)
    rows = np.asarray(split.rows, np.int64)
    write_fold_predictions(folder, FoldPredictions(rows, outputs, target, names, weights))


def _errors(setup: TrainingSetup, split: Split, predictor: Predictor) -> npt.NDArray[Any]:
    """Return what is kept where predictions would take too much room: the errors of an autoencoder, counts of pixels.

    Shape:
        `(n,)` for an autoencoder, `(n, size * size)` for masks; floats.
    """
    if setup.target.kind == "input":
        return predictor.reconstruction_errors(split.features)
    at_once, size = setup.interface().rows_at_once, setup.target.size
    counts = np.zeros((len(split), size * size))
    for start in range(0, len(split), at_once):
        rows = slice(start, start + at_once)
        counts[rows] = truth_and_predictions(predictor, split.features[rows], np.asarray(split.target)[rows])[1]
    return counts
