"""The events of a run as lines, and on a terminal as a live display below them."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console as RichConsole
from rich.progress import BarColumn, Progress, TaskID, TextColumn
from rich.table import Column

from dlrun.cli.console import Console
from dlrun.cli.curve import learning_curve
from dlrun.cli.format import format_phases, format_scores, format_seconds
from dlrun.errors import RunError
from dlrun.runs.folder import RunFolder
from dlrun.training.progress import (
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
_TOLD_WAITING = 0.01
_WAITING_ADVICE = (
    "examples are gathered more slowly than they are trained; keep them smaller (uint8 images, resize), or on the "
    "device (training.feed=device)"
)
_NOT_SCORES = ("epoch", "step", "seconds", "examples_per_second", "data_wait", "learning_rate")


class Display:
    """Listens to a run and shows it.

    Args:
        console: Where to.
    """

    def __init__(self, console: Console) -> None:
        self.console = console
        self._bar: Progress | None = None
        self._task = TaskID(0)
        self._best = ""
        self._seconds = 0.0
        self._epochs = 0
        self._run: Path | None = None

    def __call__(self, event: Event) -> None:
        """Show one event."""
        match event:
            case RunCreated():
                self.console.open_log(event.log_txt)
                self._run = event.folder
                self.console.say(f"run        {event.folder}")
            case Note():
                self._note(event)
            case TrainingStarted():
                self._started(event)
            case StepsDone():
                self._stepped(event)
            case EpochDone():
                self._epoch_done(event)
            case TrainingDone():
                self.close()
                self._show_curve()
                said = f"trained    {format_seconds(event.seconds)}"
                self.console.say(said + (f"; stopped: {event.reason}" if event.reason else ""))
                if event.data_wait > _MUCH_WAITING:
                    self.console.say(f"data wait  {event.data_wait:.0%} of the training time: {_WAITING_ADVICE}")
            case TimeSpent():
                self.console.say(f"time       {format_phases(event.seconds)}")
            case Evaluated():
                pass  # the command prints the scores at its end, to stdout

    def _note(self, note: Note) -> None:
        if note.subject == WARNING:
            self.console.warn(note.text)
        else:
            self.console.say(f"{note.subject:<10} {note.text}")

    def _show_curve(self) -> None:
        """The whole run's learning curve, for a person who wants to see at once whether it converged."""
        if self._run is None or not self.console.is_terminal:
            return
        try:
            rows = RunFolder(self._run).read_metrics()
        except RunError:
            return  # the folder has gone, which whoever writes to it next tells
        curve = learning_curve(rows, encoding=sys.__stderr__.encoding if sys.__stderr__ else None)
        for line in ["", *curve, ""] if curve else []:
            self.console.say(line)

    def close(self) -> None:
        """Take the live display away."""
        if self._bar is not None:
            self._bar.stop()
            self._bar = None

    def _started(self, event: TrainingStarted) -> None:
        splits = ", ".join(f"{count:,} {split}" for split, count in event.examples.items())
        self.console.say(f"examples   {splits}")
        self.console.say(f"parameters {event.parameters:,}")
        self.console.say(f"training   {event.epochs} epochs, {event.steps:,} steps")
        if self.console.is_terminal:
            text = TextColumn("{task.fields[text]}", table_column=Column(no_wrap=True, overflow="ellipsis"))
            columns = (TextColumn("{task.description}"), BarColumn(bar_width=10), text)
            # Rich would otherwise print what libraries write to stderr, which is the log's.
            self._bar = Progress(
                *columns,
                console=RichConsole(file=self.console.terminal),
                transient=True,
                redirect_stdout=False,
                redirect_stderr=False,
            )
            self._task = self._bar.add_task(f"epoch 1/{event.epochs}", total=None, text="compiling")
            self._epochs = event.epochs
            self._bar.start()

    def _stepped(self, event: StepsDone) -> None:
        if self._bar is None:
            return
        # The most wanted first: a narrow terminal cuts the end off.
        left = f"{format_seconds(event.seconds_left)} left"
        rate = f"{event.examples_per_second:,.0f}/s{self._best}"
        text = f"{event.step:,}/{event.steps:,}  {left}  {format_scores(event.scores)}  {rate}"
        description = f"epoch {event.epoch}/{self._epochs}"
        self._bar.update(self._task, description=description, completed=event.step, total=event.steps, text=text)

    def _epoch_done(self, event: EpochDone) -> None:
        row = event.row
        scores = {name: value for name, value in row.items() if name not in _NOT_SCORES}
        width = len(str(event.epochs))
        spent, self._seconds = row["seconds"] - self._seconds, row["seconds"]
        line = (
            f"epoch {event.epoch:>{width}}/{event.epochs}  {format_scores(scores)}  "
            f"{format_seconds(spent)}  {row['examples_per_second']:,.0f}/s{'  best' if event.is_best else ''}"
        )
        if row["data_wait"] >= _TOLD_WAITING:
            line += f"  data wait {row['data_wait']:.0%}"
        if event.is_best:
            self._best = f"  best: epoch {event.epoch}"
        if self._bar is None:
            self.console.say(line)
        else:
            self.console.log(line)
            self._bar.console.print(line, markup=False, highlight=False, soft_wrap=True)


@contextmanager
def displayed(*, quiet: bool) -> Iterator[Display]:
    """A display for the time of one command, with TensorFlow's noise kept away from it."""
    console = Console(quiet=quiet)
    with console.noise_kept_away():
        display = Display(console)
        try:
            yield display
        finally:
            display.close()
