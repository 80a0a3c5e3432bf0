"""Asynchronous successive halving: train many trials a little, and promote the best of them to train on.

Reference:
    Li, Jamieson, Rostamizadeh, Gonina, Ben-tzur, Hardt, Recht and Talwalkar (2020), "A System for Massively Parallel
    Hyperparameter Tuning", MLSys, algorithm 2. https://arxiv.org/abs/1810.05934
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

Scores = Mapping[int, float | None]
"""Scores by trial number; None for one that is undefined."""


@dataclass(frozen=True)
class Ladder:
    """The rungs of a search, and the rule by which trials climb them.

    Args:
        epochs: For each rung the number of epochs after which a trial reaches it; the last is the full length.
        factor: One of so many trials on a rung is promoted to the next.
        larger_is_better: The direction of the score.
    """

    epochs: tuple[int, ...]
    factor: int
    larger_is_better: bool

    def next_promotion(self, rungs: Sequence[Scores], promoted: Sequence[frozenset[int]]) -> tuple[int, int] | None:
        """Return the trial to promote now, and the rung that it has reached.

        Args:
            rungs: For each rung below the last the scores of all trials that have reached it. A trial that ended by
                itself counts on every rung with its final score.
            promoted: For each of these rungs the trials that left it: promoted, or ended.

        Returns:
            The trial's number and its rung, the highest rung first; None if no trial is among the best of its rung.
        """
        for rung in reversed(range(len(rungs))):
            best = self.ranking(rungs[rung])[: len(rungs[rung]) // self.factor]
            for trial in best:
                if trial not in promoted[rung]:
                    return trial, rung
        return None

    def last_promotion(self, rungs: Sequence[Scores], promoted: Sequence[frozenset[int]]) -> tuple[int, int] | None:
        """Return the best trial of the highest rung that has any, for a search whose rungs are too thin to promote one.

        Args:
            rungs: As for `next_promotion`.
            promoted: As for `next_promotion`.
        """
        for rung in reversed(range(len(rungs))):
            for trial in self.ranking(rungs[rung]):
                if trial not in promoted[rung]:
                    return trial, rung
        return None

    def out_of_reach(self, rungs: Sequence[Scores], promoted: Sequence[frozenset[int]], *, more: int) -> frozenset[int]:
        """Return the paused trials that can never be promoted, however the trials to come turn out.

        A rung with n trials promotes n // factor of them. Later trials only push the others down, so a trial whose rank
        is above (n + more) // factor stays where it is.

        Args:
            rungs: As for `next_promotion`.
            promoted: As for `next_promotion`.
            more: The number of trials that may still reach a rung.
        """
        found: set[int] = set()
        for scores, gone in zip(rungs, promoted, strict=True):
            # At least one: if no rung is full enough, the best of the highest one is promoted at the end.
            most = max(1, (len(scores) + more) // self.factor)
            found.update(trial for trial in self.ranking(scores)[most:] if trial not in gone)
        return frozenset(found)

    def ranking(self, scores: Scores) -> list[int]:
        """Return trials, the best first; equal scores in the order of their numbers, undefined ones last."""
        return sorted(scores, key=lambda trial: (_badness(scores[trial], larger=self.larger_is_better), trial))


def rung_epochs(min_epochs: int, factor: int, *, epochs: int) -> tuple[int, ...]:
    """Return the epochs of the rungs: min_epochs, factor times as many, and so on, and last the full length.

    Args:
        min_epochs: The epochs of the first rung.
        factor: The ratio between rungs.
        epochs: The full length.
    """
    found = []
    while min_epochs < epochs:
        found.append(min_epochs)
        min_epochs *= factor
    return (*found, epochs)


def _badness(score: float | None, *, larger: bool) -> float:
    if score is None or math.isnan(score):
        return math.inf
    return -score if larger else score
