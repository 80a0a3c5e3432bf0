"""Which layer of a graph takes the output of which: order, cycles, and layers that nothing needs."""

from __future__ import annotations

import heapq
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property


@dataclass(frozen=True)
class Links:
    """The links of a graph, by the names of its layers.

    Args:
        inputs: Names of the inputs of each layer, by its name, in the order of the list.
        output: Name of the layer whose output is that of the graph.
        source: Name of the input of the graph, which no layer has.
    """

    inputs: Mapping[str, tuple[str, ...]]
    output: str
    source: str

    @cached_property
    def needed(self) -> frozenset[str]:
        """The layers that the output depends on, itself included."""
        found: set[str] = set()
        waiting = [self.output]
        while waiting:
            name = waiting.pop()
            if name in self.inputs and name not in found:
                found.add(name)
                waiting += self.inputs[name]
        return frozenset(found)

    @cached_property
    def order(self) -> tuple[str, ...]:
        """The layers such that each comes after its inputs, else as in the list. Those that depend on a cycle lack."""
        takers: dict[str, list[str]] = {name: [] for name in (self.source, *self.inputs)}
        missing = {name: len(given) for name, given in self.inputs.items()}
        for name, given in self.inputs.items():
            for each in given:
                takers.setdefault(each, []).append(name)
        places = {name: place for place, name in enumerate(self.inputs)}
        order: list[str] = []
        ready: list[tuple[int, str]] = [(-1, self.source)]
        while ready:
            _, made = heapq.heappop(ready)
            order.append(made)
            for name in takers[made]:
                missing[name] -= 1
                if not missing[name]:
                    heapq.heappush(ready, (places[name], name))
        return tuple(order[1:])

    def cycles(self) -> Iterator[tuple[str, ...]]:
        """Yield cycles without a common layer, each as the names along it, from an input to the layer that takes it.

        All names of inputs have to exist.
        """
        left = dict.fromkeys(name for name in self.inputs if name not in set(self.order))
        while left:
            path = {next(iter(left)): None}
            while (name := self._input_in(left, next(reversed(path)))) is not None and name not in path:
                path[name] = None
            if name is not None:  # otherwise the path ends before a cycle that was found already
                along = tuple(path)
                yield tuple(reversed(along[along.index(name) :]))
            for each in path:
                del left[each]

    def _input_in(self, names: Collection[str], layer: str) -> str | None:
        return next((each for each in self.inputs[layer] if each in names), None)
