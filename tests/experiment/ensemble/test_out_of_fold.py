"""Intervals of an ensemble of folds come from the members that were not trained on an example, and cover new ones."""

import numpy as np
import numpy.typing as npt

from dlrun.data.dataset import Dataset
from dlrun.data.division.folds import Fold, assign_folds
from dlrun.data.preprocess import ArrayPreprocess
from dlrun.data.splits import Split
from dlrun.experiment.ensemble.out_of_fold import out_of_fold_scores
from dlrun.signature import Features, Target

FOLDS, ROWS, WIDTH = 5, 60, 12
Array = npt.NDArray[np.float64]


def drawn(random: np.random.Generator, rows: int) -> tuple[Array, Array, Array]:
    """A linear regression in which one row in ten is noisy, and weighted to stand for half of the population."""
    x = random.normal(size=(rows, WIDTH))
    is_noisy = random.uniform(size=rows) < 0.1
    y = x.sum(axis=1) + np.where(is_noisy, 3, 1) * random.normal(size=rows)
    return x, y, np.where(is_noisy, 5.0, 5 / 9)


def fold_dataset(x: Array, y: Array, weight: Array | None, rows: npt.NDArray[np.int64]) -> Dataset:
    of_rows = None if weight is None else weight[rows].astype(np.float32)
    splits = {"validation": Split(x[rows], y[rows], rows=rows, weight=of_rows)}
    features, target = Features("vector", (WIDTH,)), Target("values", 1)
    return Dataset("drawn", features, target, ArrayPreprocess((WIDTH,)), splits, "")


def coverage(random: np.random.Generator, target: Target, *, rows: int, weighted: bool) -> float:
    """The share of new examples inside the interval of an ensemble of folds, by least squares."""
    x, y, weight = drawn(random, rows)
    new_x, new_y, new_weight = drawn(random, 400)
    # Enough random seeds for the folds, since with one seed all divisions would be the same.
    of_row = assign_folds(rows, Fold(index=0, count=FOLDS, seed=int(random.integers(1 << 30))))
    parts = [np.flatnonzero(of_row == fold) for fold in range(FOLDS)]
    members = [np.linalg.lstsq(np.delete(x, part, axis=0), np.delete(y, part), rcond=None)[0] for part in parts]
    datasets = [fold_dataset(x, y, weight if weighted else None, part) for part in parts]
    found = [(x[part] @ member)[:, None, None] for part, member in zip(parts, members, strict=True)]
    conformal = out_of_fold_scores(datasets, found, [1 / FOLDS] * FOLDS, target=target)
    assert conformal is not None
    lower, upper = conformal.bounds(((new_x @ np.mean(members, axis=0) - 1) / 2)[:, None, None], 0.9)
    learned = (new_y[:, None] - 1) / 2
    return float(
        np.average((lower <= learned) & (learned <= upper), axis=0, weights=new_weight if weighted else None)[0]
    )


def test_they_cover_new_examples_as_often_as_they_promise() -> None:
    random, target = np.random.default_rng(0), Target("values", 1, encoding="value", mean=(1.0,), scale=(2.0,))
    found = np.mean([coverage(random, target, rows=ROWS, weighted=False) for _ in range(100)])
    assert 0.89 < found < 0.94  # the mean of the members is a little better than each of them
    weighted = np.mean([coverage(random, target, rows=5 * ROWS, weighted=True) for _ in range(100)])
    assert 0.89 < weighted < 0.93


def test_each_score_is_of_the_members_that_the_row_validates_by_their_weights() -> None:
    x, y = np.zeros((4, WIDTH)), np.zeros(4)
    datasets = [fold_dataset(x, y, None, np.array(rows)) for rows in ([0, 1], [2, 3], [1, 2])]
    found = [np.array(values, float)[:, None, None] for values in ([1, 10], [100, 1000], [20, 200])]
    made = out_of_fold_scores(datasets, found, [0.25, 0.25, 0.5], target=Target("values", 1))
    assert made is not None
    np.testing.assert_allclose(made.scores[0][0], [1, (10 + 2 * 20) / 3, (100 + 2 * 200) / 3, 1000])
    nothing = [each * np.nan for each in found]
    assert out_of_fold_scores(datasets, nothing, [1, 1, 1], target=Target("values", 1)) is None
