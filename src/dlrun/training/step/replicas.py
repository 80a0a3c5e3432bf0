"""Distribute a model over several devices and processes: strategy, parts of a batch, and joint decisions."""

from __future__ import annotations

import json
import os
import signal
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from dlrun.errors import RunError, UsageError
from dlrun.system.keras_internals import limit_wait_for_workers
from dlrun.training.devices.cluster import Cluster
from dlrun.training.devices.device import Device
from dlrun.training.stop import handled_signals
from dlrun.training.variables import Array, Arrays

WAIT_SECONDS = 300
"""How long the processes wait for each other at the start."""
_INT_MAX = 2**31 - 1


class Replicas:
    """All replicas of a model, and the joint decisions of their processes.

    Each step takes one batch. Replica k computes its k-th contiguous part; the sizes of the parts differ by one example
    at most. All processes run the same program. Whatever depends on a clock or a signal has to be decided here, at the
    same place in each of them, so that all get the same answer; otherwise they would wait for each other forever.

    Args:
        strategy: TensorFlow's distribution strategy.
        cluster: The processes.
        device: The device or devices of this process.
    """

    def __init__(self, strategy: tf.distribute.Strategy, *, cluster: Cluster, device: Device) -> None:
        self.strategy = strategy
        self.cluster = cluster
        self.device = device
        self.devices = device.names if cluster.workers == 1 else tuple(strategy.extended.worker_devices)
        self.count: int = strategy.num_replicas_in_sync
        self.first_replica = cluster.index * len(self.devices)

    def part(self, indices: Any, size: Any) -> tuple[Any, int]:
        """Return a replica's part of the indices of a batch, and which of this process' devices it is.

        Call this inside a replica.

        Shape:
            indices: `(batch,)` int32. Returns: `(part,)` int32.
        """
        if self.count == 1:
            return indices, 0
        replica = _own_number()
        first, last = replica * size // self.count, (replica + 1) * size // self.count
        return indices[first:last], replica - self.first_replica

    def before(self, indices: Any, size: Any) -> Any:
        """Return the index before a replica's part of a batch, which is treated as a ring. Call this inside a replica.

        Shape:
            indices: `(batch,)` int32. Returns: `(1,)` int32.
        """
        first = _own_number() * size // self.count
        return tf.roll(indices, 1, axis=0)[first : first + 1]

    def agree(self, *, anyone: bool = False, chief: int = 0) -> tuple[bool, int]:
        """Combine values of all processes; every process has to call this at the same place.

        Args:
            anyone: A condition of this process.
            chief: A number, which only counts in the chief.

        Returns:
            Whether the condition holds in any process, and the chief's number.
        """
        if self.cluster.workers == 1:
            return anyone, chief
        mine = (int(anyone), min(chief, _INT_MAX) if self.cluster.is_chief else 0)
        found = self._reduce(tf.constant(mine, tf.int32)).numpy()
        return bool(found[0]), int(found[1])

    def chiefs(self, number: int) -> int:
        """Return the chief's number in every process."""
        return self.agree(chief=number)[1]

    def check_alike(self, what: str, digest: str) -> None:
        """Check that every process has the same value.

        Args:
            what: The name of the value, for the error.
            digest: A hexadecimal digest of the value.

        Raises:
            RunError: The value in this or another worker differs from the chief's.
        """
        mine = int(digest[:7], 16)
        chiefs = self.chiefs(mine)
        if self.agree(anyone=chiefs != mine)[0]:
            who = "this worker" if chiefs != mine else "another worker"
            raise RunError(
                f"{who} has another {what} than the chief",
                expected="the same spec, data and kind of machine for every worker",
            )

    def share_variables(self, model: keras.Model) -> None:
        """Copy the chief's variables to every process."""
        if self.cluster.workers == 1:
            return
        for variable in model.weights:
            # A sum in which all other processes add zeros is a broadcast, which strategies have no function for.
            exact = tf.convert_to_tensor(variable.value)
            wide = tf.cast(exact, tf.int64) if not exact.dtype.is_floating else exact
            shared = self._reduce(wide if self.cluster.is_chief else tf.zeros_like(wide))
            variable.assign(tf.cast(shared, exact.dtype))

    def read_metric_parts(self, model: keras.Model) -> Arrays:
        """Return the metric variables of each replica.

        A checkpoint needs them one by one: a run that resumed from their sums would round differently.

        Shape:
            Returns: `(replicas, *variable.shape)` each, named `parts/...`.
        """
        if self.count == 1:
            return {}

        def read() -> list[Any]:
            return [tf.convert_to_tensor(variable.value)[None] for variable in model.metrics_variables]

        gathered = [self.strategy.gather(each, axis=0) for each in self.strategy.run(read)]
        return {name: each.numpy() for name, each in zip(_part_names(model), gathered, strict=True)}

    def assign_metric_parts(self, model: keras.Model, arrays: Mapping[str, Array]) -> None:
        """Assign what `read_metric_parts` returned, if the number of replicas is the same; else change nothing."""
        names = _part_names(model)
        if self.count == 1 or any(name not in arrays for name in names):
            return
        for name, variable in zip(names, model.metrics_variables, strict=True):
            shape = (self.count, *variable.shape)
            if arrays[name].shape != shape:
                return
            for index, each in enumerate(self.strategy.experimental_local_results(variable.value)):
                each.assign(arrays[name][self.first_replica + index])

    def gather_rows(self, rows: Array) -> Array:
        """Return the rows of all processes; every process has to call this.

        Each process adds its rows to zeros in the positions of the others. TensorFlow 2.21 has a gather operation, but
        it crashes if a process has no rows.
        """
        if self.cluster.workers == 1:
            return rows
        counts = np.zeros(self.count, np.int64)
        counts[self.first_replica] = len(rows)
        counts = self._reduce(tf.constant(counts)).numpy()
        if not counts.sum():
            return rows
        everything = np.zeros((counts.sum(), *rows.shape[1:]), rows.dtype)
        start = counts[: self.first_replica].sum()
        everything[start : start + len(rows)] = rows
        gathered: Array = self._reduce(tf.constant(everything)).numpy()
        return gathered

    def _reduce(self, value: Any) -> Any:
        """Return the sum over processes; of a process with several replicas only the first one counts."""

        def of_replica() -> Any:
            return value if _own_number() == self.first_replica else tf.zeros_like(value)

        return self.strategy.reduce(tf.distribute.ReduceOp.SUM, self.strategy.run(of_replica), axis=None)


