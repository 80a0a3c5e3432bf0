"""Read, check and identify all combinations of a batch before any run starts, and report all problems at once."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from dlrun.batching.grid import Combination
from dlrun.errors import Problem, SpecError, UsageError
from dlrun.metrics.metric import SPLIT_PREFIXES, directions_of, without_split
from dlrun.names import nearest
from dlrun.runs.directions import find_direction, parse_signed
from dlrun.runs.record import IdentityRecord
from dlrun.spec.identity import identify, identify_apart_from_fold, identify_apart_from_seed, identify_fold
from dlrun.spec.parse import SpecFile, read_spec
from dlrun.spec.types import Spec
from dlrun.yaml_tree.document import Place


@dataclass(frozen=True)
class Planned:
    """One run of a batch, whose spec is valid.

    Args:
        number: Its number, from 1, in the order of the command line.
        combination: What the command line specifies.
        spec: The resulting spec.
        identity: The identity that its run is recognized by.
        model: A digest that it shares with the runs that differ only in their seed; if it has a fold, with those that
            differ only in their fold.
        label: The name in the spec; if configs in several folders have the same name, the end of the config's path.
        is_fold: Whether it is one of the folds that the section `folds` of its config asks for.
    """

    number: int
    combination: Combination
    spec: Spec
    identity: IdentityRecord
    model: str = ""
    label: str = ""
    is_fold: bool = False


def plan_batch(combinations: Sequence[Combination], *, trust_plugins: bool = False) -> tuple[Planned, ...]:
    """Read every combination.

    Args:
        combinations: What the command line specifies.
        trust_plugins: Whether to load the plugins in the folders of runs made elsewhere, if configs are there.

    Raises:
        SpecError: Some specs are not valid; the error lists every problem once.
        UsageError: Two combinations are the same run.
    """
    planned: list[Planned] = []
    # Not a list: a mistake in a config is found again in each of its combinations.
    problems: dict[Problem, None] = {}
    for combination in combinations:
        try:
            file = read_spec(combination.config, combination.overrides, trust_plugins=trust_plugins)
        except SpecError as error:
            problems |= dict.fromkeys(error.problems)
            continue
        device = file.spec.training.device
        if device.startswith("gpu:"):
            place = file.document.place_of(("training", "device"))
            problems[_numbered_gpus(device, place)] = None
        planned.extend(_planned_runs(file, combination, first=len(planned) + 1))
    if problems:
        raise SpecError(list(problems))
    planned = _with_distinct_labels(planned)
    _check_distinct(planned)
    return tuple(planned)


def _planned_runs(file: SpecFile, combination: Combination, *, first: int) -> Iterator[Planned]:
    """Yield the run of a combination, or those of its folds."""
    whole = identify(file)
    for number, spec in enumerate(file.spec.of_folds(), start=first):
        own, fold, identity = replace(file, spec=spec), spec.dataset.fold, identify_fold(spec, whole)
        if file.spec.folds is None or fold is None:
            yield Planned(number, combination, spec, identity, identify_apart_from_seed(own, identity), spec.name)
            continue
        of_run = combination.of_fold(fold, repeats=file.spec.folds.repeats)
        yield Planned(number, of_run, spec, identity, identify_apart_from_fold(own, identity), spec.name, is_fold=True)


def check_metric(metric: str, specs: Sequence[Spec]) -> None:
    """Check, before training, that runs will have a value for a metric, and that its direction is known.

    Args:
        metric: The value of `--metric`: a score, perhaps with a sign in front.
        specs: The specs of the runs.

    Raises:
        UsageError: No spec has the metric, or its direction does not follow from the specs that have it.
    """
    names = dict.fromkeys(name for spec in specs for name in ("loss", *(each.log_name for each in spec.metrics)))
    known = [prefix + name for prefix in ("", *SPLIT_PREFIXES) for name in names]
    key, _ = parse_signed(metric)
    if key not in known:
        near = nearest(key, known)
        hint = f"did you mean {near!r}?" if near else ""
        raise UsageError(f"no run will have a score {key!r}", expected=f"one of {', '.join(known)}", hint=hint)
    larger_wins(metric, specs)


def larger_wins(metric: str, specs: Sequence[Spec]) -> bool:
    """Return whether a larger score is better, by its sign, or else by its metric.

    Args:
        metric: A score, perhaps with a sign in front.
        specs: The specs of the runs.

    Raises:
        UsageError: The metrics of this name do not define a direction, or disagree.
    """
    key, wanted = parse_signed(metric)
    name = without_split(key)
    having = [spec for spec in specs if name == "loss" or any(each.log_name == name for each in spec.metrics)]
    known = [directions_of(spec.metrics) for spec in having]
    direction = wanted or find_direction(key, known, write=lambda k: f"--metric={k}", runs="configs")
    return direction == "max"


def _numbered_gpus(device: str, place: Place) -> Problem:
    message = f"training.device is {device}, but a batch assigns a GPU to each run"
    return place.problem(message, expected="auto, cpu or gpu", hint="choose the batch's GPUs with CUDA_VISIBLE_DEVICES")


def _with_distinct_labels(planned: Sequence[Planned]) -> list[Planned]:
    """Return the runs with labels that distinguish configs of the same name."""
    configs: dict[str, dict[Path, None]] = {}
    for each in planned:
        configs.setdefault(each.spec.name, {})[each.combination.config.absolute()] = None
    tails = {name: _tails(tuple(paths)) for name, paths in configs.items() if len(paths) > 1}
    return [
        replace(each, label=tails[each.spec.name][each.combination.config.absolute()])
        if each.spec.name in tails
        else each
        for each in planned
    ]


def _tails(paths: Sequence[Path]) -> dict[Path, str]:
    """Return the last parts of each path, without suffix: as few as it takes to distinguish all paths."""
    length = 1
    while True:
        tails = {path: "/".join(path.with_suffix("").parts[-length:]) for path in paths}
        # Paths that differ only in their suffix never become distinct, so the length is bounded.
        if len(set(tails.values())) == len(paths) or length > max(len(path.parts) for path in paths):
            return tails
        length += 1


def _check_distinct(planned: Sequence[Planned]) -> None:
    seen: dict[str, Planned] = {}
    for each in planned:
        other = seen.setdefault(each.identity.model_dump_json(), each)
        if other is not each:
            raise UsageError(
                f"runs {other.number} and {each.number} are the same: {describe(other)}",
                expected="runs that differ in a key, or in the name in their config",
            )


def describe(planned: Planned) -> str:
    """Return text such as `digits_cnn batch_size=32 seed=1`: the config's label and the run's own values."""
    values = (f"{key.rpartition('.')[2]}={value}" for key, value in planned.combination.values)
    return " ".join((planned.label or planned.spec.name, *values))
