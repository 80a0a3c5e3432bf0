"""Choose the device and the precision of a training, each with a reason that is printed and stored."""

from __future__ import annotations

import contextlib
import math
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
from dlrun.system.keras_internals import all_layers
from dlrun.system.memory import free_memory
from dlrun.training.devices.gpus import free_gpu_bytes, number_as_nvidia_smi

_OLDEST_BFLOAT16_GPU = (8, 0)  # the compute capability of Ampere
_OLDEST_FLOAT16_GPU = (7, 0)  # that of Volta, the first GPU with tensor cores
_UNKNOWN_GPU_BYTES = 4 * 2**30
_MOVES = ("RandomRotation", "RandomZoom", "RandomTranslation", "RandomShear", "RandomPerspective")
_MADE_OF_SOFTPLUS = ("softplus", "mish", "log_sigmoid")
_WIDE_DENSE = 512 * 512 * 128
"""The multiplications of one dense layer in one step from which bfloat16 was measured to be faster."""
_CONVOLUTIONS = (keras.layers.Conv1D, keras.layers.Conv2D, keras.layers.Conv3D)
_DENSE = (
    keras.layers.InputLayer,
    keras.layers.Flatten,
    keras.layers.Dense,
    keras.layers.Activation,
    keras.layers.BatchNormalization,
    keras.layers.Dropout,
    keras.layers.Reshape,
    keras.layers.Concatenate,
)
_OWN_DENSE = (
    "MemberScale", "MemberDense", "MemberMean", "PeriodicEmbedding", "PiecewiseLinearEmbedding", "RatedScale",
    "ParametricActivation",
)  # fmt: skip
"""Layers of `models/parts/` that consist of products and elementwise operations."""


@dataclass(frozen=True)
class Device:
    """One device, or several of one kind, with their TensorFlow names and the reason for the choice."""

    names: tuple[str, ...]
    choice: Choice
    compute_capability: tuple[int, int] | None = None

    @property
    def is_gpu(self) -> bool:
        """Whether the device is a GPU."""
        return "GPU" in self.names[0]


def choose_device(wanted: str, *, workers: int = 1) -> Device:
    """Return the devices that `training.device` asks for, and keep TensorFlow from using the others.

    Args:
        wanted: `auto`, `cpu` or `gpu`; the latter two also with numbers, such as `cpu:0,1` or `gpu:2`.
        workers: The number of processes that train together. Each uses every GPU that it sees, unless `wanted` has
            numbers.

    Returns:
        The device or devices, and why they were chosen.

    Raises:
        UsageError: A requested device does not exist.
        RunError: TensorFlow has started already, and can no longer change its device.
    """
    number_as_nvidia_smi()
    gpus = tf.config.list_physical_devices("GPU")
    kind, _, numbers = wanted.partition(":")
    indices = [int(number) for number in numbers.split(",")] if numbers else [0]
    if len(set(indices)) < len(indices):
        message = f"training.device is {wanted!r}, which names a device twice"
        raise UsageError(message, expected="each device once", hint=f"--set training.device={kind}:0,1")
    if kind == "cpu" or (kind == "auto" and not gpus):
        _use_only([])
        reason = "asked for" if kind == "cpu" else "TensorFlow sees no GPU"
        if not numbers:
            return Device(("/CPU:0",), Choice(value="cpu", reason=reason))
        return _logical_cpus(wanted, indices)
    if not numbers and workers > 1:
        indices = list(range(len(gpus))) or indices
    if max(indices) >= len(gpus):
        found = f"TensorFlow sees {len(gpus)} GPU{'s' if len(gpus) > 1 else ''}" if gpus else "TensorFlow sees no GPU"
        hint = "dlrun doctor, or --set training.device=auto"
        raise UsageError(f"training.device is {wanted!r}, but {found}", expected="an existing device", hint=hint)
    chosen = [gpus[index] for index in indices]
    _use_only(chosen)
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
    """Return the processor as several logical devices, each of which computes one part of every batch."""
    if max(indices) >= usable_cores():
        message = f"training.device is {wanted!r}, but this process may use only {usable_cores()} cores"
        hint = "--set training.device=cpu uses all cores as one device"
        raise UsageError(message, expected="at most as many logical CPUs as cores", hint=hint)
    wanted_count = max(indices) + 1
    if wanted_count > 1:
        (cpu,) = tf.config.list_physical_devices("CPU")
        try:
            tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * wanted_count)
        except RuntimeError as error:  # TensorFlow has started already, for example in a notebook
            if len(tf.config.list_logical_devices("CPU")) < wanted_count:
                raise RunError(f"TensorFlow has started and can no longer change its devices: {error}") from error
    return Device(tuple(f"/CPU:{index}" for index in indices), Choice(value=wanted, reason="asked for"))


