"""Where the runs of a batch stand, as the live table shows it: plain values for one plain callable."""

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
    """One run of a batch at one moment.

    Args:
        planned: What it is.
        stage: `held`: another batch trains the same run; `skipped`: it was complete already.
        folder: Its run folder, once there is one.
        reason: Why it failed, or was interrupted.
        attempts: How often it was begun in this batch.
        resumed: Whether it goes on from a checkpoint of an earlier time.
        epoch: Under way, from 1; 0 before the first.
        epochs: Of the whole run.
        scores: The newest.
        seconds_left: Estimated.
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
        """What tells it from the others."""
        return describe(self.planned)


@dataclass(frozen=True)
class BatchStarted:
    """Every run is known to be right, and none has begun.

    Args:
        states: Of all runs; those that are complete already are skipped.
        slots: What runs at a time, in words.
    """

    states: tuple[RunState, ...]
    slots: str


@dataclass(frozen=True)
class RunChanged:
    """One run stands differently. `noteworthy`: it has begun, or has ended."""

    state: RunState
    noteworthy: bool


@dataclass(frozen=True)
class Stopping:
    """A signal was heard: the runs stop at their next step, with a checkpoint."""

    running: int


@dataclass(frozen=True)
class RunWarned:
    """A run has something to say that its user should know, whatever else is shown."""

    state: RunState
    text: str


BatchEvent = BatchStarted | RunChanged | RunWarned | Stopping
BatchListener = Callable[[BatchEvent], None]


def unheard(event: BatchEvent) -> None:
    """Listen to nothing."""
