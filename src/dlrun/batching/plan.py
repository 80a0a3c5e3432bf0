"""The combinations of a batch in, each read, checked and identified out, or everything that is wrong at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from dlrun.batching.grid import Combination
from dlrun.errors import Problem, SpecError, UsageError
from dlrun.identity import identify
from dlrun.metrics import larger_is_better
from dlrun.registry import nearest
from dlrun.runs.record import IdentityRecord
from dlrun.spec.document import Place
from dlrun.spec.parse import read_spec
from dlrun.spec.types import Spec

_SPLITS = ("", "val_", "test_", "train_")


@dataclass(frozen=True)
class Planned:
    """One run of a batch, known to be right.

    Args:
        number: From 1, in the order of the command line.
        combination: What the command line asks for.
        spec: What comes of it.
        identity: By which its run is known again.
    """

    number: int
    combination: Combination
    spec: Spec
    identity: IdentityRecord


def plan_batch(combinations: Sequence[Combination]) -> tuple[Planned, ...]:
    """Read every combination.

    Raises:
        SpecError: Some are wrong; every problem of all of them, once.
        UsageError: Two are the same run.
    """
    planned: list[Planned] = []
    problems: dict[Problem, None] = {}
    for number, combination in enumerate(combinations, start=1):
        try:
            file = read_spec(combination.config, combination.overrides)
        except SpecError as error:
            problems |= dict.fromkeys(error.problems)
            continue
        device = file.spec.training.device
        if device.startswith("gpu:"):
            place = file.document.place_of(("training", "device"))
            problems[_numbered_gpus(device, place)] = None
        planned.append(Planned(number, combination, file.spec, identify(file)))
    if problems:
        raise SpecError(list(problems))
    _check_distinct(planned)
    return tuple(planned)


def check_metric(metric: str, specs: Sequence[Spec]) -> None:
    """Refuse a metric that no run will have a value for, before they are trained.

    Raises:
        UsageError: No spec has it.
    """
    names = dict.fromkeys(name for spec in specs for name in ("loss", *(each.log_name for each in spec.metrics)))
    known = [prefix + name for prefix in _SPLITS for name in names]
    if metric not in known:
        near = nearest(metric, known)
        hint = f"did you mean {near!r}?" if near else ""
        raise UsageError(f"no run will have a score {metric!r}", expected=f"one of {', '.join(known)}", hint=hint)


def larger_wins(metric: str) -> bool:
    """Whether a score is better when it is larger, whichever split it is of."""
    return larger_is_better(metric.removeprefix("test_").removeprefix("train_"))


def _numbered_gpus(device: str, place: Place) -> Problem:
    said = f"training.device is {device}, and each run of a batch is given a GPU of its own"
    return place.problem(said, expected="auto, cpu or gpu", hint="CUDA_VISIBLE_DEVICES says which GPUs the batch uses")


def _check_distinct(planned: Sequence[Planned]) -> None:
    seen: dict[str, Planned] = {}
    for each in planned:
        other = seen.setdefault(each.identity.model_dump_json(), each)
        if other is not each:
            raise UsageError(
                f"runs {other.number} and {each.number} are the same: {describe(other)}",
                expected="runs that differ in a key, or in the name of their config",
            )


def describe(planned: Planned) -> str:
    """`digits_cnn batch_size=32 seed=1`: the config's name, and the values that are the run's own."""
    values = (f"{key.rpartition('.')[2]}={value}" for key, value in planned.combination.values)
    return " ".join((planned.spec.name, *values))