def choose_precision(training: Training, device: Device, build: Callable[[], keras.Model]) -> Choice:
    """Choose the dtype that layers compute in.

    Args:
        training: The training section of the spec.
        device: The device that the model will run on.
        build: Builds the model in float32; called only if the choice depends on its layers.

    Returns:
        The precision, and why it was chosen.

    Raises:
        UsageError: The spec asks for float16 on a CPU.
    """
    if training.precision == "float16" and not device.is_gpu:
        raise UsageError(
            "training.precision is float16, which is slow and inexact on a CPU",
            expected="float32 or bfloat16 on a CPU",
            hint="--set training.precision=auto",
        )
    if training.precision != "auto":
        return Choice(value=training.precision, reason="asked for")
    choice = _fast_precision(training, device, build)
    layers = all_layers(build()) if choice.value != "float32" else []
    if layer := _only_in_float32(layers):
        return Choice(value="float32", reason=f"TensorFlow has no gradient of {layer} in {choice.value}")
    if device.is_gpu and choice.value == "bfloat16" and (activation := _softplus_activation(layers)):
        return Choice(value="float32", reason=f"TensorFlow computes {activation} in bfloat16 on the CPU only")
    return choice


def _fast_precision(training: Training, device: Device, build: Callable[[], keras.Model]) -> Choice:
    """Return the precision that is fast on the device, whether or not all layers support it."""
    if device.is_gpu:
        capability = device.compute_capability or (0, 0)
        if capability >= _OLDEST_BFLOAT16_GPU:
            return Choice(value="bfloat16", reason="this GPU supports it")
        if capability >= _OLDEST_FLOAT16_GPU:
            return Choice(value="float16", reason="this GPU has no bfloat16; losses are scaled")
        return Choice(value="float32", reason="this GPU has no fast 16-bit arithmetic")
    return _cpu_precision(training, build) if cpu_has_amx() else Choice(value="float32", reason="this CPU has no AMX")


def _cpu_precision(training: Training, build: Callable[[], keras.Model]) -> Choice:
    # Measured on two cores of a Sapphire Rapids. Three convolutions on MNIST are 2 times as fast in bfloat16. Dense
    # layers of 512 x 512 are equally fast with batches of 32 and 1.3 times as fast with 128; of 1024 x 1024, 2 times
    # as fast with batches of 256.
    layers = all_layers(build())
    if any(isinstance(layer, keras.layers.RNN) for layer in layers):
        return Choice(value="float32", reason="recurrent layers are slower in bfloat16 on a CPU")
    if has_convolutions(layers):
        return Choice(value="bfloat16", reason="convolutions on a CPU with AMX")
    dense = [layer.kernel for layer in layers if isinstance(layer, keras.layers.Dense)]
    if max((math.prod(kernel.shape) for kernel in dense), default=0) * training.batch_size >= _WIDE_DENSE:
        return Choice(value="bfloat16", reason="wide dense layers on a CPU with AMX")
    return Choice(value="float32", reason="neither convolutions nor wide dense layers")


