"""The importance of each key of a search: how much the values of the best trials differ from those of all trials.

Reference:
    Watanabe, Bansal and Hutter, PED-ANOVA: Efficiently Quantifying Hyperparameter Importance in Arbitrary Subspaces,
    2023, IJCAI, arXiv:2304.10255
"""

from __future__ import annotations

import math
import re
import warnings
from collections.abc import Iterator, Mapping, Sequence
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from dlrun.search.outcome import SearchOutcome
from dlrun.search.trials import TrialState

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution

FEWEST_TRIALS = 10
"""With fewer trials, the best ones are a matter of chance."""
_BEST_SHARE, _FEWEST_BEST = 0.1, 5
"""The share of trials that are the best ones, and their least number, which the authors advise."""
_LEAST_KEYS = 2
_OPTION_ABOVE = re.compile(r"\[\d+\]")


def key_importances(outcome: SearchOutcome) -> dict[str, float]:
    """Return the importance of each key that exists in every trial, for the first objective.

    With halving, the scores of the first rung count, because all trials have one; few trials, the best ones, are
    trained to the end. Failed trials are the worst ones.

    Args:
        outcome: The search.

    Returns:
        The importances by key, which add up to 1; empty if `missing_importances` says why there are none.
    """
    axes = _searched(outcome)
    scored = _scored(outcome)
    if _obstacle(axes, len(scored)):
        return {}
    from optuna import create_study, create_trial, logging
    from optuna.importance import PedAnovaImportanceEvaluator, get_param_importances

    distributions = {each["name"]: _distribution(each) for each in axes}
    before = logging.get_verbosity()
    logging.set_verbosity(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the evaluator is marked as experimental
            study = create_study(direction="minimize")
            for trial, badness in _ranked(outcome, scored):
                point = {name: _inside(trial.point[name], each) for name, each in distributions.items()}
                study.add_trial(create_trial(params=point, distributions=distributions, value=badness))
            share = min(0.5, max(_BEST_SHARE, _FEWEST_BEST / len(study.trials)))
            found = get_param_importances(study, evaluator=PedAnovaImportanceEvaluator(target_quantile=share))
    finally:
        logging.set_verbosity(before)
    known = {name: float(value) for name, value in found.items() if math.isfinite(value)}
    # If the best trials are like all others, no key matters, and there is nothing to divide.
    return known if len(known) == len(axes) and sum(known.values()) > 0 else {}


def key_path(name: str) -> str:
    """Return the key of the spec of a parameter: `model.depth` for `model[0].depth`."""
    return _OPTION_ABOVE.sub("", name)


def importance_basis(outcome: SearchOutcome) -> str:
    """Return from what the importances were computed, in one sentence or two."""
    count = len(_scored(outcome))
    text = f"PED-ANOVA of {count} trials: how much the values of the best of them differ from those of all. "
    if outcome.ladder is not None:
        text += f"It compares scores after {outcome.ladder.epochs[0]} epochs, which all of these trials have. "
    return text + "A correlation, not a cause, and rough with few trials."


def missing_importances(outcome: SearchOutcome) -> Iterator[str]:
    """Yield why there are no importances, or which keys have none, one sentence each."""
    axes = _searched(outcome)
    reason = _obstacle(axes, len(_scored(outcome)))
    if reason:
        yield reason
    elif not outcome.importances:
        yield "No importance of keys: the best trials do not differ from the others in any key."
    conditional = list(dict.fromkeys(_conditional(outcome.space)))
    if conditional and not reason:
        names = ", ".join(conditional)
        one = len(conditional) == 1
        yield (
            f"No importance of {names}: {'it exists' if one else 'they exist'} only in trials with certain options of "
            "another key, so it cannot be compared with keys that every trial has."
        )


def _obstacle(axes: Sequence[Mapping[str, Any]], scored: int) -> str:
    """Return why importances cannot be computed; empty if they can."""
    if scored < FEWEST_TRIALS:
        return f"No importance of keys: {scored} trials have a score, and it needs {FEWEST_TRIALS}."
    if len(axes) < _LEAST_KEYS:
        existing = "only one key is" if axes else "no key is"
        return f"No importance of keys: {existing} part of every trial, so there is nothing to compare it with."
    if find_spec("optuna") is None:
        return "No importance of keys: it needs Optuna, which is not installed (pip install 'dlrun[search]')."
    return ""


def _searched(outcome: SearchOutcome) -> list[Mapping[str, Any]]:
    """Return the keys that every trial has, and that have more than one value."""
    return [each for each in outcome.space if "options" not in each or len(each["options"]) > 1]


def _conditional(space: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    for each in space:
        for option in each.get("options", ()):
            for below in option.get("parameters", ()):
                yield key_path(below["name"])
                yield from _conditional([below])


def _scored(outcome: SearchOutcome) -> list[tuple[TrialState, float]]:
    """Return the trials with a score that is comparable, with how bad it is."""
    first = outcome.objectives[0]
    found = []
    for trial in outcome.trials:
        score = _comparable_score(trial, outcome)
        if score is not None and math.isfinite(score):
            found.append((trial, first.badness(score)))
    return found


def _comparable_score(trial: TrialState, outcome: SearchOutcome) -> float | None:
    if outcome.ladder is not None and trial.rungs and trial.rungs[0].epochs == outcome.ladder.epochs[0]:
        return trial.rungs[0].score
    return trial.scores[0] if trial.stage == "completed" and trial.scores else None


def _ranked(outcome: SearchOutcome, scored: Sequence[tuple[TrialState, float]]) -> Iterator[tuple[TrialState, float]]:
    yield from scored
    worst = max(badness for _, badness in scored)
    known = {trial.number for trial, _ in scored}
    # Only the order of scores matters, so any larger number makes failed trials the worst.
    larger = worst + max(1.0, abs(worst))
    yield from ((each, larger) for each in outcome.trials if each.stage == "failed" and each.number not in known)


def _distribution(parameter: Mapping[str, Any]) -> BaseDistribution:
    from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

    if "options" in parameter:
        return CategoricalDistribution(range(len(parameter["options"])))
    low, high, log, step = (parameter.get(name) for name in ("low", "high", "log", "step"))
    if parameter.get("integer"):
        return IntDistribution(int(low or 0), int(high or 0), log=bool(log), step=int(step or 1))
    return FloatDistribution(float(low or 0), float(high or 0), log=bool(log), step=step or None)


def _inside(value: float, distribution: BaseDistribution) -> float:
    """Return a value without the rounding errors with which Optuna would refuse it."""
    low, high = getattr(distribution, "low", None), getattr(distribution, "high", None)
    return value if low is None or high is None else min(max(value, low), high)
