"""A batch that does not fit: dlrun suggests smaller ones until one works."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from dlrun.errors import RunError
from dlrun.gpu_check.check import CheckPlace, CheckVerdict, Found
from dlrun.gpu_check.program import train_here

FIRST_BATCH = 2048
_SIDE, _FILTERS = 32, 1000
"""One layer's output of the first batch has just under 2^31 values, which not all kernels can index beyond."""
_HINT = "--set training.batch_size="
_MOST_TRIES = 8


def need_gpu(place: CheckPlace) -> str:
    """Return that the memory of the host is not filled for a rehearsal: the system might end other processes."""
    return "the memory of the host is not filled for a rehearsal" if place.is_rehearsal else ""


def measure_limit(place: CheckPlace) -> Found:
    """Train a network with as many layers as it takes to fill the free memory, and do as the error says."""
    import numpy as np

    from dlrun.training.devices.device import choose_device, free_bytes

    values = FIRST_BATCH * _SIDE * _SIDE * _FILTERS
    # Each layer keeps two bytes of a value at least, for the way back.
    layers = 2 + free_bytes(choose_device(place.device)) // (2 * values)
    path = place.folder / "many.npz"
    images = np.random.default_rng(0).integers(0, 255, (FIRST_BATCH, _SIDE, _SIDE, 3), np.uint8)
    labels = np.arange(FIRST_BATCH) % 2
    np.savez(path, x_train=images, y_train=labels, x_test=images[:8], y_test=labels[:8])
    config = {
        "name": "large",
        "dataset": {"type": "arrays", "path": str(path)},
        "model": {"type": "cnn", "blocks": [{"filters": _FILTERS, "kernel_size": 1}] * layers},
        "optimizer": "sgd",
        "loss": "sparse_categorical_crossentropy",
        "training": {"epochs": 1, "jit": "off", "report": False, "tensorboard": False, "evaluation_batch_size": 8},
    }
    return {"tries": follow_hints(place, config), "layers": layers}


def follow_hints(place: CheckPlace, config: Mapping[str, Any]) -> list[list[Any]]:
    """Train, and each time that the memory does not suffice, train again with the batch size that the error names.

    Returns:
        The batch sizes that were tried, each with its error, which is empty for the one that worked.
    """
    size = FIRST_BATCH
    tries: list[list[Any]] = []
    while len(tries) < _MOST_TRIES:
        try:
            train_here(place, config, f"training.batch_size={size}")
        except RunError as error:
            tries.append([size, error.what])
            if not error.hint.startswith(_HINT):
                return tries
            size = int(error.hint.removeprefix(_HINT))
        else:
            return [*tries, [size, ""]]
    return tries


def judge_limit(found: Found) -> CheckVerdict:
    """Pass if the first batch did not fit, and one that dlrun suggested did."""
    tries = found["tries"]
    problems = []
    if not tries[0][1]:
        problems.append(f"a batch of {tries[0][0]} fits, so that nothing was seen")
    elif tries[-1][1]:
        problems.append(f"a batch of {tries[-1][0]}: {tries[-1][1]}")
    problems += [f"a batch of {size}: {what}" for size, what in tries if what and "out of memory" not in what]
    sizes = ", then ".join(str(size) for size, _ in tries)
    return CheckVerdict.of(problems, f"batches of {sizes}: the last one works ({found['layers']} layers)")
