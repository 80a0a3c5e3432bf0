"""What holds for every sampler that draws points: pure proposals, no point twice, an end of finite spaces."""

from collections.abc import Sequence

from dlrun.search.samplers.sampler import DrawingSampler, KnownPoint
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
