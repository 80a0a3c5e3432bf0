"""What a search has found, from its ledger: its trials, the winner or the Pareto front, and what it cost."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from dlrun.runs.directions import Direction
from dlrun.search.halving import Ladder
from dlrun.search.trials import Rung, Trials, TrialState
from dlrun.system.spreadsheet import csv_text


@dataclass(frozen=True)
class Objective:
    """What a search optimizes.

    Args:
        name: The name of a validation score, such as `val_accuracy`, or of a cost: `parameters`,
            `seconds_per_example`, `size_bytes`.
        larger_is_better: Its direction.
    """

    name: str
    larger_is_better: bool

    @property
    def direction(self) -> Direction:
        """Its direction, as samplers take it."""
        return "max" if self.larger_is_better else "min"

    def badness(self, value: float | None) -> float:
        """Return a number that is smaller for better values; infinity for an undefined one."""
        if value is None or math.isnan(value):
            return math.inf
        return -value if self.larger_is_better else value


@dataclass(frozen=True)
class Winner:
    """The best trial, scored once on the splits that no trial has seen.

    Args:
        trial: The number of the trial.
        run: The id of its run; with several seeds that with the best validation score.
        scores: By split the scores of the run of each seed.
        naive: By split the scores of a prediction without a model, beside those of `run`.
        baseline: How that prediction is made.
    """

    trial: int
    run: str
    scores: Mapping[str, tuple[Mapping[str, float | None], ...]]
    naive: Mapping[str, Mapping[str, float | None]]
    baseline: str


@dataclass(frozen=True)
class SearchOutcome:
    """The state of a search, finished or not.

    Args:
        name: Its name.
        folder: Its folder.
        started: When it started, in ISO 8601 with the time zone.
        objectives: What it optimizes; several have a Pareto front instead of a winner.
        space: The parameters, as plain JSON: see `Space.signature`.
        sampler: The name of the sampler.
        seeds: The number of seeds of each trial.
        wanted: The number of trials that it was given; None for as many as the minutes allow.
        minutes: The minutes that it was given; None for as many as the trials need.
        ladder: The rungs; None if every trial trains to its end.
        full_epochs: The number of epochs of a trial that trains to its end, all seeds together; None if the length is
            in steps.
        trials: All trials, in the order of their numbers.
        seconds: The time that its commands took, without pauses between them.
        is_complete: Whether it has all of its trials, or used all of its minutes.
        winner: The best trial with its scores on held-out data; None if no trial is complete, or the search is not.
        importances: How much each parameter matters for the first objective, the sum is 1; empty if unknown.
        notes: What to know about the result.
    """

    name: str
    folder: Path
    started: str
    objectives: tuple[Objective, ...]
    space: Sequence[Mapping[str, Any]]
    sampler: str
    seeds: int
    wanted: int | None
    minutes: float | None
    ladder: Ladder | None
    full_epochs: int | None
    trials: tuple[TrialState, ...]
    seconds: float
    is_complete: bool = False
    winner: Winner | None = None
    importances: Mapping[str, float] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    @property
    def ranked(self) -> tuple[TrialState, ...]:
        """The trials that count: complete ones first, the best first; then paused ones, the longest trained first."""
        first = self.objectives[0]

        def key(trial: TrialState) -> tuple[int, int, float, int]:
            order = {"completed": 0, "paused": 1, "running": 2, "failed": 3}[trial.stage]
            rung = -trial.rungs[-1].epochs if trial.stage == "paused" and trial.rungs else 0
            return order, rung, first.badness(trial.scores[0] if trial.scores else None), trial.number

        return tuple(sorted((trial for trial in self.trials if trial.counts), key=key))

    @property
    def best(self) -> TrialState | None:
        """The complete trial with the best value of the first objective; None if there is none."""
        ranked = [trial for trial in self.ranked if trial.stage == "completed" and trial.scores[0] is not None]
        return ranked[0] if ranked else None

    @property
    def front(self) -> tuple[TrialState, ...]:
        """The complete trials that no other is better than in every objective, the best of the first one first."""
        complete = [trial for trial in self.ranked if trial.stage == "completed" and None not in trial.scores]
        return tuple(trial for trial in complete if not any(self._dominates(other, trial) for other in complete))

    @property
    def trained_epochs(self) -> int:
        """The number of epochs that all trials trained, all seeds together."""
        return sum(trial.epochs for trial in self.trials)

    @property
    def saved_epochs(self) -> int:
        """The number of epochs that halving saved: what its paused trials would have trained further."""
        if self.ladder is None or self.full_epochs is None:
            return 0
        return sum(max(0, self.full_epochs - trial.epochs) for trial in self.trials if trial.stage == "paused")

    def is_close(self) -> bool | None:
        """Whether the first two trials differ by less than the spread of their seeds; None if that is unknown.

        The spread of a difference of means is the root of the sum of their squared standard errors.
        """
        complete = [trial for trial in self.ranked if trial.stage == "completed"][:2]
        deviations = [trial.deviation for trial in complete if trial.deviation is not None]
        scores = [trial.scores[0] for trial in complete if trial.scores[0] is not None]
        if len(deviations) < 2 or len(scores) < 2:
            return None
        spread = math.sqrt(sum(deviation**2 for deviation in deviations) / self.seeds)
        return abs(scores[0] - scores[1]) < spread

    def plain(self) -> dict[str, Any]:
        """Return it as plain JSON values."""
        close = self.is_close()
        return {
            "name": self.name,
            "folder": str(self.folder),
            "started": self.started,
            "complete": self.is_complete,
            "objectives": [{"name": each.name, "larger_is_better": each.larger_is_better} for each in self.objectives],
            "sampler": self.sampler,
            "seeds": self.seeds,
            "trials_wanted": self.wanted,
            "minutes": self.minutes,
            "rungs": list(self.ladder.epochs) if self.ladder else None,
            "seconds": round(self.seconds, 3),
            "trained_epochs": self.trained_epochs,
            "saved_epochs": self.saved_epochs,
            "best": self.best.number if self.best else None,
            "best_two_within_spread": close,
            "front": [trial.number for trial in self.front] if len(self.objectives) > 1 else None,
            "winner": _plain_winner(self.winner),
            "importances": dict(self.importances),
            "space": list(self.space),
            "trials": [_plain_trial(trial, self.objectives) for trial in self.trials],
            "notes": list(self.notes),
        }

    def csv(self) -> str:
        """Return CSV with one line per trial, in the order of their numbers."""
        keys = list(dict.fromkeys(key for trial in self.trials for key, _ in trial.values))
        names = [each.name for each in self.objectives]
        head = ("trial", "status", *keys, *names, "standard_deviation", "epochs", "seconds", "runs", "reason")
        rows: list[tuple[Any, ...]] = [head]
        for trial in self.trials:
            values, scores = dict(trial.values), (*trial.scores, *([None] * len(names)))[: len(names)]
            own = (values.get(key) for key in keys)
            spent = (trial.deviation, trial.epochs, round(trial.seconds, 3), " ".join(trial.runs), trial.reason)
            rows.append((trial.number, trial.stage, *own, *scores, *spent))
        return csv_text(rows)

    def _dominates(self, one: TrialState, other: TrialState) -> bool:
        pairs = [
            (objective.badness(mine), objective.badness(its))
            for objective, mine, its in zip(self.objectives, one.scores, other.scores, strict=True)
        ]
        return all(mine <= its for mine, its in pairs) and any(mine < its for mine, its in pairs)


def read_outcome(trials: Trials, folder: Path, **more: Any) -> SearchOutcome:
    """Return the outcome of a search from its ledger.

    Args:
        trials: Its trials.
        folder: Its folder.
        **more: Fields that do not follow from the ledger, such as `importances`.
    """
    head = trials.head
    objectives = tuple(Objective(each["name"], each["larger_is_better"]) for each in head["objectives"])
    session = trials.sessions[-1] if trials.sessions else {}
    rungs = head.get("rungs")
    ladder = Ladder(tuple(rungs), head["factor"], objectives[0].larger_is_better) if rungs else None
    full, found = head.get("epochs"), trials.winner
    return SearchOutcome(
        name=head["name"],
        folder=folder,
        started=head["started"],
        objectives=objectives,
        space=head["space"],
        sampler=head["sampler"],
        seeds=head["seeds"],
        wanted=session.get("trials"),
        minutes=session.get("minutes"),
        ladder=ladder,
        full_epochs=full * head["seeds"] if full else None,
        trials=tuple(trials.by_number[number] for number in sorted(trials.by_number)),
        seconds=trials.seconds,
        is_complete=trials.why_closed in ("done", "exhausted", "out of time"),
        winner=_winner(found) if found is not None else None,
        **more,
    )


def _winner(entry: Mapping[str, Any]) -> Winner:
    scores = {split: tuple(of_seeds) for split, of_seeds in entry["scores"].items()}
    return Winner(entry["trial"], entry["run"], scores, entry["naive"], entry["baseline"])


def _plain_winner(winner: Winner | None) -> dict[str, Any] | None:
    if winner is None:
        return None
    scores = {split: [dict(each) for each in of_seeds] for split, of_seeds in winner.scores.items()}
    naive = {split: dict(each) for split, each in winner.naive.items()}
    return {"trial": winner.trial, "run": winner.run, "scores": scores, "naive": naive, "baseline": winner.baseline}


def _plain_trial(trial: TrialState, objectives: Sequence[Objective]) -> dict[str, Any]:
    names = [each.name for each in objectives]
    return {
        "trial": trial.number,
        "status": trial.stage,
        "values": dict(trial.values),
        "scores": dict(zip(names, trial.scores, strict=False)),
        "per_seed": dict(zip(names, map(list, trial.results), strict=False)),
        "standard_deviation": trial.deviation,
        "rungs": [_plain_rung(rung) for rung in trial.rungs],
        "epochs": trial.epochs,
        "seconds": round(trial.seconds, 3),
        "runs": list(trial.runs),
        "reason": trial.reason,
    }


def _plain_rung(rung: Rung) -> dict[str, Any]:
    return {"epochs": rung.epochs, "score": rung.score}
