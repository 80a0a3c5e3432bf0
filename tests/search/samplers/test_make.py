"""Each sampler by its name: what all of them share, and that the clever ones find better points."""

import subprocess
import sys
from collections.abc import Callable
from statistics import fmean

import numpy as np
import pytest

from dlrun.errors import UsageError
from dlrun.metrics.metric import Direction
from dlrun.search.samplers import make
from dlrun.search.samplers.make import make_sampler
from dlrun.search.samplers.sampler import KnownPoint, PointState, Sampler, random_point
from dlrun.spec.search.section import SearchKeys
from dlrun.spec.search.space import Categorical, Number, Option, Point, Space, point_key

RATE = Number("rate", "rate", 1e-4, 1e-1, log=True)
WIDTH = Number("width", "width", 8, 512, log=True, is_integer=True)
DROPOUT = Number("kind[0].dropout", "kind.dropout", 0.0, 0.5, step=0.1)
KIND = Categorical("kind", "kind", (Option("a", "a", (DROPOUT,)), Option("b", "b"), Option("c", "c")))
SPACE = Space((RATE, WIDTH, KIND))
NUMBERS = Space((RATE, WIDTH))
SMALL = Space((KIND, Categorical("batch", "batch", (Option(1, "1"), Option(2, "2")))))
SPACES = {"grid": SMALL, "cmaes": NUMBERS}
STATES: tuple[PointState, ...] = ("completed", "completed", "paused", "failed", "completed", "rejected")


def sampler(name: str, space: Space, *, seed: int = 0, directions: tuple[Direction, ...] = ("max",)) -> Sampler:
    if name == "cmaes":
        pytest.importorskip("cmaes")
    plain = {"space": {"a": {"low": 0, "high": 1}}, "seed": seed, "sampler": "tpe" if name == "nsga2" else name}
    return make_sampler(SearchKeys.model_validate(plain), space, directions)


def directions_for(name: str) -> tuple[Direction, ...]:
    return ("max", "min") if name == "nsga2" else ("max",)


def history(made: Sampler, count: int, *, several: bool = False) -> list[KnownPoint]:
    """Return points that the sampler proposed, with every kind of end; the last two are still running."""
    known: list[KnownPoint] = []
    for number in range(1, count + 1):
        point = made.propose(number, known)
        if point is None:
            break
        state = STATES[number % len(STATES)] if number < count - 1 else "running"
        values = (number * 0.1 % 0.7, -number % 5.0) if several else (number * 0.1 % 0.7,)
        known.append(
            KnownPoint(point, state, None if state in ("failed", "rejected", "running") else values, number % 9)
        )
    return known


NAMES = ("random", "grid", "qmc", "tpe", "nsga2", "cmaes")


