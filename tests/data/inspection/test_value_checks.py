"""Checks of values in arrays."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from dlrun.data.arrays.source import Arrays
from dlrun.data.inspection.check import find_all
from dlrun.data.inspection.finding import Finding
from dlrun.data.inspection.inspected import Inspected, inspect_source
from dlrun.data.inspection.value_checks import check_nan
from dlrun.data.splits import Split

RANDOM = np.random.default_rng(0)


def by_check(findings: Sequence[Finding]) -> dict[str, Finding]:
    assert all(finding.advice for finding in findings if finding.status != "pass")
    return {finding.check: finding for finding in findings}


def test_unscaled_arrays_are_reported_and_nan_is_counted(tmp_path: Path) -> None:
    path = tmp_path / "raw.npz"
    features = RANDOM.normal(size=(200, 3)).astype(np.float32) * 500
    np.savez(path, x=features, y=features[:, 0] + RANDOM.normal(size=200).astype(np.float32) * 500)
    inspected = inspect_source(Arrays(path=str(path)))
    found = by_check(find_all(inspected))
    assert found["range"].advice == "dataset: {standardize: true}"
    assert found["target's scale"].status == "warning"
    assert by_check(find_all(inspect_source(Arrays(path=str(path), standardize=True))))["range"].status == "pass"
    features[[7, 9], 1] = np.nan
    broken = replace(inspected.dataset, splits={"train": Split(features)})
    (finding,) = check_nan(Inspected(inspected.source, broken))
    assert (finding.status, finding.said) == (
        "failure",
        "2 train examples contain NaN or infinity, the first is number 7",
    )
