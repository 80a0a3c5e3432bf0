"""What TensorFlow raises while it trains, evaluates or builds, as errors that say what to try."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager

from dlrun.errors import RunError
from dlrun.training.devices.cluster import Cluster

_GRAPH_NODE = re.compile(r"\{\{[^}]*\}\} *")


@contextmanager
def step_failures(batch_key: str, batch_size: int) -> Iterator[None]:
    """Explain what a step can fail with for the sake of its data or of the device.

    Args:
        batch_key: The key of the spec that says how many examples a step takes.
        batch_size: Its value.

    Raises:
        RunError: Memory ran out, or an operation refused its inputs.
    """
    import tensorflow as tf

    try:
        yield
    except tf.errors.ResourceExhaustedError as error:
        raise out_of_memory(batch_key, batch_size) from error
    except tf.errors.InvalidArgumentError as error:
        said = (error.message or "an operation failed").strip().splitlines()[0]
        raise RunError(
            f"TensorFlow cannot compute a step of this model on this data: {said}",
            expected="data that the model can take: token ids within the vocabulary, labels within the classes",
            hint="--set training.jit=off, if it is on: XLA cannot compile every layer",
        ) from error


@contextmanager
def worker_failures(cluster: Cluster, run_id: str) -> Iterator[None]:
    """Explain that a process which trains with this one has ended, or cannot be reached.

    Args:
        cluster: The processes.
        run_id: What to go on with.

    Raises:
        RunError: Another process has gone.
    """
    import tensorflow as tf

    try:
        yield
    except (
        tf.errors.UnavailableError,
        tf.errors.AbortedError,
        tf.errors.CancelledError,
        tf.errors.DeadlineExceededError,
        tf.errors.InternalError,
        tf.errors.FailedPreconditionError,
    ) as error:
        if cluster.workers == 1:
            raise
        said = _GRAPH_NODE.sub("", (error.message or str(error)).strip()).splitlines()[0]
        command = cluster.resume_command(run_id if cluster.is_chief else "RUN")
        raise RunError(
            f"another worker has ended or cannot be reached: {said[:300]}",
            expected=f"all {cluster.workers} workers, from the first step to the last",
            hint=f"what went wrong stands at the end of its own output; {command} goes on from the last checkpoint",
        ) from error


@contextmanager
def building_failures() -> Iterator[None]:
    """Explain that a model, or its data, is too large for the device.

    Raises:
        RunError: Memory ran out.
    """
    import tensorflow as tf

    try:
        yield
    except (tf.errors.ResourceExhaustedError, MemoryError) as error:
        raise RunError(
            "the model and its data do not fit into memory", hint="dlrun plan shows the size of each layer"
        ) from error


def out_of_memory(batch_key: str, batch_size: int) -> RunError:
    """The error for a batch that is too large, with the next smaller one to try."""
    smaller = max(1, batch_size // 2)
    hint = f"--set {batch_key}={smaller}" if smaller < batch_size else "a smaller model, or another device"
    return RunError(f"the device ran out of memory with a batch of {batch_size}", hint=hint)


def not_finite(what: str) -> RunError:
    """The error for a loss or a variable that is NaN or infinite."""
    hint = "a smaller optimizer.learning_rate, optimizer.clipnorm=1.0, or training.precision=float32"
    return RunError(what, expected="a finite number; the last checkpoint before it is kept", hint=hint)
