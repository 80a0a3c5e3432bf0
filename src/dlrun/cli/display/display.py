"""Shows the events of a run as lines, and on a terminal a live progress line below them."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console as RichConsole
from rich.live import Live

from dlrun.cli.display.console import Console
from dlrun.cli.display.curve import learning_curve
from dlrun.cli.display.epochs import EpochPace, LiveLine, TrainingLines
from dlrun.cli.display.format import format_phases
from dlrun.errors import RunError
from dlrun.runs.folder import RunFolder
from dlrun.runs.lock import reporting_waits
from dlrun.system.duration import format_seconds
from dlrun.training.progress.events import (
    WARNING,
    EpochDone,
    Evaluated,
    Event,
    Note,
    RunCreated,
    StepsDone,
    TimeSpent,
    TrainingDone,
    TrainingStarted,
)

_MUCH_WAITING = 0.1
_WORTH_ADVICE = 2.0
"""Seconds of waiting for data from which on advice is shown."""

_WAITING_ADVICE = (
    "loading examples takes longer than training on them; make them smaller (uint8 images, resize), or keep them on "
    "the device (training.feed=device)"
)


class Display:
    """A listener that shows the events of a run.

    Args:
        console: The console to write to.
        pace: Decides which epochs are printed.
    """

    def __init__(self, console: Console, *, pace: EpochPace | None = None) -> None:
        self.console = console
        self._pace = pace or EpochPace()
        self._lines = TrainingLines()
        self._live: Live | None = None
        self._live_line: LiveLine | None = None
        self._epochs = 0
        self._unprinted = ""
        self._run: Path | None = None

    def __call__(self, event: Event) -> None:
        """Show one event."""
        match event:
            case RunCreated():
                self.console.open_log(event.log_txt)
                self._run = event.folder
                self._show("run", str(event.folder))
            case Note():
                self._show(event.subject, event.text)
            case TrainingStarted():
                self._started(event)
            case StepsDone():
                self._stepped(event)
            case EpochDone():
                self._epoch_done(event)
            case TrainingDone():
                self._done(event)
            case TimeSpent():
                self._show("time", format_phases(event.seconds))
            case Evaluated():
                pass  # the command prints the scores at its end, to stdout

    def close(self) -> None:
        """Remove the live line, and print the last epoch if it was skipped."""
        if self._live is not None:
            self.console.above = None
            self._live.stop()
            self._live = self._live_line = None
        if self._unprinted:
            self.console.say(self._unprinted)
            self._unprinted = ""

    def _started(self, event: TrainingStarted) -> None:
        self._show("examples", ", ".join(f"{count:,} {split}" for split, count in event.examples.items()))
        self._show("parameters", f"{event.parameters:,}")
        self._show("training", f"{event.epochs:,} epochs, {event.steps:,} steps")
        self._epochs, self._lines, self._unprinted = event.epochs, TrainingLines(event.monitor), ""
        if self.console.is_terminal:
            self._live_line = LiveLine(self._lines, event.epochs)
            self._live = Live(
                self._live_line,
                console=RichConsole(file=self.console.terminal),
                refresh_per_second=5,
                transient=True,
                # Otherwise rich would print to the terminal what libraries write to stderr; it belongs in the log.
                redirect_stdout=False,
                redirect_stderr=False,
            )
            self._live.start()
            self.console.above = self._live.console

    def _stepped(self, event: StepsDone) -> None:
        if self._live_line is not None:
            self._live_line.event = event
        # Without a live line, an epoch of hours would look like a program that hangs.
        elif self._pace.was_silent_long():
            self.console.say(self._lines.steps_line(event, self._epochs))
            self._pace.printed(is_epoch=False)

    def _epoch_done(self, event: EpochDone) -> None:
        # Formatted even if it is not printed: the best epoch and the seconds of an epoch follow from all before it.
        line = self._lines.epoch_line(event, self.console.width)
        if self._pace.is_due(event.epoch, event.epochs):
            self._pace.printed()
            self.console.say(line)
            self._unprinted = ""
        else:
            self._unprinted = line

    def _done(self, event: TrainingDone) -> None:
        self.close()
        self._show_curve()
        self._show("trained", format_seconds(event.seconds) + (f"; stopped: {event.reason}" if event.reason else ""))
        # Even a large share of a short training is not worth advice.
        if event.data_wait > _MUCH_WAITING and event.data_wait * event.seconds >= _WORTH_ADVICE:
            self._show("data wait", f"{event.data_wait:.0%} of the training time: {_WAITING_ADVICE}")

    def _show_curve(self) -> None:
        """Draw the learning curve of the whole run, so that the user sees at once whether it converged."""
        if self._run is None or not self.console.is_terminal:
            return
        try:
            rows = RunFolder(self._run).read_metrics()
        except RunError:
            return  # the folder was removed; the next write to it reports that
        # console.terminal is always opened as UTF-8. Python's own stderr knows what the terminal can show.
        encoding = sys.__stderr__.encoding if sys.__stderr__ else None
        curve = learning_curve(rows, encoding=encoding, columns=self.console.width)
        for line in ["", *curve, ""] if curve else []:
            self.console.say(line)

    def _show(self, subject: str, text: str) -> None:
        """Show a text after its subject."""
        if subject == WARNING:
            self.console.warn(text)
        else:
            self.console.say(f"{subject:<10} {text}")


@contextmanager
def displayed(*, quiet: bool) -> Iterator[Display]:
    """Provide a display for one command, with the noise of libraries hidden."""
    console = Console(quiet=quiet)
    with console.noise_kept_away(), reporting_waits(console.warn):
        display = Display(console)
        try:
            yield display
        finally:
            display.close()
