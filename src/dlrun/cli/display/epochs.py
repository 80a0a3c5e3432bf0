"""The lines about epochs: which epochs are printed, the text of each line, and the live progress line."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping

from rich.console import Console as RichConsole
from rich.console import ConsoleOptions, RenderResult
from rich.text import Text

from dlrun.cli.display.format import format_score
from dlrun.cli.display.lines import ALWAYS, LineFitter, LinePart, join
from dlrun.cli.display.printable import printable_cell
from dlrun.runs.history import NOT_SCORES
from dlrun.system.duration import format_seconds
from dlrun.training.progress.events import EpochDone, StepsDone

MOST_EPOCHS = 30
"""Up to this number of epochs, every epoch is printed."""
LONGEST_SILENCE = 1800.0
"""Seconds without a line after which the next epoch is printed in any case."""

_LINES = 25
_SHOWN_WAITING = 0.01
_BAR_CELLS = 10
_BARS = {False: "━┈", True: "#."}
# How much each part is worth. A narrow terminal leaves out the parts of least worth first.
_SPEED, _WAITING, _BEST, _SPENT = 10, 20, 30, 40
_EXTRA, _VALIDATION, _STEPS, _BAR, _LEFT = 50, 52, 54, 56, 60
_MONITORED, _LOSS = 85, 90


class EpochPace:
    """Decides which epochs are printed: all if they are few, else evenly spaced ones, and one after a long silence.

    Args:
        clock: Returns monotonic time in seconds.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._printed_at = clock()
        self._is_first = True

    def is_due(self, epoch: int, epochs: int) -> bool:
        """Return whether to print the line of an epoch."""
        every = _spacing(epochs)
        return self._is_first or epoch % every == 0 or epoch == epochs or self.was_silent_long()

    def was_silent_long(self) -> bool:
        """Return whether the last line was printed so long ago that a new one is due."""
        return self._clock() - self._printed_at >= LONGEST_SILENCE

    def printed(self, *, is_epoch: bool = True) -> None:
        """Record that a line was printed now."""
        self._printed_at = self._clock()
        # A line about steps does not count: the first epoch is printed after it in any case.
        self._is_first = self._is_first and not is_epoch


def _spacing(epochs: int) -> int:
    """Return the smallest of 1, 2, 5, 10, 20, 50, ... with which at most 25 epochs are printed."""
    if epochs <= MOST_EPOCHS:
        return 1
    power = 1
    while True:
        for digit in (1, 2, 5):
            if epochs / (digit * power) <= _LINES:
                return digit * power
        power *= 10


