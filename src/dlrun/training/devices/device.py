"""Where and how to compute: device, precision and jit, each chosen with a reason that is printed and stored."""

from __future__ import annotations

import contextlib
import math
import subprocess
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import keras
import tensorflow as tf

from dlrun.errors import RunError, UsageError
from dlrun.runs.provenance.machine import usable_cores
from dlrun.runs.record import Choice
from dlrun.spec.types import Training
from dlrun.system.memory import free_memory

_OLDEST_BFLOAT16_GPU = (8, 0)  # compute capability of Ampere
_OLDEST_FLOAT16_GPU = (7, 0)  # Volta, the first with tensor cores
_UNKNOWN_GPU_BYTES = 4 * 2**30
_MOVES = ("RandomRotation", "RandomZoom", "RandomTranslation", "RandomShear", "RandomPerspective")
_WIDE_DENSE = 512 * 512 * 128
"""Multiplications of one dense layer in one step from which on bfloat16 was faster."""
_CONVOLUTIONS = (keras.layers.Conv1D, keras.layers.Conv2D, keras.layers.Conv3D)
_DENSE = (
    keras.layers.InputLayer,
    keras.layers.Flatten,
    keras.layers.Dense,
    keras.layers.Activation,
    keras.layers.BatchNormalization,
    keras.layers.Dropout,
    keras.layers.Reshape,
)


@dataclass(frozen=True)
class Device:
    """One device, or several of one kind: TensorFlow's names for them, and the choice that led to them."""

    names: tuple[str, ...]
    choice: Choice
    compute_capability: tuple[int, int] | None = None

    @property
    def is_gpu(self) -> bool:
        """Whether it is a GPU."""
        return "GPU" in self.names[0]


def choose_device(wanted: str, *, workers: int = 1) -> Device:
    """Pick the device that `training.device` asks for, or the devices, and keep TensorFlow off the others.

    Args:
        wanted: `auto`, `cpu`, `gpu`, and both with numbers: `cpu:0,1`, `gpu:2`.
        workers: Processes that train together: each takes every GPU that it sees, unless it is told which.

    Raises:
        UsageError: It asks for a device that is not there.
    """
    gpus = tf.config.list_physical_devices("GPU")
    kind, _, numbers = wanted.partition(":")
    indices = [int(number) for number in numbers.split(",")] if numbers else [0]
    if len(set(indices)) < len(indices):
        said = f"training.device is {wanted!r}, which names a device twice"
        raise UsageError(said, expected="each device once", hint=f"--set training.device={kind}:0,1")
    if kind == "cpu" or (kind == "auto" and not gpus):
        _use_only([], fallback=not gpus)
        reason = "asked for" if kind == "cpu" else "TensorFlow sees no GPU"
        if not numbers:
            return Device(("/CPU:0",), Choice(value="cpu", reason=reason))
        return _logical_cpus(wanted, indices)
    if not numbers and workers > 1:
        indices = list(range(len(gpus))) or indices
    if max(indices) >= len(gpus):
        found = f"TensorFlow sees {len(gpus)} GPU{'s' if len(gpus) > 1 else ''}" if gpus else "TensorFlow sees no GPU"
        hint = "dlrun doctor, or --set training.device=auto"
        raise UsageError(f"training.device is {wanted!r}, but {found}", expected="a device of this machine", hint=hint)
    chosen = [gpus[index] for index in indices]
    _use_only(chosen, fallback=True)
    details = [tf.config.experimental.get_device_details(gpu) for gpu in chosen]
    if kind != "auto":
        reason = "asked for"
    elif len(gpus) > 1:
        reason = f"the first of {len(gpus)}" if workers == 1 else "all that this worker sees"
    else:
        reason = "there is one"
    label = f"gpu:{','.join(map(str, indices))} ({details[0].get('device_name', 'unknown')})"
    capability = min((found for each in details if (found := each.get("compute_capability"))), default=None)
    return Device(tuple(f"/GPU:{i}" for i in range(len(chosen))), Choice(value=label, reason=reason), capability)


def _logical_cpus(wanted: str, indices: list[int]) -> Device:
    """The processor as several devices, each of which computes one part of every batch."""
    if max(indices) >= usable_cores():
        said = f"training.device is {wanted!r}, but this process may use {usable_cores()} cores"
        hint = "--set training.device=cpu uses all cores as one device"
        raise UsageError(said, expected="as many logical CPUs as cores at the most", hint=hint)
    wanted_count = max(indices) + 1
    if wanted_count > 1:
        (cpu,) = tf.config.list_physical_devices("CPU")
        try:
            tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * wanted_count)
        except RuntimeError as error:  # TensorFlow is in use already, in a notebook
            if len(tf.config.list_logical_devices("CPU")) < wanted_count:
                raise RunError(f"TensorFlow is in use and cannot change its devices any more: {error}") from error
    return Device(tuple(f"/CPU:{index}" for index in indices), Choice(value=wanted, reason="asked for"))


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
    choice = _fast_precision(training, device, build)
    layer = _only_in_float32(build()._flatten_layers()) if choice.value != "float32" else ""  # noqa: SLF001  as below
    if layer:
        return Choice(value="float32", reason=f"TensorFlow has no gradient of {layer} in {choice.value}")
    return choice


def _fast_precision(training: Training, device: Device, build: Callable[[], keras.Model]) -> Choice:
    """What is fast on the device, whatever the layers are."""
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


def _only_in_float32(layers: Iterable[keras.Layer]) -> str:
    """The first layer, by its name, through which no gradient comes in 16 bits; empty if there is none.

    A gradient comes through what follows a layer with weights. TensorFlow 2.21 has that of a moved image, and of one
    resized by filters, in float32 alone.
    """
    is_behind_weights = False
    for layer in layers:
        moves = type(layer).__name__ in _MOVES
        filters = getattr(layer, "interpolation", "nearest") not in ("nearest", "bilinear", "bicubic")
        if is_behind_weights and (moves or filters):
            return str(layer.name)
        is_behind_weights |= not isinstance(layer, keras.Model) and bool(layer.trainable_weights)
    return ""


def has_convolutions(layers: Iterable[keras.Layer]) -> bool:
    """Whether any of the layers is a convolution."""
    return any(isinstance(layer, _CONVOLUTIONS) for layer in layers)


def is_dense(layers: Iterable[keras.Layer]) -> bool:
    """Whether all that computes is dense: neither recurrent layers nor convolutions, nor anything unknown."""
    return all(isinstance(layer, (keras.Model, *_DENSE)) for layer in layers)


def share_cores(shares: int, *, cores: int) -> None:
    """Give each part of a batch its share of the cores: TensorFlow's threads inside one operation."""
    if shares > 1:
        # TensorFlow is in use already, in a notebook: its threads stay as they are.
        with contextlib.suppress(RuntimeError):
            tf.config.threading.set_intra_op_parallelism_threads(max(1, cores // shares))


def free_bytes(device: Device) -> int:
    """Memory of the device that nobody uses yet, in bytes; a cautious guess where it cannot be asked."""
    if device.is_gpu:
        index = device.choice.value.partition(":")[2].partition(" ")[0].partition(",")[0]
        query = ("nvidia-smi", "--query-gpu=memory.free", "--format=csv,noheader,nounits", f"--id={index}")
        with contextlib.suppress(OSError, ValueError, subprocess.SubprocessError):
            said = subprocess.run(query, capture_output=True, text=True, timeout=10, check=True).stdout  # noqa: S603
            return int(said.strip()) << 20
        return _UNKNOWN_GPU_BYTES
    return free_memory()


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
