"""The states and events of the runs that an engine trains, as plain values for the live table."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from dlrun.batching.plan import Planned, describe

Stage = Literal["waiting", "held", "running", "paused", "completed", "skipped", "failed", "interrupted"]
ENDED: tuple[Stage, ...] = ("completed", "skipped", "failed", "interrupted")
GOOD: tuple[Stage, ...] = ("completed", "skipped")


@dataclass(frozen=True)
class RunState:
    """The state of one run of a batch or a search.

    Args:
        planned: The run.
        stage: `held` if another batch is training the same run; `skipped` if it was complete already; `paused` if the
            search may continue it later.
        folder: Its run folder, once there is one.
        reason: Why it failed, was interrupted or was paused.
        attempts: How often it was started for the present order.
        losses: How often a machine was lost while it trained there.
        resumed: Whether it continues from an earlier checkpoint.
        epoch: The current epoch, from 1; 0 before the first.
        epochs: The number of epochs of the whole run.
        scores: The latest scores.
        seconds_left: The estimated time left.
        seconds: How long it took, once it has ended; of a run that was paused before, only since then.
    """

    planned: Planned
    stage: Stage = "waiting"
    folder: Path | None = None
    reason: str = ""
    attempts: int = 0
    losses: int = 0
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
    """All specs are valid, and the runs start.

    Args:
        states: The states of all runs that are known already; those that were complete already are skipped. The
            trials of a search appear one by one, with `RunChanged`.
        slots: A description of how many run at a time; empty if there is nothing to train.
        engine: Where they are trained, if that is worth a line: the backend, and who chose it.
        what: What trains the runs: `batch` or `search`.
        total: The largest number of runs there will be; None if it is not known.
        headline: Returns one line about the whole, such as `trial 12 of 50, best 0.981 (trial 7)`, for the front end
            that has more to say than how many runs are in which stage. The display calls it from a thread of its own.
    """

    states: tuple[RunState, ...]
    slots: str = ""
    engine: str = "local"
    what: str = "batch"
    total: int | None = None
    headline: Callable[[], str] | None = None


@dataclass(frozen=True)
class RunChanged:
    """The state of one run has changed; `noteworthy` if it has started or ended."""

    state: RunState
    noteworthy: bool


@dataclass(frozen=True)
class Stopping:
    """The runs stop at their next step, with a checkpoint: after a signal, or because the time is up."""

    running: int
    is_late: bool = False


@dataclass(frozen=True)
class RunWarned:
    """A run has a warning, or what trains the runs has one (`state` is None); it is shown whatever else is."""

    state: RunState | None
    text: str


BatchEvent = BatchStarted | RunChanged | RunWarned | Stopping
BatchListener = Callable[[BatchEvent], None]


def unheard(event: BatchEvent) -> None:
    """Ignore the event."""
