"""Make the sampler that a search asks for."""

from __future__ import annotations

from importlib.util import find_spec

from dlrun.errors import UsageError
from dlrun.metrics.metric import Direction
from dlrun.search.samplers.cmaes import CMAESSampler
from dlrun.search.samplers.grid import GridSampler
from dlrun.search.samplers.nsga2 import NSGA2Sampler
from dlrun.search.samplers.qmc import QMCSampler
from dlrun.search.samplers.sampler import Sampler
from dlrun.search.samplers.tpe import TPESampler
from dlrun.search.samplers.uniform import RandomSampler
from dlrun.spec.search.section import SearchKeys
from dlrun.spec.search.space import Space


def make_sampler(keys: SearchKeys, space: Space, directions: tuple[Direction, ...]) -> Sampler:
    """Return the sampler of a search.

    Args:
        keys: The section `search`, which fits the space.
        space: Space of the points.
        directions: Direction of each objective.

    Raises:
        UsageError: A package that the sampler needs is not installed.
    """
    match keys.sampler:
        case "grid":
            return GridSampler(space)
        case "random":
            return RandomSampler(space, seed=keys.seed)
        case "qmc":
            return QMCSampler(space, seed=keys.seed)
        case "cmaes":
            _require("cmaes", sampler="cmaes", install="pip install cmaes")
            return CMAESSampler(space, direction=directions[0], seed=keys.seed)
        case "tpe" if len(directions) > 1:
            return NSGA2Sampler(space, directions=directions, seed=keys.seed)
        case "tpe":
            _require("optuna", sampler="tpe", install="pip install 'dlrun[search]'")
            return TPESampler(space, direction=directions[0], seed=keys.seed)


def _require(package: str, *, sampler: str, install: str) -> None:
    if find_spec(package) is None:
        what = f"the sampler {sampler} needs the package {package}, which is not installed"
        raise UsageError(what, expected=install, hint="--set search.sampler=qmc works without it")
