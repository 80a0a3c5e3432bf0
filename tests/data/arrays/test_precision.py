"""Numbers of an .npz file that float32 merges are told."""

from pathlib import Path

import numpy as np
import pytest

from dlrun.data.arrays.precision import merged_values
from dlrun.data.arrays.source import Arrays


@pytest.mark.parametrize(
    ("values", "said"),
    [
        (np.arange(1000) + 2 * 10**16, "x: 1,000 distinct values became"),
        (1_700_000_000.0 + np.arange(1000.0), "x: 1,000 distinct values became 9,"),
        (np.arange(1000) * 3 + (1 << 25), "x: 1,000 distinct values became"),
        (np.arange(1000), ""),
        (np.random.default_rng(0).normal(size=1000), ""),
        (np.random.default_rng(0).normal(size=1000) + 1000, ""),
        (np.full(1000, 1e9), ""),
        (np.arange(1000, dtype=np.float32) + 2**25, ""),  # they were float32 already
    ],
)
def test_a_column_that_loses_distinct_values_in_float32_is_reported(values: np.ndarray, said: str) -> None:
    found = list(merged_values(values, name="x"))
    assert len(found) == bool(said)
    assert not said or found[0].startswith(said)


def test_features_and_targets_are_checked(tmp_path: Path) -> None:
    times = 1_700_000_000.0 + np.arange(100.0)
    np.savez(tmp_path / "data.npz", x=np.stack([times, np.arange(100.0)], axis=1), y=times)
    first, second = Arrays(path=str(tmp_path / "data.npz"), task="regression").load().warnings
    assert "column 0 of x in " in first
    assert second.startswith("y in ")
