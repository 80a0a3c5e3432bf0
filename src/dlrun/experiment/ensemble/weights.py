"""Choose the weights of the members of an ensemble on validation data: greedy selection with replacement."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]

ROUNDS = 100
"""The number of times that a candidate is added."""

_ROUNDING = 1e-9


@dataclass(frozen=True)
class GreedySelection:
    """The result of a greedy selection.

    Args:
        counts: How often each candidate was added.
        loss: The loss of the weighted mean.
        equal: The loss of the mean with equal weights.
        single: The smallest loss of a single candidate.
    """

    counts: tuple[int, ...]
    loss: float
    equal: float
    single: float

    @property
    def weights(self) -> tuple[float, ...]:
        """The weight of each candidate; they add up to 1."""
        return tuple(count / sum(self.counts) for count in self.counts)


def select_greedily(
    predictions: Sequence[Array], loss: Callable[[Array], float], *, rounds: int = ROUNDS
) -> GreedySelection:
    """Add the candidate that lowers the loss of the mean the most, again and again; each may be added several times.

    The result is the best of all rounds, and the earliest of equal ones. Ties between candidates go to the first.

    Args:
        predictions: The predictions of each candidate for the same examples.
        loss: A function from predictions to their loss.
        rounds: The number of rounds.

    Formula:
        i_t = argmin over i of loss((p_1 + ... + p_(t-1) + p_i) / t), where p_s are the predictions added in round s

    Reference:
        Caruana, Niculescu-Mizil, Crew and Ksikes, 2004, "Ensemble GreedySelection from Libraries of Models".

    Shape:
        predictions: `(examples, size)` each.
    """
    total = np.zeros(predictions[0].shape, np.float64)
    added: list[int] = []
    losses: list[float] = []
    for turn in range(1, rounds + 1):
        tried = [loss((total + each) / turn) for each in predictions]
        added.append(int(np.argmin(tried)))
        losses.append(tried[added[-1]])
        total += predictions[added[-1]]
    # Rounding makes equal losses differ in the last digits, and fewer rounds give simpler weights.
    best = int(np.flatnonzero(np.array(losses) <= min(losses) * (1 + _ROUNDING))[0]) + 1
    counts = np.bincount(added[:best], minlength=len(predictions))
    equal = loss(np.mean([each.astype(np.float64) for each in predictions], axis=0))
    single = min(loss(each.astype(np.float64)) for each in predictions)
    return GreedySelection(tuple(counts.tolist()), losses[best - 1], equal, single)
