"""The server process of `dlrun batch`: it forks one process for each run and logs the run's events to its log.txt."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager

from dlrun.batching.server import serve
from dlrun.cli.display.display import displayed
from dlrun.cli.display.format import format_scores
from dlrun.system.interpreter import taken_over
from dlrun.training.progress.events import Evaluated, Event, Listener


@contextmanager
def logged() -> Iterator[Listener]:
    """Provide a listener that writes the events of a run to its log."""
    with displayed(quiet=True) as display:

        def listen(event: Event) -> None:
            display(event)
            if isinstance(event, Evaluated):
                display.console.log(f"{event.split:<10} {format_scores(event.scores)}")

        yield listen


if __name__ == "__main__":
    serve(logged, messages=taken_over(sys.argv[1]))
