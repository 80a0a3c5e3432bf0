"""The tree-structured Parzen estimator of Optuna, asked anew for each point.

Optuna only proposes. Its study is rebuilt from the known points for each proposal, which takes 30 ms for 300 of them,
so that nothing of it has to be stored, and a search that was killed proposes the same point again.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np

from dlrun.metrics.metric import Direction
from dlrun.search.samplers.qmc import QMCSampler
from dlrun.search.samplers.sampler import DrawingSampler, KnownPoint
from dlrun.spec.search.space import Number, Parameter, Point, Space

if TYPE_CHECKING:
    import optuna

_STARTUP = 10
"""Number of finished points before the estimator has enough to go by."""
_STREAM = 3


class TPESampler(DrawingSampler):
    """Draw points where good ones are dense and bad ones are not, all parameters of a point together.

    The first points are those of a scrambled Halton sequence, which fill the space evenly.

    Args:
        space: Space of the points.
        direction: Direction of the objective.
        seed: Seed of the search.

    Reference:
        Bergstra et al., Algorithms for Hyper-Parameter Optimization, 2011, NeurIPS 24.
        Falkner et al., BOHB, 2018, arXiv:1807.01774, for the joint densities.
    """

    def __init__(self, space: Space, *, direction: Direction, seed: int) -> None:
        super().__init__(space, seed=seed)
        self.direction = direction
        self._first = QMCSampler(space, seed=seed)

    def draw(self, number: int, attempt: int, known: Sequence[KnownPoint]) -> Point:
        """Draw a point; see `DrawingSampler.draw`."""
        if sum(each.state != "running" for each in known) < _STARTUP:
            return self._first.draw(number, attempt, known)
        seed = int(np.random.SeedSequence([self.seed, number, attempt, _STREAM]).generate_state(1)[0])
        with _quiet_optuna():
            return self._ask(seed, known)

    def _ask(self, seed: int, known: Sequence[KnownPoint]) -> Point:
        import optuna

        sampler = optuna.samplers.TPESampler(
            n_startup_trials=0, multivariate=True, group=True, constant_liar=True, seed=seed
        )
        direction = "maximize" if self.direction == "max" else "minimize"
        study = optuna.create_study(direction=direction, sampler=sampler)
        study.add_trials([self._trial(each) for each in known])
        asked = study.ask()
        return self.space.fill(lambda parameter: _suggest(asked, parameter))

    def _trial(self, known: KnownPoint) -> optuna.trial.FrozenTrial:
        """Return a point as Optuna knows it. A failed or rejected one is pruned without a value, the worst there is."""
        import optuna

        active = self.space.active(known.point)
        state, given = optuna.trial.TrialState.PRUNED, dict[str, Any]()
        if known.state == "running":
            state = optuna.trial.TrialState.RUNNING
        elif known.values is not None and known.state == "completed":
            state, given = optuna.trial.TrialState.COMPLETE, {"value": known.values[0]}
        elif known.values is not None and known.state == "paused":
            given = {"intermediate_values": {known.epochs: known.values[0]}}
        return optuna.trial.create_trial(
            state=state,
            params={each.name: known.point[each.name] for each in active},
            distributions={each.name: _distribution(each) for each in active},
            **given,
        )


def _distribution(parameter: Parameter) -> optuna.distributions.BaseDistribution:
    from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

    if not isinstance(parameter, Number):
        return CategoricalDistribution(range(len(parameter.options)))
    if parameter.is_integer:
        low, high, step = int(parameter.low), int(parameter.high), int(parameter.step or 1)
        return IntDistribution(low, high, log=parameter.log, step=step)
    return FloatDistribution(parameter.low, parameter.high, log=parameter.log, step=parameter.step)


def _suggest(asked: optuna.trial.Trial, parameter: Parameter) -> float | int:
    if not isinstance(parameter, Number):
        return int(asked.suggest_categorical(parameter.name, range(len(parameter.options))))
    if parameter.is_integer:
        low, high, step = int(parameter.low), int(parameter.high), int(parameter.step or 1)
        return int(asked.suggest_int(parameter.name, low, high, log=parameter.log, step=step))
    # Rounded: without the digits that only make a table hard to read.
    return parameter.rounded(
        asked.suggest_float(parameter.name, parameter.low, parameter.high, log=parameter.log, step=parameter.step)
    )


@contextmanager
def _quiet_optuna() -> Iterator[None]:
    """Keep Optuna from announcing each study, and from warning that some of its options may change."""
    import optuna

    before = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            yield
    finally:
        optuna.logging.set_verbosity(before)
