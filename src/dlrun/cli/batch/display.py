"""Shows the runs of a batch or a search: as a live table on a terminal, else as one line for each start and end."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from rich.cells import cell_len
from rich.console import Console as RichConsole
from rich.live import Live
from rich.table import Table as RichTable
from rich.text import Text

from dlrun.batching.state import ENDED, BatchEvent, BatchStarted, RunChanged, RunState, RunWarned, Stage, Stopping
from dlrun.cli.display.console import Console
from dlrun.cli.display.epochs import EpochPace
from dlrun.cli.display.format import format_score, format_scores
from dlrun.cli.display.lines import LineFitter, LinePart, join, shorten
from dlrun.cli.display.printable import printable_cell
from dlrun.system.duration import format_seconds

_ORDER: tuple[Stage, ...] = (
    "failed", "interrupted", "running", "held", "waiting", "paused", "completed", "skipped",
)  # fmt: skip
"""The order in which runs are kept when a terminal has too few lines for all of them."""
_FRAME_LINES = 4
_MOST_ENDED = 100
"""The number of trials of a search to keep once they have ended; of a batch, whose runs are all known, all are kept."""
_FEWEST_SCORE_CELLS, _FEWEST_LABEL_CELLS = 14, 12
_WORTH = {"loss": 90, "val_loss": 85}


class BatchDisplay:
    """A listener that shows the events of a batch or a search.

    Args:
        console: The console to write to.
    """

    def __init__(self, console: Console) -> None:
        self.console = console
        self._started_with = BatchStarted(())
        self._states: dict[int, RunState] = {}
        self._stages: dict[int, Stage] = {}
        self._live: Live | None = None
        self._warnings: set[str] = set()
        self._fitter = LineFitter()
        self._pace = EpochPace()

    def __call__(self, event: BatchEvent) -> None:
        """Show one event."""
        match event:
            case BatchStarted():
                self._started(event)
            case RunChanged():
                self._changed(event)
            case RunWarned():
                self._warn(event)
            case Stopping():
                more = "; the time is up" if event.is_late else "; again to kill them"
                self.console.say(f"stopping   {event.running} runs, at their next step{more}")

    def close(self) -> None:
        """Stop updating the live table and leave it on the screen."""
        if self._live is not None:
            self.console.above = None
            self._live.stop()
            self._live = None

    def _started(self, event: BatchStarted) -> None:
        self._started_with = event
        self._states = {state.planned.number: state for state in event.states}
        self._stages = {number: state.stage for number, state in self._states.items()}
        skipped = sum(state.stage == "skipped" for state in event.states)
        known = f", {skipped} of them already complete" if skipped else ""
        runs = f"{len(event.states)} runs{known}" if event.states else ""
        slots = f"{event.slots} at a time" if event.slots else ""
        self.console.say(f"{event.what:<10} {'; '.join(filter(None, (runs, slots)))}")
        if event.engine != "local":
            self.console.say(f"{'engine':<10} {event.engine}")
        if self.console.is_terminal and (not event.states or skipped < len(event.states)):
            terminal = RichConsole(file=self.console.terminal)
            self._live = Live(
                # Built at each refresh, because the terminal may have been resized.
                get_renderable=lambda: self._table(height=terminal.height, width=terminal.width),
                console=terminal,
                refresh_per_second=4,
                redirect_stdout=False,
                redirect_stderr=False,
            )
            self._live.start()
            self.console.above = terminal

    def _changed(self, event: RunChanged) -> None:
        self._keep(event.state)
        # The live table shows the change at its next refresh.
        if self._live is not None:
            return
        if event.noteworthy:
            self.console.say(self._line(event.state))
        elif self._pace.was_silent_long():
            for line in self._summary():
                self.console.say(f"{self._started_with.what:<10} {line}")
            self.console.say(self._line(event.state))
        else:
            return
        self._pace.printed()

    def _keep(self, state: RunState) -> None:
        """Take over a state; of trials that have ended, only the latest are kept."""
        number = state.planned.number
        self._stages[number] = state.stage
        if self._started_with.states:
            self._states[number] = state
            return
        # A new dictionary, because the thread of the live table may be going through the old one.
        states = {other: each for other, each in self._states.items() if other != number} | {number: state}
        over = [other for other, each in states.items() if each.stage in (*ENDED, "paused")][:-_MOST_ENDED]
        self._states = {other: each for other, each in states.items() if other not in over}

    def _warn(self, event: RunWarned) -> None:
        """Show a warning only for the first run that has it, because all runs may repeat it."""
        if event.text in self._warnings:
            return
        self._warnings.add(event.text)
        self.console.warn(f"{event.text} ({event.state.label})" if event.state is not None else event.text)

    def _line(self, state: RunState) -> str:
        count = self._started_with.total
        of = "" if count is None else f"/{count}"
        number = f"[{state.planned.number:>{len(of) - 1 if of else 1}}{of}]"
        spent = f"  {format_seconds(state.seconds)}" if state.seconds is not None else ""
        if state.stage in ("running", "paused"):
            spent = f"  epoch {state.epoch}/{state.epochs}" if state.epochs else ""
            spent += f"  {format_scores(state.scores)}" if state.scores else ""
        folder = f"  {state.folder}" if state.folder and state.stage == "running" else ""
        reason = f": {state.reason}" if state.reason and state.stage != "paused" else ""
        return f"{number} {_stage(state):<11} {state.label}{folder}{spent}{reason}"

    def _table(self, *, height: int, width: int) -> RichTable:
        """Return the table; if the terminal is narrow, without the time left and the words that all labels share."""
        summary = [shorten(printable_cell(line), width) for line in self._summary()]
        caption = Text("\n".join(summary))
        table = RichTable(box=None, pad_edge=False, expand=True, caption=caption, caption_justify="left")
        states = self._shown(max(1, height - _FRAME_LINES - len(summary) + 1))
        facts = [
            (
                _stage(state),
                f"{state.epoch}/{state.epochs}" if state.epochs else "",
                format_seconds(state.seconds_left) if state.seconds_left is not None else "",
            )
            for state in states
        ]
        widths = [max(map(len, column), default=0) for column in zip(*facts, strict=True)]
        labels = [printable_cell(state.label) for state in states]
        longest = max(map(cell_len, labels), default=0)
        has_time = longest + sum(widths) + _FEWEST_SCORE_CELLS + 8 <= width
        used = widths if has_time else widths[:2]
        room = width - sum(used) - 2 * len(used) - 2
        labels = _shorten(labels, max(_FEWEST_LABEL_CELLS, room - _FEWEST_SCORE_CELLS))
        for name in ("run", "", "epoch", *(("left",) if has_time else ()), "scores"):
            table.add_column(name, no_wrap=True)
        left = max(0, room - max(map(cell_len, labels), default=0))
        for label, fact, state in zip(labels, facts, states, strict=True):
            has_reason = state.reason and state.stage != "paused"
            scores = printable_cell(state.reason) if has_reason else self._scores(state, left)
            table.add_row(*map(Text, (label, *fact[: len(used)], shorten(scores, left))))
        return table

    def _scores(self, state: RunState, width: int) -> str:
        parts = [
            LinePart(name, format_score(value), _WORTH.get(name, 0), name=name) for name, value in state.scores.items()
        ]
        return printable_cell(join(self._fitter.fit(parts, width)))

    def _shown(self, lines: int) -> list[RunState]:
        """Return all runs in order, or the most interesting ones if the terminal has too few lines."""
        states = list(self._states.values())
        if len(states) > lines:
            latest_first = states if self._started_with.states else states[::-1]
            states = sorted(latest_first, key=lambda state: _ORDER.index(state.stage))[:lines]
        return sorted(states, key=lambda state: state.planned.number)

    def _summary(self) -> list[str]:
        """Return the headline of the front end, if it has one, and how many runs are in which stage."""
        headline, total = self._started_with.headline, self._started_with.total
        counts = Counter(self._stages.values())
        ended = sum(counts[stage] for stage in ENDED)
        stages = ", ".join(f"{counts[stage]} {stage}" for stage in _ORDER if counts[stage])
        text = f"{ended}{'' if total is None else f'/{total}'} ended" + (f": {stages}" if stages else "")
        return [*([headline()] if headline is not None else []), text]


def _shorten(labels: list[str], width: int) -> list[str]:
    """Return labels that fit a width: drop the words that all labels share, then cut the start of each label."""
    if all(cell_len(label) <= width for label in labels):
        return labels
    words = [label.split() for label in labels]
    shared = set(words[0]).intersection(*words) if len(words) > 1 else set()
    own = [" ".join(word for word in each if word not in shared) or each[-1] for each in words]
    # Reversed to cut the start: the values that tell the runs apart are at the end.
    return [shorten(label[::-1], width)[::-1] for label in own]


def _stage(state: RunState) -> str:
    return "resumed" if state.stage == "running" and state.resumed else str(state.stage)


@contextmanager
def batch_displayed(*, quiet: bool) -> Iterator[BatchDisplay]:
    """Provide a display for one batch and close it afterwards."""
    display = BatchDisplay(Console(quiet=quiet))
    try:
        yield display
    finally:
        display.close()
