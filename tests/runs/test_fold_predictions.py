from pathlib import Path

import numpy as np
import pytest

from dlrun.errors import RunError
from dlrun.runs.fold_predictions import (
    FoldPredictions,
    fold_predictions_file,
    has_fold_predictions,
    read_fold_predictions,
    write_fold_predictions,
)
from dlrun.runs.folder import RunFolder

NOTHING = np.zeros(0, np.float32)
PREDICTED = FoldPredictions(np.array([1, 4]), np.array([[0.25, 0.75], [1, 0]], np.float32), np.array([1, 0]), NOTHING)


def test_what_is_written_is_read_to_the_bit(tmp_path: Path) -> None:
    folder = RunFolder.create(tmp_path, name="a")
    assert not has_fold_predictions(folder)
    write_fold_predictions(folder, PREDICTED)
    found = read_fold_predictions(folder)
    for name in ("rows", "outputs", "target", "names", "weights"):
        before, after = getattr(PREDICTED, name), getattr(found, name)
        assert (before.dtype, before.tolist()) == (after.dtype, after.tolist())


def test_a_file_that_was_changed_or_removed_is_an_error_that_names_the_remedy(tmp_path: Path) -> None:
    folder = RunFolder.create(tmp_path, name="a")
    write_fold_predictions(folder, PREDICTED)
    path = fold_predictions_file(folder)
    path.write_bytes(path.read_bytes()[:-1] + b"x")
    with pytest.raises(RunError, match="is damaged"):
        read_fold_predictions(folder)
    path.unlink()
    with pytest.raises(RunError, match=f"dlrun resume {folder.id} predicts again"):
        read_fold_predictions(folder)


def test_arrays_of_different_lengths_are_damage(tmp_path: Path) -> None:
    folder = RunFolder.create(tmp_path, name="a")
    write_fold_predictions(folder, FoldPredictions(np.array([1]), PREDICTED.outputs, PREDICTED.target, NOTHING))
    with pytest.raises(RunError, match="do not belong together"):
        read_fold_predictions(folder)
