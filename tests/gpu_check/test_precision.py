"""Checks of precision that a CPU can really run."""

from pathlib import Path

import pytest

from dlrun.gpu_check.check import CheckPlace
from dlrun.gpu_check.precision import judge_overflow, measure_overflow


@pytest.mark.tensorflow
def test_an_overflow_is_recovered_from_on_a_cpu_too(tmp_path: Path) -> None:
    found = measure_overflow(CheckPlace("cpu", 1, tmp_path))
    assert judge_overflow(found).status == "ok", found
    assert 0 < found["skipped"] < 40
    assert found["scale"] < 2.0**40
