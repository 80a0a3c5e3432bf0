"""Train one run of an engine in a process of its own: skip it, resume it or start it, and report its progress."""

from __future__ import annotations

import faulthandler
import os
import sys
import time
import traceback
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, suppress
from pathlib import Path

from dlrun.batching.claim import claimed, turn_to_load
from dlrun.batching.known import Known, complete, like, runs_of, same_files, unfinished
from dlrun.batching.messages import Request, send
from dlrun.errors import (
    CheckpointError,
    DataError,
    DlrunError,
    Interrupted,
    Paused,
    RunError,
    TakenOverError,
    UsageError,
)
from dlrun.experiment.resume import ResumeOptions, complete_trial, lacks_scores, resume_run
from dlrun.experiment.train import train_file
from dlrun.runs.history import NOT_SCORES
from dlrun.runs.lock import reporting_waits
from dlrun.runs.record import DatasetRecord, IdentityRecord
from dlrun.spec.identity import identify
from dlrun.spec.parse import SpecFile, read_spec
from dlrun.training.progress.events import EpochDone, Event, Listener, Note, RunCreated, StepsDone, TrainingStarted
from dlrun.training.progress.timeline import Timeline

_PAUSE_SECONDS = 0.2
_MOST_SCORES = 8

Shown = Callable[[], AbstractContextManager[Listener]]
"""Creates a listener that writes the events of a run to its log.txt."""


class Job:
    """A requested run.

    Args:
        request: The request.
        pipe: The pipe that the batch reads.
        logged: The listener for the run's log.
    """

    def __init__(self, request: Request, *, pipe: int, logged: Listener) -> None:
        self.request = request
        self.pipe = pipe
        self._logged = logged
        self._runs_dir = Path(request.runs_dir)
        self._epochs = 0
        self._reported_at = 0.0
        self._resumes = False

    def work(self) -> None:
        """Skip the run if it is complete, resume it if it was interrupted, or train it from the start.

        Raises:
            Paused: The search has paused the run.
            DlrunError: The run failed, or was interrupted.
        """
        planned = self.request.identity_record()
        # Claim first, then look for existing runs: otherwise two batches could both find none, and both train.
        with claimed(planned, runs_dir=self._runs_dir) as claim:
            if claim is None:
                self._tell("ended", how="held")
                return
            file = read_spec(
                Path(self.request.config), self.request.overrides, trust_plugins=self.request.trust_plugins
            )
            identity = identify(file)
            # The data files may differ from the plan: an earlier run of the batch may have downloaded them.
            if (identity.spec, identity.code) != (planned.spec, planned.code):
                message = f"{self.request.config} or its plugins have changed since the batch started"
                raise RunError(message, hint="run the same command again to start a batch with the new files")
            known = like(runs_of([identity], runs_dir=self._runs_dir, since=self.request.since), identity)
            done = _complete(known, identity, file, moved=self.request.moves)
            if done is not None:
                self._reuse(done)
                return
            begun = None if self.request.anew else unfinished(known, identity)
            if begun is None:
                claim.confirm()  # the next thing is a new run: a machine that slept must not make a second one
                self._train(file)
            else:
                self._go_on(begun)

    def _train(self, file: SpecFile) -> None:
        with turn_to_load(file.spec.dataset.places(), runs_dir=self._runs_dir) as is_missing:
            if is_missing:
                with suppress(DataError):  # training will raise it again, and record it
                    file.spec.dataset.load()
        timeline, trial = Timeline(), self.request.trial
        train_file(file, runs_dir=self._runs_dir, listener=self.hear, timeline=timeline, trial=trial)
        self._tell("ended", how="completed")

    def _reuse(self, done: Known) -> None:
        """Skip a complete run, or complete what it lacks: a batch wants the test scores that a search did not."""
        if self.request.trial is not None or not lacks_scores(done.record):
            self._tell("ended", how="skipped", folder=done.folder.id)
            return
        self._resumes = True
        complete_trial(done.folder.path, listener=self.hear)
        self._tell("ended", how="completed")

    def _go_on(self, begun: Known) -> None:
        self._resumes = True
        try:
            options = ResumeOptions(allow_other_machine=self.request.moves)
            resume_run(begun.folder, options, listener=self.hear, timeline=Timeline(), trial=self.request.trial)
        except (UsageError, CheckpointError) as error:
            # The machine is another one, or no checkpoint can be read. The run can still be trained from the start, but
            # in a new process, since TensorFlow has already been configured in this one.
            self._tell("ended", how="anew", reason=f"{begun.folder.id} cannot be resumed: {error.what}")
        else:
            self._tell("ended", how="completed")

    def hear(self, event: Event) -> None:
        """Handle an event: log it, and send what the live table shows to the batch."""
        self._logged(event)
        match event:
            case RunCreated():
                os.dup2(2, 1)  # standard error is the log now: send standard output there as well
                # A crash in native code writes its traceback to the log too.
                faulthandler.enable(file=2)
                self._tell("run", folder=event.run_id, resumed=self._resumes)
            case TrainingStarted():
                self._epochs = event.epochs
                self._tell_progress(0, {})
            case StepsDone():
                self._tell_progress(event.epoch, event.scores, seconds_left=event.seconds_left)
            case EpochDone():
                self._epoch_done(event)
            case Note(subject="warning"):
                self.tell_warning(event.text)

    def tell_warning(self, text: str) -> None:
        """Send a sentence that the user of the batch should read."""
        self._tell("warning", text=text)

    def _epoch_done(self, event: EpochDone) -> None:
        # Epochs may take milliseconds; the batch would do nothing else than read about them.
        trial = self.request.trial
        is_last = event.epoch == event.epochs or (trial is not None and event.epoch == trial.pause_after)
        if time.monotonic() - self._reported_at > _PAUSE_SECONDS or is_last:
            self._reported_at = time.monotonic()
            scores = {name: float(value) for name, value in event.row.items() if name not in NOT_SCORES}
            self._tell_progress(event.epoch, scores)

    def _tell_progress(self, epoch: int, scores: Mapping[str, float], *, seconds_left: float | None = None) -> None:
        shown = dict(list(scores.items())[:_MOST_SCORES])  # more do not fit into a line of the table
        self._tell("progress", epoch=epoch, epochs=self._epochs, scores=shown, seconds_left=seconds_left)

    def _tell(self, event: str, **content: object) -> None:
        send(self.pipe, number=self.request.number, event=event, **content)


