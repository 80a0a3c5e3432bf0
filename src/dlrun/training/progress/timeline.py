"""Measure how the time of a command divides into phases; each second counts once."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Literal, get_args

Phase = Literal["start", "data", "build", "compile", "train", "evaluate", "log", "save", "report"]
"""`log` is the time to write an epoch's row to files, TensorBoard and the screen; `save` is that of checkpoints."""

PHASES: tuple[Phase, ...] = get_args(Phase)


class Timeline:
    """Adds up the time of each phase. A nested phase interrupts the outer one; time outside all phases is `start`.

    Args:
        began: When the command began, by `time.perf_counter`; None for now.
    """

    def __init__(self, began: float | None = None) -> None:
        self._seconds: dict[Phase, float] = dict.fromkeys(PHASES, 0.0)
        self._since = time.perf_counter() if began is None else began
        self._phase: Phase = "start"

    @contextmanager
    def spent(self, phase: Phase) -> Iterator[None]:
        """Count the time inside the block as time of `phase`."""
        before = self._phase
        self._enter(phase)
        try:
            yield
        finally:
            self._enter(before)

    def seconds(self) -> dict[str, float]:
        """Return the seconds of each phase so far."""
        self._enter(self._phase)
        return {str(phase): seconds for phase, seconds in self._seconds.items()}

    def _enter(self, phase: Phase) -> None:
        now = time.perf_counter()
        self._seconds[self._phase] += now - self._since
        self._since, self._phase = now, phase


def added(before: Mapping[str, float], now: Mapping[str, float]) -> dict[str, float]:
    """Return the sum of two timelines by phase: of a resumed run before, and now."""
    return {phase: round(before.get(phase, 0.0) + now.get(phase, 0.0), 3) for phase in PHASES}
