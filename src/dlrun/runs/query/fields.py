"""Look up the values of runs by key, such as `status`, `age`, `val_accuracy` or `training.batch_size`."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from typing import Any

from dlrun.names import nearest
from dlrun.runs.query.index import IndexEntry
from dlrun.runs.query.listing import list_specs
from dlrun.runs.query.summary import RunSummary

Value = Any
"""A text, a number, a boolean, a list of these, or None if a run has no value."""
Getter = Callable[[RunSummary], Value]

OF_EVERY_RUN: Mapping[str, Getter] = {
    "id": lambda run: run.id,
    "name": lambda run: run.name,
    "status": lambda run: run.status,
    "started": lambda run: run.started,
    "seconds": lambda run: run.seconds,
    "model": lambda run: run.model,
    "model.type": lambda run: run.model,
    "dataset": lambda run: run.dataset,
    "dataset.name": lambda run: run.dataset,
    "tag": lambda run: list(run.tags),
    "best": lambda run: run.best.value if run.best else None,
    "epoch": lambda run: run.best.epoch if run.best else None,
    "parameters": lambda run: run.parameters,
    "throughput": lambda run: run.throughput,
    "device": lambda run: run.device,
    "precision": lambda run: run.precision,
    "commit": lambda run: run.commit,
    "search": lambda run: run.search,
    "search.trial": lambda run: run.trial,
    "problem": lambda run: run.problem,
}
"""Keys that are answered from the listing alone, as `age` is too."""
_SHOWN = 40


class RunFields:
    """The keys of some runs, and their values.

    Args:
        runs: All runs of one folder; if a key belongs to the specs, the specs of all of them are read.
        from_index: Whether unchanged specs may be read from an index.
    """

    def __init__(self, runs: Sequence[RunSummary], *, from_index: bool = True) -> None:
        self._runs = runs
        self._from_index = from_index
        self._now = time.time()

    def getter(self, key: str) -> Getter | None:
        """Return a function that gives the value of `key` for a run; None if no run has such a key."""
        if key == "age":
            return self._age
        if key in OF_EVERY_RUN:
            return OF_EVERY_RUN[key]
        if key in self._scores or any(run.value(key) is not None for run in self._runs):
            return lambda run: run.value(key)
        return self._spec_getter(key)

    def nearest(self, key: str) -> str | None:
        """Return the key that was most likely meant: one with the same end (`batch_size`), or a similar spelling."""
        known = self.known()
        ends = [name for name in known if name.endswith(f".{key}")]
        return ends[0] if len(ends) == 1 else nearest(key, known)

    def known(self) -> list[str]:
        """Return all keys: those of every run, the scores, and the keys of the specs."""
        of_specs = {key for entry in self._specs.values() for key in entry.keys}
        return [*OF_EVERY_RUN, "age", *sorted(self._scores), *sorted(of_specs - OF_EVERY_RUN.keys())]

    def described(self) -> str:
        """Return the keys for an error message: those of every run, the scores, and an example of the spec's."""
        shown = [*OF_EVERY_RUN, "age", *sorted(self._scores)][:_SHOWN]
        return f"one of {', '.join(shown)}, or a key of the spec such as training.batch_size"

    def _age(self, run: RunSummary) -> float:
        return self._now - run.order

    def _spec_getter(self, key: str) -> Getter | None:
        # Entries with the same keys share one tuple. So look tuples up by identity, and search each only once.
        layouts = {id(entry.keys): entry.keys for entry in self._specs.values()}
        positions = {number: keys.index(key) for number, keys in layouts.items() if key in keys}

        def value(run: RunSummary) -> Value:
            entry = self._specs[run.id]
            position = positions.get(id(entry.keys))
            return None if position is None else entry.values[position]

        return value if positions else None

    @cached_property
    def _scores(self) -> frozenset[str]:
        return frozenset[str]().union(*(run.keys() for run in self._runs))

    @cached_property
    def _specs(self) -> Mapping[str, IndexEntry]:
        return list_specs(self._runs, from_index=self._from_index)


def as_text(value: Value) -> str:
    """Return a value as it is written in a spec: `true`, `null`, `[64, 32]`."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    return f"[{', '.join(map(as_text, value))}]" if isinstance(value, list | tuple) else str(value)
