"""What range tests suggest, on losses whose best learning rate is known, and on those that tell nothing."""

import math
import random
from collections.abc import Callable

import pytest

from dlrun.benchmark.valley import HIGHEST, LOWEST, STEPS, RangeTest, longest_valley, rates, smoothed, suggest


def losses(*, falls: float, rises: float, depth: float = 0.5, noise: float = 0.0, seed: int = 0) -> tuple[float, ...]:
    """Return losses that are flat until a rate, fall by a part, and grow without limit above another rate."""
    draw = random.Random(seed)
    fall = math.log(rises / falls)
    found = []
    for rate in rates():
        share = min(1.0, max(0.0, math.log(rate / falls) / fall))
        loss = 2.0 * (1 - depth * share) + draw.gauss(0, noise)
        found.append(loss if rate <= rises else loss * (rate / rises) ** 2)
    return tuple(found)


def test_the_rates_rise_at_equal_ratios() -> None:
    found = rates()
    assert [found[0], found[-1]] == pytest.approx([LOWEST, HIGHEST])
    assert len(found) == STEPS
    assert found[51] / found[50] == pytest.approx(found[1] / found[0])


def test_smoothing_starts_at_the_first_loss_and_follows() -> None:
    assert smoothed([3.0]) == [pytest.approx(3.0)]
    assert smoothed([2.0] * 9) == [pytest.approx(2.0)] * 9
    # By hand: 0.9 times 0.1, plus 0.1 times 2, divided by 1 minus 0.81.
    assert smoothed([1.0, 2.0])[1] == pytest.approx(0.29 / 0.19)


@pytest.mark.parametrize("noise", [0.0, 0.02])
def test_the_suggestion_lies_inside_the_fall(noise: float) -> None:
    tests = [RangeTest(seed, losses(falls=1e-4, rises=1e-1, noise=noise, seed=seed)) for seed in range(3)]
    found = suggest(tests)
    assert found.rate is not None
    assert 3e-4 < found.rate < 5e-2
    assert found.lowest is not None
    assert found.highest is not None
    assert found.lowest <= found.rate * 1.05
    assert found.rate <= found.highest * 1.05


def test_a_flat_start_does_not_pull_the_suggestion_down() -> None:
    early = suggest([RangeTest(0, losses(falls=1e-3, rises=1e-1, noise=0.005, seed=seed)) for seed in range(3)])
    assert early.rate is not None
    assert early.rate > 1e-3


@pytest.mark.parametrize(
    "made",
    [
        lambda seed: losses(falls=1e-4, rises=1e-1, depth=0.0, noise=0.02, seed=seed),
        lambda seed: losses(falls=1e-4, rises=1e-1, depth=0.01, noise=0.01, seed=seed),
        lambda _: tuple(2.0 + step * 0.1 for step in range(60)),
        lambda _: (2.0, 1.0),
        lambda _: (),
    ],
)
def test_without_a_clear_fall_there_is_no_suggestion(made: Callable[[int], tuple[float, ...]]) -> None:
    found = suggest([RangeTest(seed, made(seed)) for seed in range(3)])
    assert found.rate is None
    assert "no clear valley" in found.reason


def test_seeds_that_are_far_apart_are_no_suggestion() -> None:
    far = [losses(falls=1e-6, rises=1e-4), losses(falls=1e-2, rises=1.0), losses(falls=1e-4, rises=1e-2)]
    found = suggest([RangeTest(seed, each) for seed, each in enumerate(far)])
    assert found.rate is None
    assert "too far apart" in found.reason
    assert found.lowest is not None


def test_the_longest_fall_counts_and_not_the_deepest_step() -> None:
    valley = longest_valley([5.0, 9.0, 1.0, 4.0, 3.9, 3.8, 3.7, 3.6, 3.5, 3.4, 9.0])
    # From 5.0 to 3.4, where 3.5 is within a tenth of that fall.
    assert (valley.start, valley.end) == (0, 8)
    assert valley.fall == pytest.approx(1.6 / 5)
