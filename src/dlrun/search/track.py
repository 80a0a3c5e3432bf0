"""Log a search to the experiment tracker of its spec, as the parent of its trials.

The journal of the search is one like that of a run: its params are the settings of the search, its scores the best ones
so far. The ledger keeps its id, so that a search that goes on continues it, and trials are tagged with it.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from dlrun.errors import Interrupted
from dlrun.experiment.track import failure_text
from dlrun.search.ledger import Ledger
from dlrun.search.outcome import SearchOutcome, read_outcome
from dlrun.search.trials import Trials, mean_of
from dlrun.tracking.background import Background
from dlrun.tracking.tracker import Ending, Journal, RunFacts, Tracker

_ENTRY = "tracking"
_POLL_SECONDS = 0.05
_STOPPED_SECONDS = 5.0
"""The longest wait for the tracker after the user has stopped the search."""
_FILES = ("config.yaml", "search.json", "ledger.jsonl", "report.html")


class SearchTracking:
    """The journal of a search in a tracker.

    A slow or broken tracker stops nothing: after a warning, nothing more is logged.

    Args:
        tracker: The tracker; None to log nothing.
        warn: Called with a warning for the user.
    """

    def __init__(self, tracker: Tracker | None, *, warn: Callable[[str], None] = lambda _: None) -> None:
        self.parent: str | None = None
        """The id of the journal, for the trials; None if there is none."""
        self.place = ""
        """The address of the journal for the user; empty if there is none."""
        self._tags: dict[str, str] = {}
        self._tracker = tracker
        self._warn = warn
        self._background: Background | None = None
        self._journal: Journal | None = None
        self._best: float | None = None

    def open(self, trials: Trials, ledger: Ledger) -> None:
        """Start the journal, or continue that of an earlier command, and wait until its id is known.

        Args:
            trials: What the ledger says about the search so far.
            ledger: The ledger, which keeps the id.

        Raises:
            RunError: The ledger cannot be written.
        """
        tracker = self._tracker
        if tracker is None:
            return
        name = trials.head["name"]
        facts = RunFacts(name, search_params(trials), {"run_id": name, "search": name})
        known_id, opened = _known_id(ledger, tracker), threading.Event()

        def open_journal() -> None:
            self._journal = tracker.open(facts, known_id=known_id)
            opened.set()

        self._background = Background("dlrun-search-tracking")
        self._background.put(open_journal)
        deadline = time.monotonic() + tracker.wait_seconds
        while not opened.wait(_POLL_SECONDS) and self._background.failure is None and time.monotonic() < deadline:
            pass
        if not opened.is_set() or self._journal is None:
            self._give_up(f"no answer within {tracker.wait_seconds:g} s")
            return
        self.parent, self.place = self._journal.id, self._journal.place
        if self.parent != known_id:
            ledger.append(_ENTRY, type=tracker.type_name, id=self.parent, place=self._journal.place)

    def log_best(self, trials: Trials) -> None:
        """Log the best scores so far, if they have improved."""
        if self._background is None:
            return
        outcome = read_outcome(trials, Path())
        best = outcome.best
        if best is None or best.scores[0] == self._best:
            return
        self._tags = {"best_trial": str(best.number), "best_run": ", ".join(best.runs)}
        self._best = best.scores[0]
        names = [objective.name for objective in outcome.objectives]
        scores = {name: score for name, score in zip(names, best.scores, strict=True) if score is not None}
        ended = sum(trial.ended is not None for trial in outcome.trials)
        self._put(lambda journal: journal.log_scores(scores, epoch=ended))

    def log_winner(self, outcome: SearchOutcome) -> None:
        """Log the scores of the winner on held-out data, with the names that runs have (`test_accuracy`)."""
        ended = sum(trial.ended is not None for trial in outcome.trials)
        for split, of_seeds in outcome.winner.scores.items() if outcome.winner is not None else ():
            means = {name: mean_of([scores.get(name) for scores in of_seeds]) for name in of_seeds[0]}
            scores = {f"{split}_{name}": value for name, value in means.items() if value is not None}
            self._put(partial(_log_scores, scores=scores, trials=ended))

    def end(self, ending: Ending, *, folder: Path) -> None:
        """Log how the search has ended, and wait a while until the tracker has everything.

        Args:
            ending: How it has ended.
            folder: The folder of the search, whose files are logged.
        """
        if self._background is None or self._tracker is None:
            return
        tags = {"status": ending, **self._tags}
        self._put(lambda journal: journal.log_end(ending, tags))
        for path in (folder / name for name in _FILES):
            if path.is_file():
                self._put(partial(_log_file, path=path))
        seconds = self._tracker.wait_seconds
        try:
            done = self._background.finish(seconds if ending == "completed" else min(seconds, _STOPPED_SECONDS))
        except KeyboardInterrupt:  # the search is complete: the user does not want to wait
            done = False
        if self._background.failure is not None or not done:
            self._give_up("its end was not logged")

    def _put(self, log: Callable[[Journal], None]) -> None:
        def job() -> None:
            if self._journal is not None:
                log(self._journal)

        if self._background is not None:
            self._background.put(job)

    def _give_up(self, reason: str) -> None:
        failure = self._background.failure if self._background is not None else None
        name = self._tracker.type_name if self._tracker is not None else ""
        self._warn(f"tracking: the search is not logged to {name}: {failure_text(failure) if failure else reason}")
        self._background = None


@contextmanager
def tracked_search(
    tracker: Tracker | None, trials: Trials, ledger: Ledger, *, warn: Callable[[str], None]
) -> Iterator[SearchTracking]:
    """Log a search to its tracker while the block trains it, and its end when the block ends.

    Args:
        tracker: The tracker of the spec, which `Tracker.prepare` has checked; None to log nothing.
        trials: What the ledger says about the search so far, with the limits of this command.
        ledger: The ledger.
        warn: Called with a warning for the user.

    Raises:
        RunError: The ledger cannot be written.
    """
    tracking = SearchTracking(tracker, warn=warn)
    tracking.open(trials, ledger)
    ending: Ending = "failed"
    try:
        yield tracking
        ending = "completed"
    except (Interrupted, KeyboardInterrupt):
        ending = "interrupted"
        raise
    finally:
        tracking.end(ending, folder=ledger.path.parent)


def search_params(trials: Trials) -> dict[str, str]:
    """Return the settings of a search as params: how it searches, and each key of its space with its values."""
    head, session = trials.head, trials.sessions[-1] if trials.sessions else {}
    rungs = head.get("rungs")
    plain = {
        "metric": ", ".join(each["name"] for each in head["objectives"]),
        "sampler": head["sampler"],
        "seeds": head["seeds"],
        "seed": head.get("seed"),
        "trials": session.get("trials"),
        "minutes": session.get("minutes"),
        "halving.min_epochs": rungs[0] if rungs else None,
        "halving.factor": head.get("factor"),
    }
    found = {f"search.{key}": str(value) for key, value in plain.items() if value is not None}
    return {**found, **dict(_space_params(head["space"]))}


def _space_params(space: Sequence[Mapping[str, Any]]) -> Iterator[tuple[str, str]]:
    for each in space:
        if "options" in each:
            text = ", ".join(str(option["value"]) for option in each["options"])
            below = [parameter for option in each["options"] for parameter in option.get("parameters", ())]
        else:
            text, below = f"{each['low']} to {each['high']}" + (" (log)" if each.get("log") else ""), []
        yield f"search.space.{each['name']}", text
        yield from _space_params(below)


def _known_id(ledger: Ledger, tracker: Tracker) -> str | None:
    for entry in reversed(ledger.entries):
        if entry["event"] == _ENTRY:
            return entry["id"] if entry["type"] == tracker.type_name else None
    return None


def _log_scores(journal: Journal, *, scores: Mapping[str, float], trials: int) -> None:
    journal.log_scores(scores, epoch=trials)


def _log_file(journal: Journal, *, path: Path) -> None:
    journal.log_file(path, name=path.name)
