"""The runs of a batch as a live table on a terminal, and elsewhere as a line for each start and end."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console as RichConsole
from rich.live import Live
from rich.table import Table as RichTable
from rich.text import Text

from dlrun.batching.state import ENDED, BatchEvent, BatchStarted, RunChanged, RunState, RunWarned, Stage, Stopping
from dlrun.cli.console import Console
from dlrun.cli.format import format_scores, format_seconds
from dlrun.cli.printable import printable, printable_cell
from dlrun.training.progress import WARNING

_ORDER: tuple[Stage, ...] = ("failed", "interrupted", "running", "held", "waiting", "completed", "skipped")
"""What a terminal that is too low for all shows first."""
_FRAME_LINES = 4


class BatchDisplay:
    """Listens to a batch and shows it.

    Args:
        console: Where to.
    """

    def __init__(self, console: Console) -> None:
        self.console = console
        self._states: dict[int, RunState] = {}
        self._live: Live | None = None
        self._warnings: set[str] = set()

    def __call__(self, event: BatchEvent) -> None:
        """Show one event."""
        match event:
            case BatchStarted():
                self._started(event)
            case RunChanged():
                self._states[event.state.planned.number] = event.state
                if self._live is None and event.noteworthy:
                    self.console.say(self._line(event.state))
            case RunWarned():
                self._warn(event)
            case Stopping():
                self._say(f"stopping   {event.running} runs, at their next step; again to kill them")

    def close(self) -> None:
        """Leave the live table as it is."""
        if self._live is not None:
            self._live.stop()
            self._live = None

    def _started(self, event: BatchStarted) -> None:
        self._states = {state.planned.number: state for state in event.states}
        skipped = sum(state.stage == "skipped" for state in event.states)
        known = f", {skipped} of them complete already" if skipped else ""
        self.console.say(f"batch      {len(event.states)} runs{known}; at a time {event.slots}")
        if self.console.is_terminal and skipped < len(event.states):
            terminal = RichConsole(file=self.console.terminal)
            self._live = Live(
                get_renderable=lambda: self._table(terminal.height),
                console=terminal,
                refresh_per_second=4,
                redirect_stdout=False,
                redirect_stderr=False,
            )
            self._live.start()

    def _warn(self, event: RunWarned) -> None:
        """Show a warning once, by the first run that has it: all runs may have the same."""
        if event.text in self._warnings:
            return
        self._warnings.add(event.text)
        text = f"{event.text} ({event.state.label})"
        if self._live is None:
            self.console.warn(text)
        else:
            self._say(f"{WARNING:<10} {text}")

    def _say(self, text: str) -> None:
        if self._live is None:
            self.console.say(text)
        else:
            self._live.console.print(printable(text), markup=False, highlight=False)

    def _line(self, state: RunState) -> str:
        count = len(self._states)
        number = f"[{state.planned.number:>{len(str(count))}}/{count}]"
        spent = f"  {format_seconds(state.seconds)}" if state.seconds is not None else ""
        folder = f"  {state.folder}" if state.folder and state.stage == "running" else ""
        return f"{number} {_stage(state):<11} {state.label}{folder}{spent}" + (
            f": {state.reason}" if state.reason else ""
        )

    def _table(self, height: int) -> RichTable:
        table = RichTable(box=None, pad_edge=False, expand=True, caption=self._counts(), caption_justify="left")
        for name in ("run", "", "epoch", "left"):
            table.add_column(name, no_wrap=True)
        table.add_column("scores", no_wrap=True, overflow="ellipsis", ratio=1)  # a narrow terminal cuts their end off
        for state in self._shown(max(1, height - _FRAME_LINES)):
            epoch = f"{state.epoch}/{state.epochs}" if state.epochs else ""
            left = format_seconds(state.seconds_left) if state.seconds_left is not None else ""
            told = state.reason or format_scores(state.scores)
            cells = (state.label, _stage(state), epoch, left, told)
            table.add_row(*(Text(printable_cell(cell)) for cell in cells))
        return table

    def _shown(self, lines: int) -> list[RunState]:
        """All runs in their order, or those of most interest where there is no room for all."""
        states = list(self._states.values())
        if len(states) > lines:
            states = sorted(states, key=lambda state: _ORDER.index(state.stage))[:lines]
        return sorted(states, key=lambda state: state.planned.number)

    def _counts(self) -> str:
        counts = Counter(state.stage for state in self._states.values())
        ended = sum(counts[stage] for stage in ENDED)
        return f"{ended}/{len(self._states)} ended: " + ", ".join(f"{counts[s]} {s}" for s in _ORDER if counts[s])


def _stage(state: RunState) -> str:
    return "resumed" if state.stage == "running" and state.resumed else str(state.stage)


@contextmanager
def batch_displayed(*, quiet: bool) -> Iterator[BatchDisplay]:
    """A display for the time of one batch."""
    display = BatchDisplay(Console(quiet=quiet))
    try:
        yield display
    finally:
        display.close()
