"""The keys of a search as axes: where each value of a key lies between its bounds, and what stands beside the axis."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from dlrun.search.importance import key_path
from dlrun.search.outcome import SearchOutcome
from dlrun.search.trials import TrialState

_UNUSUAL = re.compile(r"[^\t\n -\ud7ff\ue000-\U0010ffff]")
_MOST_DECADES = 6
_LETTERS = 22


@dataclass(frozen=True)
class KeyAxis:
    """A key of the space.

    Args:
        name: Its name in points.
        path: The key of the spec.
        low: The smallest value; 0 for options.
        high: The largest value; the index of the last option for options.
        is_log: Whether its scale is logarithmic.
        is_integer: Whether its values are whole numbers.
        options: The texts of its options; empty for numbers.
        condition: Where it exists, such as `model: mlp`; empty if it always exists.
    """

    name: str
    path: str
    low: float
    high: float
    is_log: bool = False
    is_integer: bool = False
    options: tuple[str, ...] = ()
    condition: str = ""

    @property
    def title(self) -> str:
        """The key, with its condition."""
        return f"{self.path} ({self.condition})" if self.condition else self.path

    def place(self, value: float) -> float:
        """Return where a value lies on the scale, from 0 for the smallest to 1 for the largest."""
        if self.high <= self.low:
            return 0.5
        if self.is_log:
            return math.log(value / self.low) / math.log(self.high / self.low)
        return (value - self.low) / (self.high - self.low)

    def ticks(self) -> tuple[tuple[float, str], ...]:
        """Return places on the scale with their labels."""
        if self.options:
            return tuple((self.place(index), short(text)) for index, text in enumerate(self.options))
        return tuple((self.place(value), f"{value:.4g}") for value in self.marked())

    def marked(self) -> tuple[float, ...]:
        """Return the numbers that stand beside the axis."""
        if self.high <= self.low:
            return (self.low,)
        if not self.is_log:
            middle = (self.low + self.high) / 2
            has_middle = not self.is_integer or middle.is_integer()
            return (self.low, middle, self.high) if has_middle else (self.low, self.high)
        first, last = math.log10(self.low), math.log10(self.high)
        step = max(1, round((last - first) / _MOST_DECADES))
        # A decade beside an end of the scale would cover its label.
        decades = [10.0**power for power in range(math.ceil(first + 0.3), math.floor(last - 0.3) + 1, step)]
        return (self.low, *decades, self.high)


def key_axes(outcome: SearchOutcome) -> tuple[KeyAxis, ...]:
    """Return the axes of all keys of a search, each before those that exist only with one of its options."""
    return tuple(_axes(outcome.space, _option_texts(outcome.trials), condition=""))


def short(text: str, letters: int = _LETTERS) -> str:
    """Return the beginning of a text that a plot can show, in one line."""
    clean = _UNUSUAL.sub("\ufffd", text).replace("\n", " ").replace("\t", " ")
    return clean if len(clean) <= letters else clean[: letters - 1] + "…"


def _axes(
    space: Sequence[Mapping[str, Any]], texts: Mapping[tuple[str, int], str], *, condition: str
) -> Iterator[KeyAxis]:
    for each in space:
        name, path = each["name"], key_path(each["name"])
        if "options" not in each:
            is_log, is_integer = bool(each.get("log")), bool(each.get("integer"))
            yield KeyAxis(name, path, each["low"], each["high"], is_log, is_integer, condition=condition)
            continue
        options = each["options"]
        shown = tuple(texts.get((name, index)) or _plain(option["value"]) for index, option in enumerate(options))
        yield KeyAxis(name, path, 0, len(options) - 1, options=shown, condition=condition)
        for text, option in zip(shown, options, strict=True):
            yield from _axes(option.get("parameters", ()), texts, condition=f"{path}: {short(text)}")


def _option_texts(trials: Sequence[TrialState]) -> dict[tuple[str, int], str]:
    """Return by name and index the texts of options, as the trials show them."""
    found = {}
    for trial in trials:
        shown = dict(trial.values)
        for name, value in trial.point.items():
            text = shown.get(key_path(name))
            if text is not None and isinstance(value, int):
                found[name, value] = text
    return found


def _plain(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
