"""The devices that compute one model together, in this process and in others: strategy, parts of a batch, agreement."""

from __future__ import annotations

import json
import os
import signal
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from tensorflow.python.eager import context as eager_context

from dlrun.errors import RunError, UsageError
from dlrun.training.devices.cluster import Cluster
from dlrun.training.devices.device import Device
from dlrun.training.stop import handled_signals
from dlrun.training.variables import Array, Arrays

WAIT_SECONDS = 300
"""How long processes wait for each other at the start."""
_INT_MAX = 2**31 - 1


class Replicas:
    """All replicas of a model, and what their processes decide together.

    Each step takes one batch, and every replica the contiguous part of it with its number: parts that are equal up to
    one example. Several processes run the same program: whatever depends on a clock or a signal is asked here, at the
    same place in each of them, and has one answer.

    Args:
        strategy: TensorFlow's.
        cluster: The processes.
        device: Chosen for this process, or several.
    """

    def __init__(self, strategy: tf.distribute.Strategy, *, cluster: Cluster, device: Device) -> None:
        self.strategy = strategy
        self.cluster = cluster
        self.device = device
        self.devices = device.names if cluster.workers == 1 else tuple(strategy.extended.worker_devices)
        self.replicas: int = strategy.num_replicas_in_sync
        self.first_replica = cluster.index * len(self.devices)

    def part(self, indices: Any, size: Any) -> tuple[Any, int]:
        """Inside a replica: its part of a batch's indices, and which of this process' devices it is."""
        if self.replicas == 1:
            return indices, 0
        replica = _own_number()
        first, last = replica * size // self.replicas, (replica + 1) * size // self.replicas
        return indices[first:last], replica - self.first_replica

    def before(self, indices: Any, size: Any) -> Any:
        """Inside a replica: the index before its part of a batch's, which are a ring. Shape: `(1,)`."""
        first = _own_number() * size // self.replicas
        return tf.roll(indices, 1, axis=0)[first : first + 1]

    def agreed(self, *, anyone: bool = False, chief: int = 0) -> tuple[bool, int]:
        """Whether something is true in any process, and the chief's number: the same in every process."""
        if self.cluster.workers == 1:
            return anyone, chief
        mine = (int(anyone), min(chief, _INT_MAX) if self.cluster.is_chief else 0)
        found = self._reduced(tf.constant(mine, tf.int32)).numpy()
        return bool(found[0]), int(found[1])

    def chiefs(self, number: int) -> int:
        """The chief's number, in every process."""
        return self.agreed(chief=number)[1]

    def check_alike(self, what: str, digest: str) -> None:
        """Make sure that every process has the same.

        Raises:
            RunError: This one has another than the chief, or one of them has.
        """
        mine = int(digest[:7], 16)
        chiefs = self.chiefs(mine)
        if self.agreed(anyone=chiefs != mine)[0]:
            who = "this worker" if chiefs != mine else "another worker"
            raise RunError(
                f"{who} has another {what} than the chief",
                expected="the same spec, data and kind of machine for every worker",
            )

    def share_variables(self, model: keras.Model) -> None:
        """Give every process the model that the chief has."""
        if self.cluster.workers == 1:
            return
        for variable in model.weights:
            exact = tf.convert_to_tensor(variable.value)
            wide = tf.cast(exact, tf.int64) if not exact.dtype.is_floating else exact
            shared = self._reduced(wide if self.cluster.is_chief else tf.zeros_like(wide))
            variable.assign(tf.cast(shared, exact.dtype))

    def read_metric_parts(self, model: keras.Model) -> Arrays:
        """What each replica's metrics have counted: their sum alone would not go on to the bit, rounded otherwise.

        Shape:
            `(replicas, *variable.shape)` each, named `parts/...`.
        """
        if self.replicas == 1:
            return {}

        def read() -> list[Any]:
            return [tf.convert_to_tensor(variable.value)[None] for variable in model.metrics_variables]

        gathered = [self.strategy.gather(each, axis=0) for each in self.strategy.run(read)]
        return {name: each.numpy() for name, each in zip(_part_names(model), gathered, strict=True)}

    def assign_metric_parts(self, model: keras.Model, arrays: Mapping[str, Array]) -> None:
        """Give each replica's metrics what `read_metric_parts` has read of as many replicas; else leave them."""
        names = _part_names(model)
        if self.replicas == 1 or any(name not in arrays for name in names):
            return
        for name, variable in zip(names, model.metrics_variables, strict=True):
            shape = (self.replicas, *variable.shape)
            if arrays[name].shape != shape:
                return
            for index, each in enumerate(self.strategy.experimental_local_results(variable.value)):
                each.assign(arrays[name][self.first_replica + index])

    def gather_rows(self, rows: Array) -> Array:
        """Return the rows of all processes; every one of them has to call it.

        Each adds its own to zeros at the places of the others': TensorFlow 2.21 crashes where it is to gather nothing.
        """
        if self.cluster.workers == 1:
            return rows
        counts = np.zeros(self.replicas, np.int64)
        counts[self.first_replica] = len(rows)
        counts = self._reduced(tf.constant(counts)).numpy()
        if not counts.sum():
            return rows
        everything = np.zeros((counts.sum(), *rows.shape[1:]), rows.dtype)
        start = counts[: self.first_replica].sum()
        everything[start : start + len(rows)] = rows
        gathered: Array = self._reduced(tf.constant(everything)).numpy()
        return gathered

    def _reduced(self, value: Any) -> Any:
        """The sum over processes; where one has several replicas only its first one counts."""

        def of_replica() -> Any:
            return value if _own_number() == self.first_replica else tf.zeros_like(value)

        return self.strategy.reduce(tf.distribute.ReduceOp.SUM, self.strategy.run(of_replica), axis=None)