def _own_number() -> int:
    """Return the number of the current replica among all of them."""
    number: int = tf.get_static_value(tf.distribute.get_replica_context().replica_id_in_sync_group)
    return number


def _part_names(model: keras.Model) -> list[str]:
    return [f"parts/{index:03}/{variable.path}" for index, variable in enumerate(model.metrics_variables)]


def make_replicas(device: Device, cluster: Cluster) -> Replicas:
    """Create the strategy for one or more devices, and connect to the other processes.

    Args:
        device: The device or devices of this process.
        cluster: The processes.

    Raises:
        UsageError: The processes cannot use the devices that the spec asks for.
        RunError: The processes cannot connect to each other.
    """
    if cluster.workers == 1:
        if len(device.names) == 1:
            return Replicas(tf.distribute.get_strategy(), cluster=cluster, device=device)
        return Replicas(tf.distribute.MirroredStrategy(device.names), cluster=cluster, device=device)
    if len(device.names) > 1 and not device.is_gpu:
        raise UsageError(
            f"training.device is {device.choice.value}, but there are {cluster.workers} workers",
            expected="one CPU per worker",
            hint="--set training.device=cpu",
        )
    if cluster.slurm:
        os.environ["TF_CONFIG"] = _slurm_config()
    kind = tf.distribute.experimental.CommunicationImplementation
    ring = kind.AUTO if device.is_gpu else kind.RING
    options = tf.distribute.experimental.CommunicationOptions(implementation=ring)
    limit_wait_for_workers(WAIT_SECONDS)
    try:
        with _signals_at_once(cluster):
            strategy = tf.distribute.MultiWorkerMirroredStrategy(communication_options=options)
    except (tf.errors.OpError, RuntimeError, ValueError) as error:
        message = str(error).strip().splitlines()[0]
        raise RunError(
            f"the {cluster.workers} workers cannot be connected: {message}",
            expected=f"all of them connected within {WAIT_SECONDS} seconds",
            hint="give each worker its own address, and all of them the same TF_CONFIG except for the task",
        ) from error
    return Replicas(strategy, cluster=cluster, device=device)


@contextmanager
def _signals_at_once(cluster: Cluster) -> Iterator[None]:
    """Let a signal end the process inside the block, since Python handles none while TensorFlow waits for the others.

    `dlrun launch` starts all workers at the same time and stops those that wait, so it needs no such handler. After the
    block the earlier handlers are restored, because TensorFlow 2.21 replaces that of SIGTERM for preemption notices.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.getsignal(number) for number in handled_signals()}
    for number in () if cluster.launched else before:
        signal.signal(number, signal.SIG_DFL)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _slurm_config() -> str:
    """Return the value of TF_CONFIG for this Slurm task."""
    try:
        # Slurm decides which GPUs a task sees. The resolver's own way to divide them fails on a machine without any.
        resolver = tf.distribute.cluster_resolver.SlurmClusterResolver(
            gpus_per_node=1024, gpus_per_task=1, auto_set_gpu=False
        )
        addresses = resolver.cluster_spec().as_dict()
        kind, index = resolver.get_task_info()
    except (RuntimeError, ValueError) as error:
        message = str(error).strip().splitlines()[0]
        hint = "start with: srun dlrun train CONFIG"
        raise UsageError(f"Slurm's variables are not valid: {message}", hint=hint) from error
    return json.dumps({"cluster": addresses, "task": {"type": kind, "index": index}})