def _only_in_float32(layers: Iterable[keras.Layer]) -> str:
    """Return the name of the first layer without a gradient in 16 bits; empty if there is none.

    A layer needs a gradient only if it follows one with weights. TensorFlow 2.21 has the gradients of geometric image
    transformations, and of resizing with filters, in float32 only.
    """
    is_behind_weights = False
    for layer in layers:
        moves = type(layer).__name__ in _MOVES
        filters = getattr(layer, "interpolation", "nearest") not in ("nearest", "bilinear", "bicubic")
        if is_behind_weights and (moves or filters):
            return str(layer.name)
        is_behind_weights |= not isinstance(layer, keras.Model) and bool(layer.trainable_weights)
    return ""


def _softplus_activation(layers: Iterable[keras.Layer]) -> str:
    """Return the name of the first activation that is made of softplus, which TensorFlow 2.21 has no GPU kernel for.

    That is so in bfloat16 only. In each step, it would copy the values to the CPU and back.
    """
    for layer in layers:
        activation = getattr(layer, "activation", None)
        name = activation if isinstance(activation, str) else getattr(activation, "__name__", "")
        if name in _MADE_OF_SOFTPLUS:
            return name
    return ""


def has_convolutions(layers: Iterable[keras.Layer]) -> bool:
    """Return whether any of the layers is a convolution."""
    return any(isinstance(layer, _CONVOLUTIONS) for layer in layers)


def is_dense(layers: Iterable[keras.Layer]) -> bool:
    """Return whether all computing layers are dense: no recurrent, convolutional or unknown layers."""
    return all(isinstance(layer, (keras.Model, *_DENSE)) or type(layer).__name__ in _OWN_DENSE for layer in layers)


def share_cores(shares: int, *, cores: int) -> None:
    """Divide the CPU cores among the parts of a batch, through TensorFlow's threads inside one operation.

    Args:
        shares: The number of parts that each batch is cut into.
        cores: The number of cores that this process may use.
    """
    if shares > 1:
        # If TensorFlow has started already, for example in a notebook, its threads stay as they are.
        with contextlib.suppress(RuntimeError):
            tf.config.threading.set_intra_op_parallelism_threads(max(1, cores // shares))


def free_bytes(device: Device) -> int:
    """Return the free memory of the device in bytes; a cautious guess if it cannot be queried."""
    if device.is_gpu:
        numbers = device.choice.value.partition(":")[2].partition(" ")[0].split(",")
        found = free_gpu_bytes([int(number) for number in numbers])
        return _UNKNOWN_GPU_BYTES if found is None else found
    return free_memory()


@contextmanager
def dtype_policy(precision: str) -> Iterator[None]:
    """Make layers created inside the block compute in `precision`, with their variables in float32."""
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy("float32" if precision == "float32" else f"mixed_{precision}")
    try:
        yield
    finally:
        keras.config.set_dtype_policy(before)


def _use_only(gpus: list[object]) -> None:
    """Hide all other GPUs, and allocate memory as needed instead of all at once.

    Raises:
        RunError: TensorFlow has started already, for example in a notebook, and would use other GPUs.
    """
    try:
        tf.config.set_visible_devices(gpus, "GPU")
        for gpu in gpus:
            tf.config.experimental.set_memory_growth(gpu, enable=True)
    except RuntimeError as error:
        # `/GPU:0` is the first visible GPU: further ones do no harm.
        visible = tf.config.get_visible_devices("GPU")
        if visible[: len(gpus)] != gpus or (visible and not gpus):
            raise RunError(f"TensorFlow has started and can no longer change its device: {error}") from error


def can_hide_gpus() -> bool:
    """Hide all GPUs from TensorFlow, and return whether that is possible: not after it has started to use one."""
    try:
        tf.config.set_visible_devices([], "GPU")
    except RuntimeError:
        return False
    return True


def cpu_has_amx() -> bool:
    """Return whether this CPU multiplies bfloat16 matrices in hardware."""
    try:
        return " amx_bf16" in Path("/proc/cpuinfo").read_text()
    except OSError:
        return False
