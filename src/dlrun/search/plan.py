"""Plan a search: read its config, decide what it optimizes, and check that an earlier search goes on with it."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from dlrun.batching.backends.backend import LOCAL, Placement
from dlrun.errors import UsageError
from dlrun.metrics.metric import directions_of, without_split
from dlrun.runs import RUNS_DIR
from dlrun.search.halving import Ladder, rung_epochs
from dlrun.search.outcome import Objective
from dlrun.spec.checks.check import best_metric, monitored_metric
from dlrun.spec.checks.search.own_point import own_point
from dlrun.spec.identity import identify
from dlrun.spec.parse import MAX_SEED, SpecFile, read_spec
from dlrun.spec.search.section import COSTS, SearchSection
from dlrun.spec.search.space import Point, Space
from dlrun.spec.types import Spec
from dlrun.spec.validate import cut, shown

_MOST_DIFFERENCES = 5


@dataclass(frozen=True)
class SearchPlan:
    """What a search is about, and its limits.

    Args:
        name: Its name.
        config: The path of the config.
        overrides: `key=value` pairs for all trials.
        base: The spec that the points change, without the section `search`.
        space: The points.
        objectives: What it optimizes; the first one decides who is promoted.
        ladder: The rungs; None to train every trial to its end.
        seeds: The seeds of the runs of each trial.
        runs_dir: The folder for runs.
        trials: The largest number of trials; None for no limit.
        first: The point to try first; None to leave that to the sampler.
        trains_first: Whether that point is trained to its end whatever its score, as what others have to beat.
        trust_plugins: Whether to load the plugins in the folders of runs made elsewhere.
    """

    name: str
    config: Path
    overrides: tuple[str, ...]
    base: SpecFile
    space: Space
    objectives: tuple[Objective, ...]
    ladder: Ladder | None
    seeds: tuple[int, ...]
    runs_dir: Path
    trials: int | None
    first: Point | None = None
    trains_first: bool = False
    trust_plugins: bool = False


@dataclass(frozen=True)
class SearchOptions:
    """What the command line asks for.

    Args:
        config: The path of the YAML file.
        overrides: `key=value` pairs for all trials.
        name: The name of the search; empty for that of the spec.
        runs_dir: The folder for runs.
        jobs: How many runs train at a time; None for what suits the machine.
        retries: How often to try a failed trial again, also one of an earlier command.
        trains_first: Whether to train the config's own values to their end, whatever their score.
        trust_plugins: Whether to load the plugins in the folder of a run made elsewhere, if the config is there.
        command: The command line, which continues the search.
        placement: Where the trials are trained.
    """

    config: Path
    overrides: tuple[str, ...] = ()
    name: str = ""
    runs_dir: Path = RUNS_DIR
    jobs: int | None = None
    retries: int = 0
    trains_first: bool = False
    trust_plugins: bool = False
    command: tuple[str, ...] = ()
    placement: Placement = LOCAL


def plan_search(wanted: SearchOptions) -> tuple[SearchPlan, SearchSection]:
    """Read the config of a search and decide what follows from it.

    Args:
        wanted: What the command line asks for.

    Returns:
        The plan, and the section `search` of the config.

    Raises:
        SpecError: The config is wrong.
        DataError: Its data is missing.
        UsageError: It has no section `search`, or one that cannot be searched.
    """
    file = read_spec(wanted.config, wanted.overrides, trust_plugins=wanted.trust_plugins)
    section, spec = file.spec.search, file.spec
    if section is None:
        raise UsageError(
            f"{wanted.config} has no section search",
            expected="search: {space: {optimizer.learning_rate: {low: 1e-4, high: 1e-1, log: true}}}",
            hint="docs/search.md describes the section; dlrun train trains the config as it is",
        )
    if spec.folds is not None or spec.dataset.fold is not None:
        what = f"{wanted.config} has folds and a search, which scores each trial on one validation split"
        raise UsageError(what, expected="only one of them", hint="--set folds=null searches without folds")
    keys, objectives = section.keys, find_objectives(spec, section)
    last = spec.seed + keys.seeds - 1
    if last > MAX_SEED:
        raise UsageError(
            f"seed is {spec.seed}, and the last seed of a trial would be {last}", expected=f"<= {MAX_SEED}"
        )
    base = replace(file, spec=replace(spec, search=None))
    plan = SearchPlan(
        name=wanted.name or spec.name,
        config=wanted.config,
        overrides=(*_without_search(wanted.overrides), *_monitor_override(spec, objectives)),
        base=base,
        space=section.space,
        objectives=objectives,
        ladder=_ladder(spec, section, objectives[0]),
        seeds=tuple(range(spec.seed, last + 1)),
        runs_dir=wanted.runs_dir,
        trials=keys.trials,
        # A grid and an evenly spread sequence have an order of their own.
        first=None if keys.sampler in ("grid", "qmc") else own_point(spec, file.document),
        trains_first=wanted.trains_first,
        trust_plugins=wanted.trust_plugins,
    )
    return plan, section


def find_objectives(spec: Spec, section: SearchSection) -> tuple[Objective, ...]:
    """Return what a search optimizes, each with its direction.

    Args:
        spec: The spec.
        section: Its section `search`.
    """
    names = section.keys.metrics or (monitored_metric(spec, best_metric(spec.training), has_validation=True),)
    directions = directions_of(spec.metrics)
    return tuple(
        Objective(name, larger_is_better=name not in COSTS and directions.get(without_split(name)) == "max")
        for name in names
    )


def head_of(plan: SearchPlan, section: SearchSection) -> dict[str, Any]:
    """Return what the first entry of the ledger says: everything that all trials have in common.

    Args:
        plan: The plan.
        section: The section `search` of its config.
    """
    spec, keys, dataset = plan.base.spec.plain(), section.keys, plan.base.spec.dataset
    places = {key: getattr(dataset, key) for key in dataset.place_keys}
    spec.pop("tracking", None)  # it changes nothing about the trials
    for key in places:  # the data may have moved; its content is compared by itself
        spec["dataset"].pop(key, None)
    return {
        "name": plan.name,
        "objectives": [{"name": each.name, "larger_is_better": each.larger_is_better} for each in plan.objectives],
        "space": plan.space.signature(),
        "sampler": keys.sampler,
        "seed": keys.seed,
        "seeds": keys.seeds,
        "rungs": list(plan.ladder.epochs) if plan.ladder else None,
        "factor": plan.ladder.factor if plan.ladder else None,
        "epochs": plan.base.spec.training.epochs,
        "spec": spec,
        "overrides": list(plan.overrides),
        "places": {key: os.path.abspath(place) for key, place in places.items() if isinstance(place, str)},  # noqa: PTH100
        "code": identify(plan.base).code,
    }


def check_same_search(head: Mapping[str, Any], now: Mapping[str, Any]) -> str:
    """Check that an earlier search goes on with this config.

    Args:
        head: The first entry of its ledger.
        now: What `head_of` returns for the config.

    Returns:
        What has changed and is only worth a warning; empty if nothing has.

    Raises:
        UsageError: The space, the spec or how to search has changed; the message names each key.
    """
    compared = ("objectives", "space", "sampler", "seed", "seeds", "rungs", "factor", "spec")
    changed = [line for key in compared for line in _differences(key, head.get(key), now[key])]
    if changed:
        shown = "; ".join(changed[:_MOST_DIFFERENCES]) + ("; ..." if len(changed) > _MOST_DIFFERENCES else "")
        raise UsageError(
            f"the search {head['name']} has begun with other keys: {shown}",
            expected="the same search; only trials, minutes and keep_checkpoints may change",
            hint="--name starts another search; dlrun search rm removes this one",
        )
    if head.get("code") != now["code"]:
        return "dlrun, a library or a plugin has changed since the search began: later trials may differ"
    return ""


def _without_search(overrides: tuple[str, ...]) -> tuple[str, ...]:
    """Return the overrides that are not for the section `search`, which a trial does not have."""
    return tuple(each for each in overrides if each.partition("=")[0].strip().partition(".")[0] != "search")


def _ladder(spec: Spec, section: SearchSection, objective: Objective) -> Ladder | None:
    halving, epochs = section.keys.halving, spec.training.epochs
    if halving is None or epochs is None:
        return None
    rungs = rung_epochs(halving.min_epochs, halving.factor, epochs=epochs)
    return Ladder(rungs, halving.factor, objective.larger_is_better)


def _monitor_override(spec: Spec, objectives: tuple[Objective, ...]) -> tuple[str, ...]:
    """Let trials choose their best epoch by the metric of the search, unless the config says by which."""
    rule, name = spec.training.early_stopping, objectives[0].name
    is_free = spec.training.monitor == "auto" and (rule is None or rule.metric == "auto")
    is_default = name == monitored_metric(spec, "auto", has_validation=True)
    return (f"training.monitor={name}",) if is_free and not is_default and name not in COSTS else ()


def _differences(where: str, before: Any, after: Any) -> Iterator[str]:
    """Yield a line for each value that differs between two plain JSON values."""
    if isinstance(before, Mapping) and isinstance(after, Mapping):
        for key in dict.fromkeys((*before, *after)):
            yield from _differences(f"{where}.{key}", before.get(key), after.get(key))
    elif _are_alike(before, after):
        for index, (old, new) in enumerate(zip(before, after, strict=True)):
            name = old.get("name", index) if isinstance(old, Mapping) else index
            yield from _differences(f"{where}.{name}", old, new)
    elif json.loads(json.dumps(after)) != before:
        key = where.removeprefix("spec.")
        yield f"{key} was {cut(shown(before))}, and is {cut(shown(after))}"


def _are_alike(before: Any, after: Any) -> bool:
    """Return whether two values are lists of as many groups of keys, which can be compared one by one."""
    if not isinstance(before, list) or not isinstance(after, list | tuple) or len(before) != len(after):
        return False
    return any(isinstance(value, Mapping) for value in before)
