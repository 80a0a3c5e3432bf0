"""Grid search: every point of a finite space in turn."""

from __future__ import annotations

from collections.abc import Sequence

from dlrun.search.samplers.sampler import KnownPoint
from dlrun.spec.search.space import Point, Space, point_key


class GridSampler:
    """Propose the points in their order; the last key of the space changes fastest.

    Args:
        space: A space with a limited number of points.
    """

    def __init__(self, space: Space) -> None:
        self.space = space

    def propose(self, number: int, known: Sequence[KnownPoint]) -> Point | None:  # noqa: ARG002  of every sampler
        """Return the first point that is not known; see `Sampler.propose`."""
        seen = {point_key(each.point) for each in known}
        return next((point for point in self.space.points() if point_key(point) not in seen), None)
