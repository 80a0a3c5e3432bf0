"""Turn TensorFlow's exceptions while building, training or evaluating into errors that say what to try."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from dlrun.errors import DlrunError, RunError
from dlrun.training.devices.cluster import Cluster

_OUT_OF_MEMORY = re.compile("out.of.memory|dst tensor is not initialized|status_alloc_failed", re.IGNORECASE)
"""What other errors than ResourceExhaustedError say if a GPU has too little memory: those of copies, and of libraries.

"Dst tensor is not initialized" is https://github.com/tensorflow/tensorflow/issues/7025.
"""
_GRAPH_NODE = re.compile(r"\{\{[^}]*\}\} *")


@contextmanager
def step_failures(batch_key: str, batch_size: int) -> Iterator[None]:
    """Turn the failures of a training or evaluation step into an error with advice.

    Args:
        batch_key: The key of the spec that sets the number of examples in a step.
        batch_size: The value of that key.

    Raises:
        RunError: Memory ran out, or an operation rejected its inputs.
    """
    import tensorflow as tf

    try:
        yield
    except tf.errors.OpError as error:
        if _is_out_of_memory(error):
            raise out_of_memory(batch_key, batch_size) from error
        if not isinstance(error, tf.errors.InvalidArgumentError | tf.errors.UnimplementedError):
            raise
        message = (error.message or "an operation failed").strip().splitlines()[0]
        hint = "if training.jit is on, try --set training.jit=off: XLA cannot compile every layer"
        if "deterministic" in message:
            hint = "unset TF_DETERMINISTIC_OPS, or set training.device=cpu: this operation is never exact on a GPU"
        raise RunError(
            f"TensorFlow cannot compute a step of this model on this data: {message}",
            expected="data that fits the model: token ids within the vocabulary, labels within the number of classes",
            hint=hint,
        ) from error


def _is_out_of_memory(error: Exception) -> bool:
    import tensorflow as tf

    if isinstance(error, tf.errors.ResourceExhaustedError | MemoryError):
        return True
    return isinstance(error, tf.errors.OpError) and bool(_OUT_OF_MEMORY.search(error.message or ""))


@contextmanager
def worker_failures(cluster: Cluster, run_id: str) -> Iterator[None]:
    """Turn the errors that TensorFlow raises after another worker has ended into one that says how to resume.

    Args:
        cluster: The processes that train together.
        run_id: The run to resume.

    Raises:
        RunError: Another worker has ended or cannot be reached.
    """
    try:
        yield
    except Exception as error:
        if cluster.workers == 1 or not _may_come_from_another_worker(error):
            raise
        message = _GRAPH_NODE.sub("", (getattr(error, "message", "") or str(error)).strip()).splitlines()[0]
        command = cluster.resume_command(run_id if cluster.is_chief else "RUN")
        raise RunError(
            f"another worker has ended or cannot be reached: {message[:300]}",
            expected=f"all {cluster.workers} workers, from the first step to the last",
            hint=f"read the end of that worker's output for the cause; {command} continues from the last checkpoint",
        ) from error


def _may_come_from_another_worker(error: Exception) -> bool:
    # Without TensorFlow in the process no worker can be lost, and nobody has to wait for its import.
    if isinstance(error, DlrunError) or "tensorflow" not in sys.modules:
        return False
    import tensorflow as tf

    return isinstance(
        error,
        tf.errors.UnavailableError
        | tf.errors.AbortedError
        | tf.errors.CancelledError
        | tf.errors.DeadlineExceededError
        | tf.errors.InternalError
        | tf.errors.FailedPreconditionError,
    )


@contextmanager
def building_failures() -> Iterator[None]:
    """Turn a lack of memory while building into an error with advice.

    Raises:
        RunError: The model, or its data, is too large for the device.
    """
    import tensorflow as tf

    try:
        yield
    except (tf.errors.OpError, MemoryError) as error:
        if not _is_out_of_memory(error):
            raise
        raise RunError(
            "the model and its data do not fit into memory", hint="dlrun plan shows the size of each layer"
        ) from error


def out_of_memory(batch_key: str, batch_size: int) -> RunError:
    """Return the error for a batch that does not fit into memory, with a smaller size to try."""
    smaller = max(1, batch_size // 2)
    hint = f"--set {batch_key}={smaller}" if smaller < batch_size else "use a smaller model, or another device"
    return RunError(f"the device ran out of memory with a batch of {batch_size}", hint=hint)


def not_finite(what: str) -> RunError:
    """Return the error for a loss or a variable that has become NaN or infinite."""
    hint = "lower optimizer.learning_rate, or set optimizer.clipnorm=1.0 or training.precision=float32"
    return RunError(what, expected="a finite number; the last checkpoint before it is kept", hint=hint)
