"""The lines about epochs: which are printed, what each says, and the line that moves below them."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping

from rich.console import Console as RichConsole
from rich.console import ConsoleOptions, RenderResult
from rich.text import Text

from dlrun.cli.display.format import format_score, format_seconds
from dlrun.cli.display.lines import ALWAYS, LineFitter, LinePart, join
from dlrun.cli.display.printable import printable_cell
from dlrun.runs.history import NOT_SCORES
from dlrun.training.progress.events import EpochDone, StepsDone

MOST_EPOCHS = 30
"""A training of so many epochs has a line for each."""
LONGEST_SILENCE = 1800.0
"""Seconds after which a line is printed whatever its epoch."""

_LINES = 25
_TOLD_WAITING = 0.01
_BAR_CELLS = 10
_BARS = {False: "━┈", True: "#."}
# What a narrow terminal does without first is worth least.
_SPEED, _WAITING, _BEST, _SPENT = 10, 20, 30, 40
_EXTRA, _VALIDATION, _STEPS, _BAR, _LEFT = 50, 52, 54, 56, 60
_MONITORED, _LOSS = 85, 90


class EpochPace:
    """Decides which epochs have a line: all of a few, evenly spaced ones of many, and one after a long silence.

    Args:
        clock: Seconds that never go back.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._printed_at = clock()
        self._is_first = True

    def is_due(self, epoch: int, epochs: int) -> bool:
        """Return whether the line of an epoch is to be printed."""
        every = _spacing(epochs)
        return self._is_first or epoch % every == 0 or epoch == epochs or self.was_silent_long()

    def was_silent_long(self) -> bool:
        """Return whether a line is due whatever it says."""
        return self._clock() - self._printed_at >= LONGEST_SILENCE

    def printed(self, *, is_epoch: bool = True) -> None:
        """Take note of a line."""
        self._printed_at = self._clock()
        self._is_first = self._is_first and not is_epoch


def _spacing(epochs: int) -> int:
    """Return 1, 2, 5, 10, 20, 50, ...: the smallest that leaves few enough lines."""
    if epochs <= MOST_EPOCHS:
        return 1
    power = 1
    while True:
        for digit in (1, 2, 5):
            if epochs / (digit * power) <= _LINES:
                return digit * power
        power *= 10


class TrainingLines:
    """Writes the lines of one training.

    Args:
        monitor: The score that decides which epoch is best, as metrics.jsonl names it.
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
        """Return the line of an epoch that has ended.

        Args:
            event: Of every epoch in turn, also of those that are not printed.
            width: Cells of the terminal; None: everything is written.
        """
        row = event.row
        # Of the first epochs each is better than the one before: that it is best says nothing yet.
        is_told = event.is_best and self._has_got_worse
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
        if (row.get("data_wait") or 0.0) >= _TOLD_WAITING:
            parts.append(LinePart("wait", f"data wait {row['data_wait']:.0%}", _WAITING))
        best = LinePart("best", "best", ALWAYS)
        if width is not None:
            parts = self._fitter.fit([*parts, best], width)[:-1]  # with room for it on every line
        return printable_line([*parts, best] if is_told else parts)

    def steps_line(self, event: StepsDone, epochs: int) -> str:
        """Return the line about an epoch that takes very long."""
        parts = [*self._progress(event, epochs), *self._scores(event.scores)]
        return printable_line(parts)

    def live_line(self, event: StepsDone, epochs: int, width: int, *, is_ascii: bool = False) -> Text:
        """Return the line that is drawn over again.

        Args:
            event: The newest.
            epochs: Of the whole training.
            width: Cells of the terminal.
            is_ascii: Whether it shows ASCII only.
        """
        # Of validation, what decides; the rest stands in the line of the epoch.
        known = {**event.scores, **self._validation}
        scores = {name: value for name, value in known.items() if name == self.monitor or not name.startswith("val_")}
        parts = [*self._progress(event, epochs, _BARS[is_ascii]), *self._scores(scores)]
        parts.append(LinePart("speed", f"{event.examples_per_second:,.0f}/s", _SPEED))
        if self.best_epoch:
            parts.append(LinePart("best", f"best: epoch {self.best_epoch}", _BEST))
        line = Text(no_wrap=True, overflow="crop", end="")
        for part in LineFitter().fit(parts, width):
            line.append("  " if line else "").append(printable_cell(str(part)), style=part.style)
        return line

    def _spent(self, event: EpochDone) -> float | None:
        """Return the seconds of the epoch; None of the first after the run was resumed."""
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
                self._widths[name] = max(self._widths.get(name, 0), len(text))
                text = text.ljust(self._widths[name])
            yield LinePart(f"score {name}", text, worth, name=name)


class LiveLine:
    """What rich draws over again: the newest progress in the width that the terminal has now.

    Args:
        lines: Of the training.
        epochs: Of the whole training.
    """

    def __init__(self, lines: TrainingLines, epochs: int) -> None:
        self.lines = lines
        self.epochs = epochs
        self.event: StepsDone | None = None
        self._began = time.monotonic()

    def __rich_console__(self, console: RichConsole, options: ConsoleOptions) -> RenderResult:
        """Draw the line."""
        if self.event is None:
            said = f"epoch 1/{self.epochs}  compiling, {time.monotonic() - self._began:.0f} s"
            yield Text(said, no_wrap=True, overflow="crop")
        else:
            yield self.lines.live_line(self.event, self.epochs, options.max_width, is_ascii=options.ascii_only)


def printable_line(parts: list[LinePart]) -> str:
    """Return parts as one line without control characters."""
    return join([LinePart(part.key, printable_cell(str(part)), part.worth) for part in parts]).rstrip()