def _own_number() -> int:
    """Inside a replica: its number among all of them."""
    number: int = tf.get_static_value(tf.distribute.get_replica_context().replica_id_in_sync_group)
    return number


def _part_names(model: keras.Model) -> list[str]:
    return [f"parts/{index:03}/{variable.path}" for index, variable in enumerate(model.metrics_variables)]


def make_team(device: Device, cluster: Cluster) -> Replicas:
    """Make the strategy for a device, or for several, and connect to the other processes.

    Raises:
        UsageError: The processes cannot use what the spec asks for, or cannot be found.
    """
    if cluster.workers == 1:
        if len(device.names) == 1:
            return Replicas(tf.distribute.get_strategy(), cluster=cluster, device=device)
        return Replicas(tf.distribute.MirroredStrategy(device.names), cluster=cluster, device=device)
    if len(device.names) > 1 and not device.is_gpu:
        raise UsageError(
            f"training.device is {device.choice.value}, and there are {cluster.workers} workers",
            expected="one CPU for each worker",
            hint="--set training.device=cpu",
        )
    if cluster.slurm:
        os.environ["TF_CONFIG"] = _slurm_config()
    kind = tf.distribute.experimental.CommunicationImplementation
    ring = kind.AUTO if device.is_gpu else kind.RING
    options = tf.distribute.experimental.CommunicationOptions(implementation=ring)
    # TensorFlow 2.21 waits for an hour, and has no public way to say for how long.
    context = eager_context.context()
    context.configure_coordination_service = partial(
        context.configure_coordination_service, cluster_register_timeout_in_ms=1000 * WAIT_SECONDS
    )
    try:
        with _signals_at_once(cluster):
            strategy = tf.distribute.MultiWorkerMirroredStrategy(communication_options=options)
    except (tf.errors.OpError, RuntimeError, ValueError) as error:
        said = str(error).strip().splitlines()[0]
        raise RunError(
            f"the {cluster.workers} workers cannot be connected: {said}",
            expected=f"all of them within {WAIT_SECONDS} seconds",
            hint="each needs its own address, and all of them the same TF_CONFIG but for the task",
        ) from error
    return Replicas(strategy, cluster=cluster, device=device)


@contextmanager
def _signals_at_once(cluster: Cluster) -> Iterator[None]:
    """Inside, a signal ends the process: Python hears none while TensorFlow waits for the others.

    `dlrun launch` starts all of them at the same time, and ends those that wait. Afterwards the handlers are those from
    before in any case: TensorFlow's own notice of a preemption takes SIGTERM for itself (2.21).
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
    """TF_CONFIG for the tasks of this Slurm step."""
    try:
        # Its GPUs are those that Slurm lets this task see: the resolver's own way to share them fails without any.
        resolver = tf.distribute.cluster_resolver.SlurmClusterResolver(
            gpus_per_node=1024, gpus_per_task=1, auto_set_gpu=False
        )
        addresses = resolver.cluster_spec().as_dict()
        kind, index = resolver.get_task_info()
    except (RuntimeError, ValueError) as error:
        said = str(error).strip().splitlines()[0]
        raise UsageError(f"Slurm's environment is not understood: {said}", hint="srun dlrun train CONFIG") from error
    return json.dumps({"cluster": addresses, "task": {"type": kind, "index": index}})
