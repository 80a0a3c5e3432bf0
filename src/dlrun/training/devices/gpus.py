"""Find out which GPUs this process may use and how much of their memory is free, without importing TensorFlow."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Sequence
from contextlib import suppress
from itertools import takewhile
from pathlib import Path

_GPUS = Path("/proc/driver/nvidia/gpus")
_PATIENCE_SECONDS = 10


def number_as_nvidia_smi() -> None:
    """Make `gpu:1` the GPU that nvidia-smi calls 1; call this before TensorFlow looks for GPUs.

    CUDA puts the fastest GPU first unless CUDA_DEVICE_ORDER says otherwise.
    """
    os.environ.setdefault("CUDA_DEVICE_ORDER", "PCI_BUS_ID")


def visible_gpus() -> list[str]:
    """Return the GPUs that a process started from here would see, by the names that CUDA_VISIBLE_DEVICES takes."""
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    if visible is not None:
        # As CUDA does: the list ends at the first entry that is not a GPU. Slurm writes NoDevFiles if there are none.
        return list(takewhile(_is_gpu, (name.strip() for name in visible.split(","))))
    with suppress(OSError):
        return [str(index) for index, _ in enumerate(_GPUS.iterdir())]
    return []


def _is_gpu(name: str) -> bool:
    return name.isdecimal() or name.startswith(("GPU-", "MIG-"))


def free_gpu_bytes(indices: Sequence[int]) -> int | None:
    """Return the free memory of the fullest of some GPUs, in bytes; None if nvidia-smi cannot tell.

    Args:
        indices: Their numbers among the GPUs that this process sees.
    """
    names = visible_gpus()
    # nvidia-smi knows all GPUs of the machine, whatever CUDA_VISIBLE_DEVICES says.
    chosen = [names[index] if index < len(names) else str(index) for index in indices]
    query = ("nvidia-smi", "--query-gpu=memory.free", "--format=csv,noheader,nounits", f"--id={','.join(chosen)}")
    with suppress(OSError, ValueError, subprocess.SubprocessError):
        done = subprocess.run(query, capture_output=True, text=True, timeout=_PATIENCE_SECONDS, check=True)  # noqa: S603
        return min(int(line) for line in done.stdout.split()) << 20
    return None
