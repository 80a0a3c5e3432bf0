"""Examples of weight 2 score like examples that stand there twice, in every score."""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest

from dlrun.scoring.bootstrap import bootstrap_interval, macro_f1_of, mean_of, root_mean_of
from dlrun.scoring.breakdown import Breakdown, collector_of
from dlrun.scoring.classification import roc_auc
from dlrun.scoring.importances import loss_of
from dlrun.scoring.regression import weighted_quantile
from dlrun.signature import Features, Target

COLUMNS = Target.of_columns({"a": ("x", "y"), "b": ("u", "v", "w")})
TARGETS = {
    "two classes": Target("classes", 2, ("no", "yes")),
    "classes": Target("classes", 12, tuple(map(str, range(12)))),
    "columns": COLUMNS,
    "labels": Target("labels", 3, ("a", "b", "c")),
    "value": Target("values", 1, names=("v",), encoding="value"),
    "values": Target("values", 2, names=("v", "w"), encoding="value"),
    "input": Target.of_input(Features("vector", (3,))),
}


def predicted(target: Target, count: int = 200) -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng(3)
    scores = generator.random((count, target.size)).round(2)  # rounded, so that some are equal
    if target.kind == "classes":
        return generator.integers(0, target.size, count), scores / scores.sum(axis=1, keepdims=True)
    if target.kind == "class_columns":
        return np.stack([generator.integers(0, part.target.size, count) for part in target.parts], axis=1), scores
    if target.kind == "labels":
        return (generator.random((count, target.size)) > 0.5).astype(np.float32), scores
    if target.kind == "input":
        return np.empty(0), scores[:, 0]
    return 3 * generator.random((count, target.size)), scores


def flat(found: Breakdown) -> dict[str, Any]:
    parts = {f"{part}.{name}": value for part, of in found.parts.items() for name, value in of.items()}
    return {**found.overall, **parts, **{f"{pair[:2]}": pair[2] for pair in found.confusions}}


def close(first: Mapping[str, float], second: Mapping[str, float]) -> None:
    assert first.keys() == second.keys()
    for name, value in first.items():
        assert value == pytest.approx(second[name], rel=1e-12, abs=1e-12, nan_ok=True), name


@pytest.mark.parametrize("target", TARGETS.values(), ids=TARGETS.keys())
def test_weights_score_like_repeated_examples(target: Target) -> None:
    truth, predictions = predicted(target)
    weights = np.random.default_rng(5).integers(0, 4, len(predictions))
    repeated, weighted = collector_of(target), collector_of(target)
    again = np.repeat(np.arange(len(predictions)), weights)
    repeated.add(truth[again] if truth.size else truth, predictions[again])
    for rows in (slice(0, 70), slice(70, None)):
        weighted.add(truth[rows] if truth.size else truth, predictions[rows], weights[rows])
    once, found = flat(repeated.breakdown()), flat(weighted.breakdown())
    if target.kind == "input":  # quantiles between two errors are interpolated, and only the interpolation differs
        assert found.pop("mean") == pytest.approx(once.pop("mean"), rel=1e-12)
        assert {name: round(value, 1) for name, value in found.items()} == pytest.approx(once, abs=0.06)
    else:
        close(found, once)
    assert weighted.breakdown().weight == weights.sum()


@pytest.mark.parametrize("target", TARGETS.values(), ids=TARGETS.keys())
def test_weights_of_one_score_like_no_weights(target: Target) -> None:
    truth, predictions = predicted(target)
    without, ones = collector_of(target), collector_of(target)
    without.add(truth, predictions)
    ones.add(truth, predictions, np.ones(len(predictions), np.float32))
    if target.kind != "input":
        close(flat(ones.breakdown()), flat(without.breakdown()))
    assert without.breakdown().weight is None


def test_the_unit_of_the_weights_does_not_matter() -> None:
    generator = np.random.default_rng(0)
    values, weights = generator.random(50).round(1), generator.random(50)
    for part in (0.1, 0.5, 0.9):
        assert weighted_quantile(values, part, weights) == weighted_quantile(values, part, 1e6 * weights)
    is_positive = values > 0.5
    assert roc_auc(is_positive, weights, weights) == pytest.approx(roc_auc(is_positive, weights, 3 * weights))
    assert math.isnan(roc_auc(np.zeros(50, bool), weights, weights))


def test_losses_of_importances_weigh_examples() -> None:
    for target in (TARGETS["classes"], TARGETS["labels"], TARGETS["value"], COLUMNS):
        truth, predictions = predicted(target)
        weights = np.random.default_rng(5).integers(0, 4, len(truth))
        again = np.repeat(np.arange(len(truth)), weights)
        for output in (None, 0):
            found = loss_of(truth, target, output, weights=weights)(predictions)
            assert found == pytest.approx(loss_of(truth[again], target, output)(predictions[again]))


def test_the_statistics_of_intervals_weigh_examples() -> None:
    generator = np.random.default_rng(1)
    values, weights = generator.random(40), generator.integers(0, 3, 40)
    classes, found = generator.integers(0, 3, 40), generator.integers(0, 3, 40)
    again, rows = np.repeat(np.arange(40), weights), np.arange(40)[None]
    alike = np.arange(len(again))[None]
    for weighted, repeated in (
        (mean_of(values, weights), mean_of(values[again])),
        (root_mean_of(values, weights), root_mean_of(values[again])),
        (macro_f1_of(classes, found, 3, weights=weights), macro_f1_of(classes[again], found[again], 3)),
    ):
        assert weighted(rows)[0] == pytest.approx(repeated(alike)[0], rel=1e-12)
    # A few heavy examples decide the score, so its interval is wider.
    few = np.where(np.arange(400) < 8, 1000.0, 1.0)
    hits = generator.random(400) > 0.5
    wide, narrow = (bootstrap_interval(mean_of(hits, given), 400, seed=0) for given in (few, None))
    assert wide.high - wide.low > 2 * (narrow.high - narrow.low)
