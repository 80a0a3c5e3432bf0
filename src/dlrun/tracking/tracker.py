"""The base of every tracker component, and what it makes: the journal of one run, kept by another program."""

from __future__ import annotations

import abc
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Literal

from pydantic import Field

from dlrun.component import Component
from dlrun.registry import Registry

Ending = Literal["completed", "failed", "interrupted"]


@dataclass(frozen=True)
class RunFacts:
    """What is known of a run before its first step.

    Args:
        id: Of the run folder.
        params: The complete spec by dotted key, without what only says how it is tracked.
        tags: `run_id`, `version` (of dlrun), `dataset_fingerprint`, and in a repository `git_commit`.
        goes_on: Whether it was trained before, and may have a journal that it does not know of: the server, or the run,
            ended when it was begun.
    """

    id: str
    params: Mapping[str, str]
    tags: Mapping[str, str]
    goes_on: bool = False


class Journal(abc.ABC):
    """A run in a tracker. Every method may wait for a server: they are called in a thread of their own, in order.

    Whatever one of them raises ends the tracking, and is told; the training goes on.
    """

    id: str
    """The tracker's own id of the run, by which a run that is resumed finds it again."""
    place: str
    """Where a person finds it: an address, without a password."""
    epochs: int = 0
    """The last epoch that it had when it was opened."""
    notes: tuple[str, ...] = ()
    """What a person should know about what was logged when it was opened, one sentence each."""

    @abc.abstractmethod
    def log_epoch(self, row: Mapping[str, float | int | None]) -> None:
        """Take one row of metrics.jsonl."""

    @abc.abstractmethod
    def log_scores(self, scores: Mapping[str, float], *, epoch: int) -> None:
        """Take the final scores of one split: `test_accuracy`.

        Args:
            scores: By name.
            epoch: The last one.
        """

    @abc.abstractmethod
    def log_end(self, ending: Ending, tags: Mapping[str, str]) -> None:
        """Take how the run ended.

        Args:
            ending: In which way.
            tags: `status`, and of a complete run `weights_sha256`.
        """

    @abc.abstractmethod
    def log_file(self, path: Path, *, name: str) -> None:
        """Take one of the run's files.

        Args:
            path: Where it is.
            name: From the run folder: `checkpoints/best/arrays.safetensors`.
        """


class Tracker(Component, abc.ABC):
    """What follows a run beside its folder."""

    reach_keys: ClassVar[tuple[str, ...]] = ()
    """The keys that say whom to contact: not taken from a stranger's spec."""

    log_checkpoints: bool = Field(
        default=False, description="Whether the checkpoints that a run ends with are logged, too."
    )
    wait_seconds: float = Field(
        default=20.0,
        gt=0,
        le=86400,
        description="Seconds that a run waits at its end for a server that takes nothing more; training never waits.",
    )

    def prepare(self) -> None:
        """Look for what it needs, in milliseconds and before TensorFlow starts; nothing is contacted.

        Raises:
            UsageError: It is not installed.
        """

    def absolute(self) -> Tracker:
        """The same from whatever folder it is used."""
        return self

    @abc.abstractmethod
    def open(self, run: RunFacts, *, known_id: str | None) -> Journal:
        """Begin the journal of a run, or go on with it. May wait for a server.

        Args:
            run: Known before the first step.
            known_id: The journal that the run had when it was trained before; another one is begun if it has gone, or
                is of another run.
        """


trackers: Registry[Tracker] = Registry("tracker")
