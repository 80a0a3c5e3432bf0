"""The base classes of trackers and of the journals that they keep of a run."""

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
    """Facts about a run that are known before its first step.

    Args:
        id: Id of the run folder.
        params: The complete spec by dotted key, without the section `tracking`.
        tags: `run_id`, `version` (of dlrun), `dataset_fingerprint`, in a repository `git_commit`, and of a trial of a
            search `search` and `trial`.
        goes_on: Whether the run is resumed. It may then have a journal whose id it never stored, because the server or
            the run stopped while the journal was created.
        parent: Id of the journal of the search whose trial the run is; None for any other run. A search has a journal
            like a run, with its name as its id and without epochs. A tracker that has no groups of runs ignores it.
    """

    id: str
    params: Mapping[str, str]
    tags: Mapping[str, str]
    goes_on: bool = False
    parent: str | None = None


class Journal(abc.ABC):
    """A run in a tracker. Methods may wait for a server, so they are called in order in a background thread.

    If a method raises an exception, tracking stops with a warning and training continues.
    """

    id: str
    """Id of the run in the tracker, with which a resumed run finds it again."""
    place: str
    """Address of the run for the user, without a password."""
    epochs: int = 0
    """Last epoch in the journal when it was opened."""
    notes: tuple[str, ...] = ()
    """Notes for the user about what was logged on opening, one sentence each."""

    @abc.abstractmethod
    def log_epoch(self, row: Mapping[str, float | int | None]) -> None:
        """Log a row of metrics.jsonl."""

    @abc.abstractmethod
    def log_scores(self, scores: Mapping[str, float], *, epoch: int) -> None:
        """Log the final scores of a split, such as `test_accuracy`.

        Args:
            scores: Scores by name.
            epoch: Last epoch.
        """

    @abc.abstractmethod
    def log_end(self, ending: Ending, tags: Mapping[str, str]) -> None:
        """Log how the run ended.

        Args:
            ending: How the run ended.
            tags: `status`, and `weights_sha256` for a completed run.
        """

    @abc.abstractmethod
    def log_file(self, path: Path, *, name: str) -> None:
        """Log a file of the run.

        Args:
            path: Path of the file.
            name: Path relative to the run folder, such as `checkpoints/best/arrays.safetensors`.
        """


class Tracker(Component, abc.ABC):
    """A service that logs a run in addition to its folder."""

    reach_keys: ClassVar[tuple[str, ...]] = ()
    """Keys with addresses to contact, which are not accepted from the spec of another user."""

    log_checkpoints: bool = Field(default=False, description="Whether to log the final checkpoints too.")
    wait_seconds: float = Field(
        default=20.0,
        gt=0,
        le=86400,
        description="Seconds to wait at the end of a run for a slow server, up to 86400; training never waits.",
    )

    def prepare(self) -> None:
        """Check the requirements of the tracker quickly, before TensorFlow starts and without network access.

        Raises:
            UsageError: A required package is not installed.
        """

    def absolute(self) -> Tracker:
        """Return the tracker with paths that do not depend on the working directory."""
        return self

    @abc.abstractmethod
    def open(self, run: RunFacts, *, known_id: str | None) -> Journal:
        """Start the journal of a run, or continue it. May wait for a server.

        Args:
            run: Facts known before the first step.
            known_id: Id of the earlier journal of this run. A new journal is started if it no longer exists or belongs
                to another run.
        """


trackers: Registry[Tracker] = Registry("tracker")
