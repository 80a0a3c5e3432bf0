"""Log a run to an experiment tracker, in a thread of its own: a slow or broken tracker never stops the training."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path

from dlrun.errors import DlrunError, RunError
from dlrun.runs.flat_spec import Value, read_flat_spec
from dlrun.runs.folder import RunFolder
from dlrun.runs.query.fields import as_text
from dlrun.runs.record import RunRecord
from dlrun.spec.parse import SpecFile
from dlrun.tracking.background import Background
from dlrun.tracking.tracker import Ending, Journal, RunFacts, Tracker
from dlrun.training.progress.events import EpochDone, Evaluated, Event, Listener, Note, TrainingStarted

_SUBJECT = "tracking"
_FILES = ("config.yaml", "spec.yaml", "run.json", "metrics.jsonl", "report.html", "plots/*")
_CHECKPOINTS = "checkpoints/*/*"
_STOPPED_SECONDS = 5.0
"""The longest wait for the tracker after the user, or a scheduler that is about to kill, has stopped the run."""
_PASSWORD = re.compile(r"//[^/\s@]*@")
_LONGEST = 200


def prepare_tracker(file: SpecFile, *, wanted: bool) -> None:
    """Check, before anything starts, that the packages and settings of the spec's tracker are there.

    Args:
        file: The spec.
        wanted: Whether this process is the one that tracks.

    Raises:
        UsageError: Something is missing.
    """
    if wanted and file.spec.tracking is not None:
        file.spec.tracking.prepare()


@contextmanager
def tracking(
    file: SpecFile, folder: RunFolder, listener: Listener, *, wanted: bool, parent: str | None = None
) -> Iterator[Listener]:
    """Log a run to the tracker of its spec, and close the tracker's journal when the block ends.

    Args:
        file: The spec, whose tracker `prepare_tracker` has checked.
        folder: The run. Its end has to be recorded inside the block, because the journal's last entry reports it.
        listener: Called with every event, and with notes about the tracking.
        wanted: Whether this process is the one that tracks.
        parent: The id in the tracker of the search whose trial the run is; None for any other run.

    Yields:
        The listener to use in place of `listener`.
    """
    tracker = file.spec.tracking
    if tracker is None or not wanted:
        yield _note_at_start(listener, file.tracking_refused) if file.tracking_refused else listener
        return
    tracker_listener = TrackerListener(tracker, folder, listener, parent=parent)
    try:
        yield tracker_listener
    finally:
        tracker_listener.end()


class TrackerListener:
    """Passes the events of a run on, and logs them to a tracker in a thread of its own.

    Only the thread of the run calls the listener: a note about what the tracker has done comes with the next event.

    Args:
        tracker: The tracker to log to.
        folder: The run.
        listener: The listener to pass the events on to.
        parent: The id in the tracker of the search whose trial the run is.
    """

    def __init__(self, tracker: Tracker, folder: RunFolder, listener: Listener, *, parent: str | None = None) -> None:
        self._tracker = tracker
        self._parent = parent
        self._folder = folder
        self._listener = listener
        self._background: Background | None = None
        self._journal: Journal | None = None
        self._epoch = 0
        self._is_opened = False

    def __call__(self, event: Event) -> None:
        """Pass one event on, and log it."""
        self._listener(event)
        match event:
            case TrainingStarted():
                self._begin()
            case EpochDone():
                self._epoch = event.epoch
                row = dict(event.row)
                # A run that was killed repeats the epochs since its last checkpoint, to the bit: it has them already.
                self._put(lambda journal: journal.log_epoch(row) if row["epoch"] > journal.epochs else None)
            case Evaluated():
                epoch, scores = self._epoch, {f"{event.split}_{name}": value for name, value in event.scores.items()}
                self._put(lambda journal: journal.log_scores(scores, epoch=epoch))
        self._report()

    def end(self) -> None:
        """Log how the run has ended, and wait a while until the tracker has everything."""
        if self._background is None:
            return
        try:
            record = self._folder.read_record()
        except DlrunError:
            return  # the folder is gone, and whoever wrote to it has raised an error
        ending: Ending = record.status if record.status in ("completed", "interrupted") else "failed"
        tags = {"status": record.status, **({"weights_sha256": record.weights_sha256} if record.weights_sha256 else {})}
        self._put(lambda journal: journal.log_end(ending, tags))
        patterns = (*_FILES, *((_CHECKPOINTS,) if self._tracker.log_checkpoints else ()))
        for path in (path for pattern in patterns for path in sorted(self._folder.path.glob(pattern))):
            self._put(partial(_log_file, path=path, name=str(path.relative_to(self._folder.path))))
        seconds = self._tracker.wait_seconds
        try:
            done = self._background.finish(seconds if ending == "completed" else min(seconds, _STOPPED_SECONDS))
        except KeyboardInterrupt:  # the run is complete: the user does not want to wait
            done = False
        self._report()
        if not done:
            self._listener(Note("warning", f"tracking {self._tracker.type_name}: the end of the run was not logged"))
        self._background = None

    def _begin(self) -> None:
        try:
            record = self._folder.read_record()
            facts = replace(_facts(record, read_flat_spec(self._folder.spec_yaml)), parent=self._parent)
            rows = self._folder.read_metrics()
        except DlrunError as error:
            self._give_up(error.what)
            return
        before = record.tracking
        known_id = before.id if before is not None and before.type == self._tracker.type_name else None
        self._epoch = len(rows)

        def open_journal() -> None:
            journal = self._tracker.open(facts, known_id=known_id)
            for row in rows[journal.epochs :]:  # the server was away, or the run was not tracked then
                journal.log_epoch(row)
            self._journal = journal

        self._background = Background("dlrun-tracking")
        self._background.put(open_journal)

    def _put(self, log: Callable[[Journal], None]) -> None:
        def job() -> None:
            if self._journal is not None:  # it is: the first job opens it, or is the last
                log(self._journal)

        if self._background is not None:
            self._background.put(job)

    def _report(self) -> None:
        """Report what the thread has done, or why it has ended, and record the tracker's id of the run."""
        if self._background is None:
            return
        journal, failure = self._journal, self._background.failure
        if journal is not None and not self._is_opened:
            self._is_opened = True
            for text in (journal.place, *journal.notes):
                self._listener(Note(_SUBJECT, f"{self._tracker.type_name}: {text}"))
            try:
                self._folder.update_record(
                    tracking={"type": self._tracker.type_name, "id": journal.id, "place": journal.place}
                )
            except RunError as error:
                self._give_up(error.what)
                return
        if failure is not None:
            self._give_up(failure_text(failure))

    def _give_up(self, reason: str) -> None:
        self._background = None
        text = f"tracking: nothing more is logged to {self._tracker.type_name}: {reason}"
        self._listener(Note("warning", text))


