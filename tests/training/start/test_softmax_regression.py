"""Softmax regression is that of its formula, with the penalty that suits examples outside of the fit."""

import numpy as np
import pytest

from dlrun.training.start.softmax_regression import PENALTIES, fit_classes


def softmax(logits: np.ndarray) -> np.ndarray:
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=1, keepdims=True))


@pytest.mark.parametrize("count", [2, 4])
def test_softmax_regression_is_where_the_penalized_loss_has_no_slope(count: int) -> None:
    random = np.random.default_rng(count)
    x = random.normal(size=(120, 5)) * [1, 1, 1, 30, 1e-3] + [0, 0, 9, 0, 0]
    classes = (softmax(x[:, :3] @ random.normal(size=(3, count))).cumsum(axis=1) < random.random((120, 1))).sum(axis=1)
    weight = random.random(120)
    fit = fit_classes(x, classes, count, weight)
    scale, share = x.std(axis=0), (weight / weight.mean())[:, None]
    z = x / scale
    centred = z - (share * z).sum(axis=0) / share.sum()
    unit = (share * centred**2).sum() / 5 / share.sum()
    wrong = share * (softmax(x @ fit.kernel + fit.bias) - np.eye(count)[classes])
    slope = z.T @ wrong + fit.penalty * unit * fit.kernel * scale[:, None]
    assert np.abs(slope).max() < 0.02 * np.abs(z.T @ (share * np.eye(count)[classes])).max()
    assert np.abs(wrong.sum(axis=0)).max() < 0.5


def test_noise_gets_a_strong_penalty_and_explains_nothing_a_clear_signal_the_opposite() -> None:
    random = np.random.default_rng(1)
    x = random.normal(size=(80, 30))
    noise = fit_classes(x, random.integers(0, 2, 80), 2)
    assert noise.penalty >= 100
    assert noise.explained < 0.05
    clear = fit_classes(x[:, :3], (x[:, 0] > 0).astype(int), 2)
    assert clear.penalty == PENALTIES[-1]
    assert clear.explained > 0.8


def test_only_the_ratios_of_weights_matter() -> None:
    random = np.random.default_rng(2)
    x, classes, weight = random.normal(size=(60, 2)), np.arange(60) % 3, random.random(60)
    one, two = fit_classes(x, classes, 3, weight), fit_classes(x, classes, 3, 7 * weight)
    np.testing.assert_allclose(one.kernel, two.kernel, rtol=1e-9)
    assert not np.allclose(one.kernel, fit_classes(x, classes, 3).kernel, rtol=0.1)


def test_constant_columns_few_rows_and_a_class_of_one_row_leave_finite_weights() -> None:
    x = np.array([[5.0, 0, 1], [5, 1, 0], [5, 0, 0], [5, 0, 1]] * 3)
    for rows in (3, 12):
        classes = np.array([0, 1, 2, *[0] * 9])[:rows]
        fit = fit_classes(x[:rows], classes, 4)
        assert np.isfinite(fit.kernel).all()
        assert np.isfinite(fit.bias).all()
        assert (softmax(x[:1] @ fit.kernel + fit.bias)[0, 3]) < 0.25
        assert fit.explained == 0
