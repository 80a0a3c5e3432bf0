"""A missing number in a window becomes the last known one, also as the base of a difference."""

from pathlib import Path

import numpy as np
import pytest

from dlrun.data.series.source import Series

pytestmark = pytest.mark.tensorflow


def test_missing_numbers_of_a_window_become_the_last_known_one(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    values = random.normal(size=(60, 2))
    is_missing = random.random((60, 2)) < 0.4
    is_missing[:, 1] &= np.arange(60) > 30
    rows = [
        ",".join("" if gap else f"{value:.4f}" for value, gap in zip(*row, strict=True))
        for row in zip(values, is_missing, strict=True)
    ]
    (tmp_path / "x.csv").write_text("\n".join(["load,wind", *rows]) + "\n")
    keys = {"path": str(tmp_path / "x.csv"), "target": "load", "history": 11, "standardize": False}
    median = Series.model_validate({**keys, "missing": {"numeric": "indicator"}}).load()
    dataset = Series.model_validate({**keys, "missing": {"numeric": "last"}}).load()
    stored = np.asarray(dataset.splits["train"].features)
    np.testing.assert_array_equal(stored, np.asarray(median.splits["train"].features))
    found = np.asarray(dataset.preprocess.build()(stored))
    for window, filled in zip(stored, found, strict=True):
        for place in (0, 2):
            known = np.flatnonzero(window[:, place + 1] == 0)
            for step in range(11):
                before = known[known <= step]
                expected = window[before[-1] if len(before) else step, place]
                assert filled[step, place] == pytest.approx(expected, abs=1e-6)
            np.testing.assert_array_equal(filled[:, place + 1], window[:, place + 1])
    np.testing.assert_array_equal(np.asarray(median.preprocess.build()(stored)), stored)