def _complete(known: tuple[Known, ...], identity: IdentityRecord, file: SpecFile, *, moved: bool) -> Known | None:
    """Return the complete run that is the same as this one; if file times differ, compare the content of the data."""
    candidates = complete(known, moved=moved)
    found = same_files(candidates, identity)
    if found is not None or not candidates:
        return found
    now = DatasetRecord.of(file.spec.dataset.load())
    return next((each for each in candidates if each.dataset is not None and each.dataset.is_same(now)), None)


def run_job(request: Request, *, pipe: int, shown: Shown) -> int:
    """Train a requested run, report to the batch how it ended, and log why.

    Args:
        request: The request.
        pipe: The pipe that the batch reads.
        shown: Creates the listener for the run's log.

    Returns:
        The exit code of the process.
    """
    with shown() as logged:
        job = Job(request, pipe=pipe, logged=logged)
        try:
            with reporting_waits(job.tell_warning):
                job.work()
        except Paused as pause:
            send(pipe, number=request.number, event="ended", how="paused", reason=pause.what)
        except (Interrupted, KeyboardInterrupt):
            send(pipe, number=request.number, event="ended", how="interrupted")
            return Interrupted.exit_code
        except TakenOverError as error:
            # Another machine goes on with the run. The batch waits for it, as for any run that is claimed elsewhere.
            sys.stderr.write(f"error: {error}\n")
            send(pipe, number=request.number, event="ended", how="held")
            return error.exit_code
        except DlrunError as error:
            sys.stderr.write(f"error: {error}\n")
            send(pipe, number=request.number, event="ended", how="failed", reason=error.what)
            return error.exit_code
        except BaseException as error:  # noqa: BLE001  a bug: its traceback is in the log, and other runs continue
            traceback.print_exc()
            message = f"{type(error).__name__}: {error}"
            send(pipe, number=request.number, event="ended", how="failed", reason=message)
            return 1
    return 0
