"""The states and events of the runs in a batch, as plain values for the live table."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from dlrun.batching.plan import Planned, describe

Stage = Literal["waiting", "held", "running", "completed", "skipped", "failed", "interrupted"]
ENDED: tuple[Stage, ...] = ("completed", "skipped", "failed", "interrupted")
GOOD: tuple[Stage, ...] = ("completed", "skipped")


@dataclass(frozen=True)
class RunState:
    """The state of one run of a batch.

    Args:
        planned: The run.
        stage: `held` if another batch is training the same run; `skipped` if it was complete already.
        folder: Its run folder, once there is one.
        reason: Why it failed or was interrupted.
        attempts: How often it was started in this batch.
        resumed: Whether it continues from an earlier checkpoint.
        epoch: The current epoch, from 1; 0 before the first.
        epochs: The number of epochs of the whole run.
        scores: The latest scores.
        seconds_left: The estimated time left.
        seconds: How long it took in this batch, once it has ended.
    """

    planned: Planned
    stage: Stage = "waiting"
    folder: Path | None = None
    reason: str = ""
    attempts: int = 0
    resumed: bool = False
    epoch: int = 0
    epochs: int = 0
    scores: Mapping[str, float] = field(default_factory=dict)
    seconds_left: float | None = None
    seconds: float | None = None

    @property
    def label(self) -> str:
        """The text that distinguishes it from the others."""
        return describe(self.planned)


@dataclass(frozen=True)
class BatchStarted:
    """All specs are valid, and the batch starts.

    Args:
        states: The states of all runs; those that were complete already are skipped.
        slots: A description of how many run at a time.
    """

    states: tuple[RunState, ...]
    slots: str


@dataclass(frozen=True)
class RunChanged:
    """The state of one run has changed; `noteworthy` if it has started or ended."""

    state: RunState
    noteworthy: bool


@dataclass(frozen=True)
class Stopping:
    """A signal was received: the runs stop at their next step, with a checkpoint."""

    running: int


@dataclass(frozen=True)
class RunWarned:
    """A run has a warning, which is shown whatever else is."""

    state: RunState
    text: str


BatchEvent = BatchStarted | RunChanged | RunWarned | Stopping
BatchListener = Callable[[BatchEvent], None]


def unheard(event: BatchEvent) -> None:
    """Ignore the event."""