def _facts(record: RunRecord, spec: Mapping[str, Value]) -> RunFacts:
    params = {key: as_text(value) for key, value in spec.items() if not key.startswith(f"{_SUBJECT}.")}
    tags = {
        "run_id": record.id,
        "version": record.versions.get("dlrun"),
        "dataset_fingerprint": record.dataset.fingerprint if record.dataset else None,
        "git_commit": record.git.get("commit") if record.git else None,
        "search": record.search.name if record.search else None,
        "trial": str(record.search.trial) if record.search else None,
    }
    given = {name: value for name, value in tags.items() if value}
    return RunFacts(record.id, params, given, goes_on=record.resumed > 0)


def _log_file(journal: Journal, *, path: Path, name: str) -> None:
    journal.log_file(path, name=name)


def failure_text(error: Exception) -> str:
    """Return why a tracker has failed in one line, without a password."""
    text = error.what if isinstance(error, DlrunError) else str(error)
    line = next(iter(text.strip().splitlines()), "") or type(error).__name__
    line = _PASSWORD.sub("//", line)
    return line if len(line) <= _LONGEST else f"{line[:_LONGEST]}..."


def _note_at_start(listener: Listener, text: str) -> Listener:
    def listen(event: Event) -> None:
        listener(event)
        if isinstance(event, TrainingStarted):
            listener(Note(_SUBJECT, text))

    return listen
