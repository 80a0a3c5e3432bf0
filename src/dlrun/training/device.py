"""Where and how to compute: device, precision and jit, each chosen with a reason that is printed and stored."""

from __future__ import annotations

import contextlib
import math
import os
import subprocess
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import keras
import tensorflow as tf

from dlrun.errors import RunError, UsageError
from dlrun.runs.record import Choice
from dlrun.spec.types import Training

_OLDEST_BFLOAT16_GPU = (8, 0)  # compute capability of Ampere
_OLDEST_FLOAT16_GPU = (7, 0)  # Volta, the first with tensor cores
_UNKNOWN_GPU_BYTES = 4 * 2**30
_WIDE_DENSE = 512 * 512 * 128
"""Multiplications of one dense layer in one step from which on bfloat16 was faster."""
_CONVOLUTIONS = (keras.layers.Conv1D, keras.layers.Conv2D, keras.layers.Conv3D)


@dataclass(frozen=True)
class Device:
    """One device: TensorFlow's name for it, and the choice that led to it."""

    name: str
    choice: Choice
    compute_capability: tuple[int, int] | None = None

    @property
    def is_gpu(self) -> bool:
        """Whether it is a GPU."""
        return "GPU" in self.name


def choose_device(wanted: str) -> Device:
    """Pick the device that `training.device` asks for, and keep TensorFlow off the others.

    Raises:
        UsageError: It asks for a GPU that is not there.
    """
    gpus = tf.config.list_physical_devices("GPU")
    if wanted == "cpu" or (wanted == "auto" and not gpus):
        _use_only([], fallback=not gpus)
        reason = "asked for" if wanted == "cpu" else "TensorFlow sees no GPU"
        return Device("/CPU:0", Choice(value="cpu", reason=reason))
    index = int(wanted.partition(":")[2] or 0)
    if index >= len(gpus):
        found = f"TensorFlow sees {len(gpus)} GPUs" if gpus else "TensorFlow sees no GPU"
        hint = "dlrun doctor, or --set training.device=auto"
        raise UsageError(f"training.device is {wanted!r}, but {found}", expected="a device of this machine", hint=hint)
    _use_only([gpus[index]], fallback=True)
    details = tf.config.experimental.get_device_details(gpus[index])
    reason = "asked for" if wanted != "auto" else f"the first of {len(gpus)}" if len(gpus) > 1 else "there is one"
    label = f"gpu:{index} ({details.get('device_name', 'unknown')})"
    return Device("/GPU:0", Choice(value=label, reason=reason), details.get("compute_capability"))


def choose_precision(training: Training, device: Device, build: Callable[[], keras.Model]) -> Choice:
    """Pick the type that layers compute in.

    Args:
        training: With the wish.
        device: Where it will run.
        build: Makes the model in float32; called only where the choice depends on its layers.

    Raises:
        UsageError: float16 on a CPU.
    """
    if training.precision == "float16" and not device.is_gpu:
        raise UsageError(
            "training.precision is float16, which a CPU computes slowly and inexactly",
            expected="float32 or bfloat16 on a CPU",
            hint="--set training.precision=auto",
        )
    if training.precision != "auto":
        return Choice(value=training.precision, reason="asked for")
    if device.is_gpu:
        capability = device.compute_capability or (0, 0)
        if capability >= _OLDEST_BFLOAT16_GPU:
            return Choice(value="bfloat16", reason="this GPU has it")
        if capability >= _OLDEST_FLOAT16_GPU:
            return Choice(value="float16", reason="this GPU has no bfloat16; losses are scaled")
        return Choice(value="float32", reason="this GPU has no fast 16-bit arithmetic")
    return _cpu_precision(training, build) if cpu_has_amx() else Choice(value="float32", reason="this CPU has no AMX")


def _cpu_precision(training: Training, build: Callable[[], keras.Model]) -> Choice:
    # Measured on two cores of a Sapphire Rapids: three convolutions on MNIST are 2 times as fast in bfloat16, dense
    # layers of 512 x 512 as fast with batches of 32 and 1.3 times with 128, of 1024 x 1024 2 times with 256.
    layers = build()._flatten_layers()  # noqa: SLF001, the public model.layers does not look into nested layers
    if any(isinstance(layer, keras.layers.RNN) for layer in layers):
        return Choice(value="float32", reason="recurrent layers are slower in bfloat16 on a CPU")
    if has_convolutions(layers):
        return Choice(value="bfloat16", reason="convolutions on a CPU with AMX")
    dense = [layer.kernel for layer in layers if isinstance(layer, keras.layers.Dense)]
    if max((math.prod(kernel.shape) for kernel in dense), default=0) * training.batch_size >= _WIDE_DENSE:
        return Choice(value="bfloat16", reason="wide dense layers on a CPU with AMX")
    return Choice(value="float32", reason="neither convolutions nor wide dense layers")


def has_convolutions(layers: Iterable[keras.Layer]) -> bool:
    """Whether any of the layers is a convolution."""
    return any(isinstance(layer, _CONVOLUTIONS) for layer in layers)


def share_cores(shares: int, *, cores: int) -> None:
    """Give each part of a batch its share of the cores: TensorFlow's threads inside one operation."""
    if shares > 1:
        # TensorFlow is in use already, in a notebook: its threads stay as they are.
        with contextlib.suppress(RuntimeError):
            tf.config.threading.set_intra_op_parallelism_threads(max(1, cores // shares))


def free_bytes(device: Device) -> int:
    """Memory of the device that nobody uses yet, in bytes; a cautious guess where it cannot be asked."""
    if device.is_gpu:
        index = device.choice.value.partition(":")[2].partition(" ")[0]
        query = ("nvidia-smi", "--query-gpu=memory.free", "--format=csv,noheader,nounits", f"--id={index}")
        with contextlib.suppress(OSError, ValueError, subprocess.SubprocessError):
            said = subprocess.run(query, capture_output=True, text=True, timeout=10, check=True).stdout  # noqa: S603
            return int(said.strip()) << 20
        return _UNKNOWN_GPU_BYTES
    with contextlib.suppress(OSError, ValueError, StopIteration):
        lines = Path("/proc/meminfo").read_text().splitlines()
        return int(next(line for line in lines if line.startswith("MemAvailable:")).split()[1]) << 10
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 2


@contextmanager
def dtype_policy(precision: str) -> Iterator[None]:
    """Layers made inside compute in `precision` and keep their variables in float32."""
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy("float32" if precision == "float32" else f"mixed_{precision}")
    try:
        yield
    finally:
        keras.config.set_dtype_policy(before)


def _use_only(gpus: list[object], *, fallback: bool) -> None:
    """Hide every other GPU, and take memory as it is needed instead of all at once."""
    try:
        tf.config.set_visible_devices(gpus, "GPU")
        for gpu in gpus:
            tf.config.experimental.set_memory_growth(gpu, enable=True)
    except RuntimeError as error:  # TensorFlow is in use already, in a notebook
        if tf.config.get_visible_devices("GPU") != gpus and not fallback:
            raise RunError(f"TensorFlow is in use and cannot change its device any more: {error}") from error


def cpu_has_amx() -> bool:
    """Whether this CPU multiplies bfloat16 matrices in hardware."""
    try:
        return " amx_bf16" in Path("/proc/cpuinfo").read_text()
    except OSError:
        return False
