"""What holds for every sampler that draws points: pure proposals, no point twice, an end of finite spaces."""

import math
from collections.abc import Sequence

from dlrun.search.samplers.sampler import DrawingSampler, KnownPoint, PointState, rank_points
from dlrun.search.samplers.uniform import RandomSampler
from dlrun.spec.search.space import Categorical, Number, Option, Point, Space, point_key

WIDTH = Number("width", "width", 1, 6, is_integer=True)
KIND = Categorical("kind", "kind", (Option("a", "a", (WIDTH,)), Option("b", "b")))
SMALL = Space((KIND,))


class Stubborn(DrawingSampler):
    """Draw the same point again and again."""

    def draw(self, number: int, attempt: int, known: Sequence[KnownPoint]) -> Point:  # noqa: ARG002
        return {"kind": 1}


def test_every_point_of_a_finite_space_is_proposed_once_and_then_none() -> None:
    for sampler in (RandomSampler(SMALL, seed=0), Stubborn(SMALL, seed=0)):
        known: list[KnownPoint] = []
        while (point := sampler.propose(len(known) + 1, known)) is not None:
            known.append(KnownPoint(point, "rejected"))
        assert len({point_key(each.point) for each in known}) == len(known) == SMALL.size == 7


def test_an_infinite_space_with_few_points_in_one_of_its_parts_never_ends() -> None:
    space = Space((Categorical("k", "k", (Option("a", "a", (Number("x", "x", 0.0, 1.0),)), Option("b", "b"))),))
    sampler, known = RandomSampler(space, seed=3), list[KnownPoint]()
    for number in range(1, 60):
        point = sampler.propose(number, known)
        assert point is not None
        known.append(KnownPoint(point, "running"))
    assert sum(each.point == {"k": 1} for each in known) == 1


def test_random_points_depend_on_seed_and_number_alone() -> None:
    space = Space((Number("x", "x", 0.0, 1.0), KIND))
    first = [RandomSampler(space, seed=0).propose(number, []) for number in range(20)]
    again = [RandomSampler(space, seed=0).propose(number, []) for number in reversed(range(20))][::-1]
    other = [RandomSampler(space, seed=1).propose(number, []) for number in range(20)]
    assert first == again
    assert not [point for point in first if point in other]
    assert len({point_key(point) for point in first if point}) == 20


def known_point(state: PointState, *values: float, epochs: int = 0) -> KnownPoint:
    return KnownPoint({}, state, values or None, epochs)


def test_points_are_ranked_by_how_far_they_came_and_then_by_their_score() -> None:
    points = [
        known_point("failed", 9.0),
        known_point("paused", 0.9, epochs=2),
        known_point("completed", 0.5),
        known_point("completed", math.nan),
        known_point("rejected"),
        known_point("paused", 0.1, epochs=6),
        known_point("completed", 0.7),
    ]
    assert rank_points(points, ("max",)) == [5, 4, 1, 2, 6, 3, 0]
    assert rank_points(points[2:4] + points[6:], ("min",)) == [0, 2, 1]


def test_points_that_no_other_beats_come_first_and_their_ends_before_their_middle() -> None:
    values = [(0.9, 9.0), (0.5, 1.0), (0.7, 4.0), (0.71, 4.4), (0.5, 9.0), (0.4, 10.0)]
    points = [known_point("completed", *each) for each in values]
    ranks = rank_points(points, ("max", "min"))
    assert {ranks[0], ranks[1]} == {0, 1}
    assert {ranks[2], ranks[3]} == {2, 3}
    assert ranks[4:] == [4, 5]
    assert rank_points([], ("max",)) == []