class TrainingLines:
    """Formats the lines of one training.

    Args:
        monitor: The name in metrics.jsonl of the score that decides which epoch is best.
    """

    def __init__(self, monitor: str = "") -> None:
        self.monitor = monitor
        self.best_epoch = 0
        self._has_got_worse = False
        self._ended_at: float | None = None
        self._fitter = LineFitter()
        self._widths: dict[str, int] = {}
        self._validation: dict[str, float | None] = {}

    def epoch_line(self, event: EpochDone, width: int | None) -> str:
        """Return the line of a finished epoch.

        Call it for every epoch in order, including those that are not printed.

        Args:
            event: The end of the epoch.
            width: The width of the terminal in cells; None: nothing is left out.
        """
        row = event.row
        # At first every epoch beats the one before, so "best" is marked only after some epoch was worse.
        is_marked = event.is_best and self._has_got_worse
        self._has_got_worse = self._has_got_worse or not event.is_best
        self.best_epoch = event.epoch if event.is_best else self.best_epoch
        spent = self._spent(event)
        scores = {name: value for name, value in row.items() if name not in NOT_SCORES}
        self._validation = {name: value for name, value in scores.items() if name.startswith("val_")}
        parts = [
            LinePart("epoch", f"epoch {event.epoch:>{len(str(event.epochs))}}/{event.epochs}", ALWAYS),
            *self._scores(scores, is_aligned=True),
            LinePart("spent", "" if spent is None else format_seconds(spent), _SPENT),
            LinePart("speed", f"{row.get('examples_per_second') or 0:,.0f}/s", _SPEED),
        ]
        if (row.get("data_wait") or 0.0) >= _SHOWN_WAITING:
            parts.append(LinePart("wait", f"data wait {row['data_wait']:.0%}", _WAITING))
        best = LinePart("best", "best", ALWAYS)
        if width is not None:
            parts = self._fitter.fit([*parts, best], width)[:-1]  # every line has room for "best", so all lines align
        return printable_line([*parts, best] if is_marked else parts)

    def steps_line(self, event: StepsDone, epochs: int) -> str:
        """Return a line about the progress within a very long epoch."""
        parts = [*self._progress(event, epochs), *self._scores(event.scores)]
        return printable_line(parts)

    def live_line(self, event: StepsDone, epochs: int, width: int, *, is_ascii: bool = False) -> Text:
        """Return the live progress line.

        Args:
            event: The newest progress.
            epochs: The number of epochs of the whole training.
            width: The width of the terminal in cells.
            is_ascii: Whether the terminal shows only ASCII.
        """
        # Only the monitored validation score: the others are in the line of the last epoch.
        known = {**event.scores, **self._validation}
        scores = {name: value for name, value in known.items() if name == self.monitor or not name.startswith("val_")}
        parts = [*self._progress(event, epochs, _BARS[is_ascii]), *self._scores(scores)]
        parts.append(LinePart("speed", f"{event.examples_per_second:,.0f}/s", _SPEED))
        if self.best_epoch:
            parts.append(LinePart("best", f"best: epoch {self.best_epoch}", _BEST))
        line = Text(no_wrap=True, overflow="crop", end="")
        # A new fitter each time: this line replaces the one before, so they need not show the same parts.
        for part in LineFitter().fit(parts, width):
            line.append("  " if line else "").append(printable_cell(str(part)), style=part.style)
        return line

    def _spent(self, event: EpochDone) -> float | None:
        """Return the seconds of the epoch; None for the first epoch after a resume, whose start is unknown."""
        before, self._ended_at = self._ended_at, event.row.get("seconds") or 0.0
        if before is None:
            return self._ended_at if event.epoch == 1 else None
        return self._ended_at - before

    def _progress(self, event: StepsDone, epochs: int, bar: str = "") -> Iterator[LinePart]:
        done = round(_BAR_CELLS * event.step / max(1, event.steps))
        yield LinePart("epoch", f"epoch {event.epoch}/{epochs}", ALWAYS)
        if bar:
            yield LinePart("bar", bar[0] * done + bar[1] * (_BAR_CELLS - done), _BAR, style="cyan")
        yield LinePart("steps", f"{event.step:,}/{event.steps:,}", _STEPS)
        yield LinePart("left", f"{format_seconds(event.seconds_left)} left", _LEFT)

    def _scores(self, scores: Mapping[str, float | None], *, is_aligned: bool = False) -> Iterator[LinePart]:
        for name, value in scores.items():
            worth = _VALIDATION if name.startswith("val_") else _EXTRA
            worth = _LOSS if name == "loss" else _MONITORED if name == self.monitor else worth
            text = format_score(value)
            if is_aligned:
                # A column never gets narrower, so that a shorter number does not shift the rest of the line.
                self._widths[name] = max(self._widths.get(name, 0), len(text))
                text = text.ljust(self._widths[name])
            yield LinePart(f"score {name}", text, worth, name=name)


class LiveLine:
    """The newest progress as a renderable of rich, which adapts to the current width of the terminal.

    Args:
        lines: Formats the lines of this training.
        epochs: The number of epochs of the whole training.
    """

    def __init__(self, lines: TrainingLines, epochs: int) -> None:
        self.lines = lines
        self.epochs = epochs
        self.event: StepsDone | None = None
        self._began = time.monotonic()

    def __rich_console__(self, console: RichConsole, options: ConsoleOptions) -> RenderResult:
        """Draw the line."""
        if self.event is None:
            text = f"epoch 1/{self.epochs}  compiling, {time.monotonic() - self._began:.0f} s"
            yield Text(text, no_wrap=True, overflow="crop")
        else:
            yield self.lines.live_line(self.event, self.epochs, options.max_width, is_ascii=options.ascii_only)


def printable_line(parts: list[LinePart]) -> str:
    """Return the parts as one line, with control characters escaped."""
    return join([LinePart(part.key, printable_cell(str(part)), part.worth) for part in parts]).rstrip()
