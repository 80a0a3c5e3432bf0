"""The runs of trials: make them from a point, read what they have reached, and drop what is no longer needed."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

from dlrun.batching.grid import Combination
from dlrun.batching.plan import Planned
from dlrun.errors import DlrunError
from dlrun.search.checkpoints import CheckpointKeeper
from dlrun.search.measure import MeasuredRun, measure
from dlrun.search.plan import SearchPlan
from dlrun.search.trials import Trials
from dlrun.spec.identity import identify, identify_fold
from dlrun.spec.parse import read_spec
from dlrun.spec.search.space import Point, overrides_of, shown_values


class TrialRuns:
    """Everything about a search that needs specs and run folders.

    Args:
        plan: What the search is about.
        keeper: Removes the checkpoints of trials that have lost.
    """

    def __init__(self, plan: SearchPlan, keeper: CheckpointKeeper) -> None:
        self.plan = plan
        self._keeper = keeper
        self._identity = identify(plan.base)

    def planned(self, number: int, point: Point) -> list[Planned]:
        """Return the runs of a trial, one for each seed.

        Raises:
            SpecError: The point is not valid together with the rest of the spec.
        """
        plan, values = self.plan, shown_values(self.plan.space, point)
        overrides = (*plan.overrides, *overrides_of(plan.space, point), "search=null")
        found = []
        for index, seed in enumerate(plan.seeds):
            own = (*overrides, f"seed={seed}")
            file = read_spec(plan.config, own, trust_plugins=plan.trust_plugins)
            is_alike = file.spec.dataset.places() == plan.base.spec.dataset.places()
            identity = identify_fold(file.spec, self._identity) if is_alike else identify(file)
            pairs = (*values, ("seed", str(seed))) if len(plan.seeds) > 1 else values
            of_all = (number - 1) * len(plan.seeds) + index + 1
            combination = Combination(plan.config, own, pairs)
            found.append(Planned(of_all, combination, file.spec, identity, label=f"trial {number}"))
        return found

    def measure(self, path: Path) -> MeasuredRun:
        """Return what a run has reached.

        Raises:
            RunError: Its record or its metrics are damaged.
        """
        return measure(path, self.plan.objectives)

    def complete(self, run: str) -> MeasuredRun | None:
        """Return what a run has reached that has ended by itself, such as by early stopping; None for any other."""
        try:
            found = self.measure(self.plan.runs_dir / run)
        except DlrunError:  # it was removed, and is trained again
            return None
        return found if found.is_complete else None

    def drop_losers(self, trials: Trials, out_of_reach: Collection[int]) -> None:
        """Remove checkpoints that are no longer needed; see `CheckpointKeeper`."""
        self._keeper.drop_losers(trials, out_of_reach)
