"""What a report reads from the run folder."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dlrun.errors import RunError
from dlrun.report.content import read_content
from dlrun.runs.predictions import predictions_file, read_predictions
from run_folders import CLASSES, NAUGHTY, made, predictions


def test_stored_predictions_are_read_back_and_a_damaged_file_has_a_hint_to_rewrite_it(tmp_path: Path) -> None:
    folder = made(tmp_path, CLASSES, predictions())
    kept = read_predictions(folder, "test")
    assert kept is not None
    np.testing.assert_array_equal(kept.outputs, predictions().outputs)
    assert kept.texts.tolist() == [NAUGHTY, "b & c"]
    predictions_file(folder, "test").write_bytes(b"PK")
    with pytest.raises(RunError, match="damaged"):
        read_content(folder)


@pytest.mark.parametrize(
    "wrong",
    [
        {"columns": np.array([["a"]])},
        {"columns": np.array(["a"]), "cells": np.array([["x", "y"]])},
        {"columns": np.array(["a"]), "importances": np.zeros(2)},
        {"columns": np.array(["a"]), "importances": np.array(["x"])},
        {"columns": np.array(["a"]), "importance_intervals": np.zeros((2, 2))},
        {"measured": np.zeros(3, int)},
        {"dependence": np.zeros((1, 2, 1)), "dependence_points": np.zeros((1, 3))},
        {"times": np.zeros(3)},
        {"measure": np.array(["a", "b"])},
    ],
)
def test_arrays_that_do_not_match_are_damage_and_earlier_runs_have_none(
    tmp_path: Path, wrong: dict[str, np.ndarray[Any, Any]]
) -> None:
    folder = made(tmp_path, CLASSES, predictions(**wrong))
    with pytest.raises(RunError, match=f"damaged: {'dependence' if 'dependence' in wrong else next(reversed(wrong))}"):
        read_predictions(folder, "test")
    path = predictions_file(folder, "test")
    folder.update_record(files_sha256={})
    with np.load(path) as file:
        arrays = {
            name: file[name]
            for name in file
            if name not in ("columns", "cells", "importances", "measure", "times", "measured")
            and not name.startswith(("dependence", "importance_"))
        }
    np.savez(path, **arrays)
    kept = read_predictions(folder, "test")
    assert kept is not None
    assert kept.columns.size == kept.times.size == 0