@pytest.mark.parametrize("name", NAMES)
def test_a_proposal_is_a_function_of_seed_number_and_history_alone(name: str) -> None:
    space, directions = SPACES.get(name, SPACE), directions_for(name)
    made = sampler(name, space, directions=directions)
    known = history(made, 40, several=name == "nsga2")
    assert len({point_key(each.point) for each in known}) == len(known)
    for number in {1, 7, len(known) // 2, len(known)}:
        fresh = sampler(name, space, directions=directions)
        assert fresh.propose(number, known[: number - 1]) == known[number - 1].point
    for each in known:
        assert tuple(each.point) == tuple(parameter.name for parameter in space.active(each.point))
        for parameter in space.active(each.point):
            value = each.point[parameter.name]
            assert parameter.contains(value) if isinstance(parameter, Number) else value in range(3)
    if name != "grid":
        other = history(sampler(name, space, seed=1, directions=directions), 40, several=name == "nsga2")
        assert [each.point for each in other[12:]] != [each.point for each in known[12:]]


@pytest.mark.parametrize("name", ["random", "grid", "qmc", "tpe", "nsga2"])
def test_a_finite_space_is_exhausted_without_a_point_twice(name: str) -> None:
    made = sampler(name, SMALL, directions=directions_for(name))
    known = history(made, 100, several=name == "nsga2")
    assert len({point_key(each.point) for each in known}) == len(known) == SMALL.size == 16


def test_a_grid_goes_on_after_points_that_came_from_elsewhere() -> None:
    first, second, third, *_ = SMALL.points()
    made = sampler("grid", SMALL)
    assert made.propose(1, []) == first
    assert made.propose(2, [KnownPoint(second, "completed", (1.0,))]) == first
    assert made.propose(3, [KnownPoint(second, "running"), KnownPoint(first, "failed")]) == third


def test_proposals_are_the_same_in_another_process_with_other_hashes() -> None:
    code = (
        "import sys; sys.path += ['tests', 'tests/search/samplers']; from test_make import *;"
        "print([each.point for each in history(sampler('tpe', SPACE), 25)][-4:])"
    )
    results = {
        subprocess.run(
            [sys.executable, "-c", code], env={"PYTHONHASHSEED": hashes}, capture_output=True, text=True, check=True
        ).stdout
        for hashes in ("1", "2")
    }
    assert results == {f"{[each.point for each in history(sampler('tpe', SPACE), 25)][-4:]}\n"}


def test_a_sampler_whose_package_is_absent_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(make, "find_spec", lambda _: None)
    for name, command in (("tpe", r"pip install 'dlrun\[search\]'"), ("cmaes", "pip install cmaes")):
        plain = {"space": {"a": {"low": 0, "high": 1}}, "sampler": name}
        with pytest.raises(UsageError, match=command):
            make_sampler(SearchKeys.model_validate(plain), NUMBERS, ("max",))
    assert sampler("qmc", SPACE).propose(1, [])


def test_optuna_neither_prints_nor_changes_its_logging(capfd: pytest.CaptureFixture[str]) -> None:
    optuna = pytest.importorskip("optuna")
    before = optuna.logging.get_verbosity()
    history(sampler("tpe", SPACE), 14)
    assert capfd.readouterr() == ("", "")
    assert optuna.logging.get_verbosity() == before


def best_after(name: str, space: Space, score: Callable[[Point], float], *, trials: int, seed: int) -> float:
    """Return the best score that a sampler finds; larger is better, and every seventh trial fails."""
    made, known = sampler(name, space, seed=seed), list[KnownPoint]()
    for number in range(1, trials + 1):
        point = made.propose(number, known)
        assert point is not None
        failed = number % 7 == 0
        known.append(KnownPoint(point, "failed" if failed else "completed", None if failed else (score(point),)))
    return max(each.values[0] for each in known if each.values)


def hill(point: Point) -> float:
    """Return a score with its top, 0, at one rate, one width, and one kind."""
    rate = (RATE.to_unit(point["rate"]) - 0.7) ** 2
    width = (WIDTH.to_unit(point["width"]) - 0.3) ** 2
    kind = {0: abs(point.get("kind[0].dropout", 0) - 0.2), 1: 0.3, 2: 0.5}.get(int(point.get("kind", 0)), 0.0)
    return -(rate + width + (kind if "kind" in point else 0.0))


@pytest.mark.parametrize("name", ["tpe", "nsga2", "cmaes"])
def test_points_are_proposed_near_the_best_known_ones_and_another_seed_proposes_others(name: str) -> None:
    generator, space = np.random.default_rng(0), SPACES.get(name, SPACE)
    directions = directions_for(name)
    points = [random_point(space, generator) for _ in range(120)]
    values = [(hill(point), -hill(point))[: len(directions)] for point in points]
    known = [KnownPoint(point, "completed", value) for point, value in zip(points, values, strict=True)]

    def proposals(seed: int) -> list[Point]:
        made = sampler(name, space, seed=seed, directions=directions)
        return [point for number in range(121, 129) if (point := made.propose(number, known)) is not None]

    mine, others = proposals(0), proposals(1)
    assert fmean(map(hill, mine)) > fmean(map(hill, points)) / 2
    assert not [point for point in mine if point in others]


@pytest.mark.soak
@pytest.mark.parametrize(
    ("name", "space", "share"), [("tpe", SPACE, 0.5), ("qmc", SPACE, 1.0), ("cmaes", NUMBERS, 0.5)]
)
def test_it_finds_better_points_than_random_search(name: str, space: Space, share: float) -> None:
    seeds = range(20)
    gap = fmean(-best_after(name, space, hill, trials=60, seed=seed) for seed in seeds)
    random = fmean(-best_after("random", space, hill, trials=60, seed=seed) for seed in seeds)
    assert gap <= share * random


@pytest.mark.soak
def test_nsga2_covers_more_of_the_front_than_random_search() -> None:
    def scores(point: Point) -> tuple[float, float]:
        return hill(point), WIDTH.to_unit(point["width"])

    def covered(name: str, seed: int) -> float:
        made = sampler(name, SPACE, seed=seed, directions=("max", "min"))
        known: list[KnownPoint] = []
        for number in range(1, 61):
            point = made.propose(number, known)
            assert point is not None
            known.append(KnownPoint(point, "completed", scores(point)))
        # The area that the points beat, between scores of -1 and 0 and widths of 0 and 1.
        area, best = 0.0, -1.0
        ordered = sorted((each.values for each in known if each.values), key=lambda values: values[1])
        for score, width in ordered:
            area += max(score - best, 0) * (1 - width)
            best = max(best, score)
        return area

    seeds = range(20)
    assert fmean(covered("tpe", seed) for seed in seeds) > fmean(covered("random", seed) for seed in seeds) + 0.02
