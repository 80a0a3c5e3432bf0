"""The slots of a Ray cluster: as many as its nodes have room for, which changes while nodes come and go."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from dlrun.batching.backends.backend import ANY_GPU, Placement, Slot
from dlrun.batching.backends.slots import default_jobs
from dlrun.errors import UsageError
from dlrun.spec.types import Spec

_LOOK_SECONDS = 2.0
_MOST_DEFAULT_CPUS = 4
"""About as many cores as a run keeps busy; see `default_jobs`."""


@dataclass(frozen=True)
class NodeResources:
    """A node that is alive, and what it has in all."""

    id: str
    name: str
    cpus: float
    gpus: float

    @classmethod
    def of(cls, node: dict[str, Any]) -> NodeResources:
        """Return a node as `ray.nodes()` describes it."""
        resources = node["Resources"]
        return cls(node["NodeID"], node["NodeManagerHostname"], resources.get("CPU", 0.0), resources.get("GPU", 0.0))

    def room(self, cpus: float, gpus: float) -> int:
        """Return for how many runs it has room that need so many CPUs and GPUs each."""
        rooms = [int(self.cpus / cpus)] if cpus else []
        rooms += [int(self.gpus / gpus)] if gpus else []
        return min(rooms)


def nodes_alive() -> list[NodeResources]:
    """Return the nodes of the cluster that are alive."""
    import ray

    return [NodeResources.of(node) for node in ray.nodes() if node["Alive"]]


@dataclass(frozen=True)
class Needs:
    """What each run gets: `gpus` only if it may use one."""

    cpus: float
    gpus: float

    @classmethod
    def choose(cls, placement: Placement, nodes: Sequence[NodeResources], specs: Sequence[Spec]) -> Needs:
        """Return what the user asks for, else what suits the nodes.

        Args:
            placement: What the user asks for.
            nodes: The nodes.
            specs: The specs of the runs.

        Raises:
            UsageError: No node has room for a run.
        """
        has_gpus = any(node.gpus for node in nodes)
        wants_gpus = any(may_use_gpu(spec) for spec in specs)
        gpus = placement.gpus_per_run
        if gpus is None:
            gpus = 1.0 if has_gpus and wants_gpus else 0.0
        cpus = placement.cpus_per_run or min((_default_cpus(node) for node in nodes if node.cpus >= 1), default=1.0)
        needs = cls(cpus, gpus)
        must = next((spec for spec in specs if spec.training.device == "gpu"), None)
        if must is not None and not gpus:
            raise UsageError(
                f"training.device is gpu in {must.name}, but its run gets no GPU",
                expected="a cluster with GPUs, and --gpus-per-run larger than 0",
            )
        if gpus and not wants_gpus:
            raise UsageError(
                f"--gpus-per-run is {gpus:g}, but training.device is cpu in every run",
                expected="training.device: auto or gpu",
            )
        if not any(node.room(cpus, gpus) for node in nodes):
            wanted = f"{cpus:g} CPUs" + (f" and {gpus:g} GPUs" if gpus else "")
            has = "; ".join(f"{node.name} has {node.cpus:g} CPUs and {node.gpus:g} GPUs" for node in nodes[:5])
            raise UsageError(
                f"no node of the cluster has the {wanted} that each run needs",
                expected=f"a node with room; {has or 'there is none'}",
                hint="--cpus-per-run and --gpus-per-run choose what a run needs",
            )
        return needs


def may_use_gpu(spec: Spec) -> bool:
    """Return whether a run takes a GPU if there is one."""
    return spec.training.device.partition(":")[0] != "cpu"


def _default_cpus(node: NodeResources) -> float:
    """Return the CPUs for each run of a node that would train as many at a time as a batch of its own would."""
    jobs = int(node.gpus) or default_jobs(int(node.cpus))
    return float(max(1, min(_MOST_DEFAULT_CPUS, int(node.cpus) // jobs)))


class RaySlots:
    """The slots of a cluster.

    Args:
        nodes: Returns the nodes that are alive.
        needs: What each run gets.
        jobs: How many runs train at a time; None for as many as there is room for. With a number, runs may wait in
            Ray's own queue, which makes a cluster that grows on demand grow.
        clock: Returns the time in seconds.
    """

    def __init__(
        self,
        nodes: Callable[[], Sequence[NodeResources]],
        needs: Needs,
        *,
        jobs: int | None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._nodes, self._needs, self._jobs, self._clock = nodes, needs, jobs, clock
        self._looked_at = -_LOOK_SECONDS
        self._room = self._room_on_gpus = 0
        self._taken, self._taken_on_gpus = 0, 0

    @property
    def is_any_free(self) -> bool:
        """Whether there is a free slot of either kind."""
        self._look()
        return self._taken < self._room

    def fits(self, spec: Spec) -> bool:
        """Return whether there is a free slot for a run with this spec."""
        return self.is_any_free and not (self._on_gpu(spec) and self._taken_on_gpus >= self._room_on_gpus)

    def take(self, spec: Spec) -> Slot | None:
        """Take a free slot for a run with this spec, until `give_back`; None if there is none."""
        if not self.fits(spec):
            return None
        on_gpu = self._on_gpu(spec)
        self._taken += 1
        self._taken_on_gpus += on_gpu
        return Slot(ANY_GPU if on_gpu else None)

    def give_back(self, slot: Slot) -> None:
        """Return a slot after its run has ended."""
        self._taken -= 1
        self._taken_on_gpus -= slot.gpu is not None

    def __str__(self) -> str:
        """Return a description."""
        self._look()
        count = len(self._nodes())
        return f"{self._room} on {count} node{'s' if count > 1 else ''}"

    def _on_gpu(self, spec: Spec) -> bool:
        return self._needs.gpus > 0 and may_use_gpu(spec)

    def _look(self) -> None:
        if self._clock() - self._looked_at < _LOOK_SECONDS:
            return
        self._looked_at = self._clock()
        if self._jobs is not None:
            self._room = self._room_on_gpus = self._jobs
            return
        nodes, needs = self._nodes(), self._needs
        self._room = sum(node.room(needs.cpus, 0.0) for node in nodes)
        self._room_on_gpus = sum(node.room(needs.cpus, needs.gpus) for node in nodes) if needs.gpus else 0
