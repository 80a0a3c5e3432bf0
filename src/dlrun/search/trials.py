"""The trials of a search, as its ledger has them.

An entry of the ledger has one of these kinds:

1. `search`: the first line: name, base spec, space, objectives, and when it started.
2. `session`: a command began to work on the search, with its limits.
3. `proposed`, or instead `rejected` (the point is invalid together with the rest of the spec) or `equal` (its spec is
   that of an earlier trial): a new trial with its point.
4. `promoted`: the trial trains on to an epoch.
5. `rung`: the trial is paused at an epoch, with its score.
6. `ended`: the trial is complete, or has failed.
7. `retried`: a failed trial trains again.
8. `winner`: the best trial was scored on held-out data.
9. `closed`: the command ended, and why.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from dlrun.search.ledger import Entry

TrialStage = Literal["running", "paused", "completed", "failed", "rejected", "equal"]


@dataclass(frozen=True)
class Rung:
    """A point at which a trial was paused, or ended.

    Args:
        epochs: The number of epochs trained until then.
        scores: The value of the first objective, for each seed; None if it is undefined.
    """

    epochs: int
    scores: tuple[float | None, ...]

    @property
    def score(self) -> float | None:
        """The mean over the seeds; None if one of them is undefined."""
        return mean_of(self.scores)


@dataclass(frozen=True)
class TrialState:
    """One trial.

    Args:
        number: Its number, from 1, in the order of proposals.
        point: The value of each active parameter: a number, or the index of an option.
        values: What the point sets, for people: keys of the spec and the text of their values.
        overrides: The same as `key=value` pairs, with every digit.
        spec: The digest of its spec with the first seed, as in the identity of that run; empty if it was not trained.
        stage: How far it is. `running` includes a trial that a killed search has begun.
        target: The number of epochs that it is training to; None for its full length.
        rungs: Where it was paused so far.
        results: For each objective its value with each seed, once it is complete.
        runs: The ids of its runs, one per seed.
        epochs: The number of epochs trained, of all seeds together.
        seconds: The time that its runs took, of all seeds together.
        reason: Why it failed or was rejected, or the number of the trial that it is equal to.
        attempts: How often it has failed.
        began: When it was proposed, in seconds since the search began, without pauses between commands.
        ended: When it was last paused or ended, in the same unit; None before.
    """

    number: int
    point: Mapping[str, float | int]
    values: tuple[tuple[str, str], ...] = ()
    overrides: tuple[str, ...] = ()
    spec: str = ""
    stage: TrialStage = "running"
    target: int | None = None
    rungs: tuple[Rung, ...] = ()
    results: tuple[tuple[float | None, ...], ...] = ()
    runs: tuple[str, ...] = ()
    epochs: int = 0
    seconds: float = 0.0
    reason: str = ""
    attempts: int = 0
    began: float = 0.0
    ended: float | None = None

    @property
    def counts(self) -> bool:
        """Whether it counts as one of the trials that the search was given."""
        return self.stage not in ("rejected", "equal")

    @property
    def scores(self) -> tuple[float | None, ...]:
        """For each objective the mean over the seeds; for a paused trial only that of the first."""
        if self.results:
            return tuple(mean_of(values) for values in self.results)
        return (self.rungs[-1].score,) if self.rungs else ()

    @property
    def deviation(self) -> float | None:
        """The sample standard deviation of the first objective over the seeds; None for fewer than two."""
        values = self.results[0] if self.results else self.rungs[-1].scores if self.rungs else ()
        known = [value for value in values if value is not None]
        return statistics.stdev(known) if len(known) > 1 and len(known) == len(values) else None


def mean_of(values: Sequence[float | None]) -> float | None:
    """Return the mean; None without values, or if one of them is undefined."""
    known = [value for value in values if value is not None and math.isfinite(value)]
    return statistics.fmean(known) if known and len(known) == len(values) else None


class Trials:
    """All trials of a search, kept up to date with its ledger.

    Args:
        entries: The entries so far, the oldest first.
    """

    def __init__(self, entries: Iterable[Entry] = ()) -> None:
        self.head: Mapping[str, Any] = {}
        """The first entry: what the search is about."""
        self.sessions: list[Mapping[str, Any]] = []
        """The `session` entries."""
        self.by_number: dict[int, TrialState] = {}
        self.seconds = 0.0
        """The time of all commands until the last entry, without the pauses between them."""
        self.fingerprint = ""
        """The fingerprint of the data that the first trial was trained on."""
        self.winner: Mapping[str, Any] | None = None
        """The last `winner` entry, which may no longer be the best trial; None if there was none yet."""
        self.why_closed = ""
        """Why the last command ended; empty while one works on the search, or if it was killed."""
        self._before = 0.0
        for entry in entries:
            self.add(entry)

    def add(self, entry: Entry) -> None:
        """Take over one entry. An entry of an unknown kind, which a later version wrote, is ignored."""
        if entry["event"] == "session":
            self.sessions.append(entry)
            self._before, self.why_closed = self.seconds, ""
        self.fingerprint = self.fingerprint or entry.get("data", "")
        self.seconds = max(self.seconds, self._before + entry.get("seconds", 0.0))
        match entry["event"]:
            case "search":
                self.head = entry
            case "closed":
                self.why_closed = entry["why"]
            case "winner":
                self.winner = entry
            case "proposed" | "rejected" | "equal":
                self._put(self._proposed(entry))
            case "promoted" | "retried":
                self._put(replace(self.by_number[entry["trial"]], stage="running", target=entry["to"], reason=""))
            case "rung":
                self._put(self._paused(entry))
            case "ended":
                self._put(self._ended(entry))

    @property
    def counted(self) -> int:
        """The number of trials that count."""
        return sum(trial.counts for trial in self.by_number.values())

    def at(self, *stages: TrialStage) -> list[TrialState]:
        """Return the trials in one of the stages, in the order of their numbers."""
        return [trial for trial in self.by_number.values() if trial.stage in stages]

    def _put(self, trial: TrialState) -> None:
        self.by_number[trial.number] = trial

    def _proposed(self, entry: Entry) -> TrialState:
        stages: dict[str, TrialStage] = {"rejected": "rejected", "equal": "equal"}
        return TrialState(
            number=entry["trial"],
            point=entry["point"],
            values=tuple((key, text) for key, text in entry["values"]),
            overrides=tuple(entry.get("set", ())),
            spec=entry.get("spec", ""),
            stage=stages.get(entry["event"], "running"),
            target=entry.get("to"),
            reason=entry.get("reason", ""),
            began=self.seconds,
        )

    def _paused(self, entry: Entry) -> TrialState:
        trial = self.by_number[entry["trial"]]
        rung = Rung(entry["epochs"], tuple(entry["scores"]))
        return replace(
            trial,
            stage="paused",
            rungs=(*trial.rungs, rung),
            runs=tuple(entry["runs"]),
            epochs=entry["trained"],
            seconds=entry["spent"],
            ended=self.seconds,
        )

    def _ended(self, entry: Entry) -> TrialState:
        trial, has_failed = self.by_number[entry["trial"]], entry["how"] == "failed"
        return replace(
            trial,
            stage="failed" if has_failed else "completed",
            results=tuple(map(tuple, entry.get("results", ()))),
            runs=tuple(entry["runs"]) or trial.runs,
            epochs=entry["trained"],
            seconds=entry["spent"],
            reason=entry.get("reason", ""),
            attempts=trial.attempts + has_failed,
            ended=self.seconds,
        )
