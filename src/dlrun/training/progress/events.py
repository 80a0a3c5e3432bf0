"""What a run reports while it goes on: plain events for one plain callable; the library itself prints nothing."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final


@dataclass(frozen=True)
class RunCreated:
    """The run folder exists; from here on everything can be logged to `log_txt`."""

    run_id: str
    folder: Path
    log_txt: Path


WARNING: Final = "warning"
"""The subject of a note that every command shows on stderr, also with `--quiet` and `--json`."""


@dataclass(frozen=True)
class Note:
    """A choice that was made for the user, with its reason: `device`, `precision`, `jit`, `data`; or a warning."""

    subject: str
    text: str


@dataclass(frozen=True)
class TrainingStarted:
    """The model is built and the first step comes next; `monitor` is the score that decides which epoch is best."""

    parameters: int
    examples: Mapping[str, int]
    epochs: int
    steps: int
    monitor: str = ""


@dataclass(frozen=True)
class StepsDone:
    """Some steps of an epoch are done; sent about twice a second.

    Args:
        epoch: From 1.
        step: Step in the epoch, of `steps`.
        steps: Steps in the epoch.
        scores: Means over the epoch so far: loss and metrics.
        examples_per_second: Since the epoch's first step.
        seconds_left: Estimated for the rest of the training.
    """

    epoch: int
    step: int
    steps: int
    scores: Mapping[str, float]
    examples_per_second: float
    seconds_left: float


@dataclass(frozen=True)
class EpochDone:
    """An epoch is trained, validated and recorded; `row` is what metrics.jsonl got."""

    epoch: int
    epochs: int
    row: Mapping[str, float | int]
    is_best: bool


@dataclass(frozen=True)
class TrainingDone:
    """Training has ended.

    Args:
        reason: Why; empty when it ran its full length.
        seconds: Of training and validation, over all the times it was resumed.
        data_wait: Part of the training time that was spent waiting for data, from 0 to 1.
    """

    reason: str
    seconds: float
    data_wait: float


@dataclass(frozen=True)
class Evaluated:
    """The scores of one split."""

    split: str
    scores: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class TimeSpent:
    """The run is complete; `seconds` of this command by phase, as `timeline.py` names them."""

    seconds: Mapping[str, float]


Event = RunCreated | Note | TrainingStarted | StepsDone | EpochDone | TrainingDone | Evaluated | TimeSpent
Listener = Callable[[Event], None]


def silent(event: Event) -> None:
    """Listen to nothing."""


def only_warnings(listener: Listener) -> Listener:
    """Return a listener that passes warnings on and nothing else."""

    def listen(event: Event) -> None:
        if isinstance(event, Note) and event.subject == WARNING:
            listener(event)

    return listen
