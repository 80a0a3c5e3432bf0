"""Describe a search in one line."""

from __future__ import annotations

from dlrun.spec.checks.search.fit import objectives_of
from dlrun.spec.search.section import SearchSection
from dlrun.spec.types import Spec


def most_trials(section: SearchSection) -> int | None:
    """Return the largest number of trials of a search; None if only its minutes limit it."""
    limits = [limit for limit in (section.keys.trials, section.space.size) if limit is not None]
    return min(limits, default=None)


def describe_search(spec: Spec) -> str:
    """Return text such as `search of 50 trials (tpe) for the best val_accuracy, over model.units, model.dropout`.

    Args:
        spec: A spec with the section `search`.
    """
    if (section := spec.search) is None:
        return ""
    keys, size, trials = section.keys, section.space.size, most_trials(section)
    limits = [f"{trials:,} {'trials' if trials > 1 else 'trial'}"] if trials is not None else []
    limits += [f"{keys.minutes:g} minutes"] if keys.minutes is not None else []
    objectives = " and ".join(name for name, _ in objectives_of(spec))
    paths = ", ".join(dict.fromkeys(each.path for each in section.space.all_parameters))
    points = "" if size is None else f"the {size:,} points of "
    seeds = f", each with {keys.seeds} seeds" if keys.seeds > 1 else ""
    how = keys.sampler + (", halving" if keys.halving is not None else "")
    return f"search of {' and '.join(limits)} ({how}){seeds} for the best {objectives}, over {points}{paths}"
