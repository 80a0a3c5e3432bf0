"""Record what determines the bits of a result besides spec and data: versions, device, threads, processor."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from hashlib import sha256
from pathlib import Path

from dlrun.runs.provenance import machine as provenance

_SWITCHES = ("TF_ENABLE_ONEDNN_OPTS", "ONEDNN_MAX_CPU_ISA", "XLA_FLAGS", "TF_XLA_FLAGS", "NVIDIA_TF32_OVERRIDE")
"""Environment variables that change the arithmetic of TensorFlow."""
_OF_MACHINE = ("device", "cpu", "cpu features", "cores")


def is_of_machine(key: str) -> bool:
    """Return whether a key of the environment tells one machine from another, and nothing about what is installed."""
    return key in _OF_MACHINE or key.endswith(" threads")


_ADDED_SWITCHES = ("TF_DETERMINISTIC_OPS",)
"""Further ones, which are recorded only where they are set: earlier runs have no record of them."""


def environment(*, device: str, workers: int, threads: Mapping[str, int]) -> dict[str, str]:
    """Return everything that two runs must share to be equal to the bit.

    Args:
        device: The chosen device, or that of each worker.
        workers: The number of processes that train together.
        threads: TensorFlow's thread pools and their sizes.
    """
    machine = provenance.machine()
    return {
        **provenance.versions(),
        "device": device,
        "workers": str(workers),
        "cpu": str(machine["cpu"]),
        "cpu features": _cpu_features(),
        "cores": str(machine["usable_cores"]),
        **{f"{pool} threads": str(size) for pool, size in threads.items()},
        **{name: os.environ.get(name, "") for name in _SWITCHES},
        **{name: value for name in _ADDED_SWITCHES if (value := os.environ.get(name))},
    }


def differences(before: Mapping[str, str], now: Mapping[str, str]) -> Iterator[tuple[str, str, str]]:
    """Yield each key whose value has changed, with the old and the new value."""
    for key in sorted({*before, *now}):
        if before.get(key) != now.get(key):
            yield key, before.get(key, "unknown"), now.get(key, "unknown")


def _cpu_features() -> str:
    """Return a digest of the CPU's instruction sets, which determine the kernels that libraries choose."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return "unknown"
    flags = next((line for line in lines if line.startswith(("flags", "Features"))), "")
    return sha256(flags.partition(":")[2].strip().encode()).hexdigest()[:12]
