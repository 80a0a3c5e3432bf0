"""The events that a run sends to its listener while it makes progress; the library itself prints nothing."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final


@dataclass(frozen=True)
class RunCreated:
    """The run folder exists; from now on everything can be logged to `log_txt`."""

    run_id: str
    folder: Path
    log_txt: Path


WARNING: Final = "warning"
"""The subject of a note that every command prints on stderr, even with `--quiet` or `--json`."""


@dataclass(frozen=True)
class Note:
    """A choice made for the user, with its reason (`device`, `precision`, `jit`, `data`), or a warning."""

    subject: str
    text: str


@dataclass(frozen=True)
class TrainingStarted:
    """The model is built and the first step is next; `monitor` is the score that decides which epoch is best."""

    parameters: int
    examples: Mapping[str, int]
    epochs: int
    steps: int
    monitor: str = ""


@dataclass(frozen=True)
class StepsDone:
    """Some steps of an epoch are done; sent about twice a second.

    Args:
        epoch: The number of the epoch, from 1.
        step: The number of completed steps of the epoch.
        steps: The number of steps in the epoch.
        scores: The loss and metrics, averaged over the epoch so far.
        examples_per_second: The speed since the epoch's first step.
        seconds_left: The estimated time for the rest of the training.
    """

    epoch: int
    step: int
    steps: int
    scores: Mapping[str, float]
    examples_per_second: float
    seconds_left: float


@dataclass(frozen=True)
class EpochDone:
    """An epoch is trained, validated and recorded; `row` is its row in metrics.jsonl."""

    epoch: int
    epochs: int
    row: Mapping[str, float | int]
    is_best: bool


@dataclass(frozen=True)
class TrainingDone:
    """Training has ended.

    Args:
        reason: Why; empty if it ran its full length.
        seconds: The time of training and validation, including that before each resume.
        data_wait: The fraction of the training time spent waiting for data, from 0 to 1.
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
    """The run is complete; `seconds` is the time of this command by phase, named as in `timeline.py`."""

    seconds: Mapping[str, float]


Event = RunCreated | Note | TrainingStarted | StepsDone | EpochDone | TrainingDone | Evaluated | TimeSpent
Listener = Callable[[Event], None]


def silent(event: Event) -> None:
    """Ignore the event."""


def only_warnings(listener: Listener) -> Listener:
    """Return a listener that passes on warnings and nothing else."""

    def listen(event: Event) -> None:
        if isinstance(event, Note) and event.subject == WARNING:
            listener(event)

    return listen
