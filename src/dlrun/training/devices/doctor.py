"""Check the machine and the installation, with advice for whatever could be better."""

from __future__ import annotations

import importlib.util
import os
import shutil
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from dlrun.runs.provenance import machine as provenance

_GIB = 1 << 30
_LITTLE_DISK = 2 * _GIB
_SLOW_IMPORT_SECONDS = 8


@dataclass(frozen=True)
class Diagnosis:
    """One line of the report of `dlrun doctor`."""

    subject: str
    status: Literal["ok", "warning", "failure"]
    text: str
    advice: str = ""


def examine(runs_dir: Path) -> Iterator[Diagnosis]:
    """Check everything that a training needs.

    Args:
        runs_dir: The folder for new run folders.

    Yields:
        One finding after another.
    """
    for name, version in provenance.versions().items():
        yield Diagnosis(name, "ok", version)
    machine = provenance.machine()
    yield Diagnosis("machine", "ok", ", ".join(f"{key} {value}" for key, value in machine.items()))
    yield from _tensorflow()
    yield from _runs_folder(runs_dir)
    yield _datasets()
    yield from _slow_imports()


def _tensorflow() -> Iterator[Diagnosis]:
    start = time.perf_counter()
    import keras
    import tensorflow as tf

    from dlrun.training.devices.device import cpu_has_amx
    from dlrun.training.devices.gpus import number_as_nvidia_smi

    number_as_nvidia_smi()
    seconds = time.perf_counter() - start
    if seconds > _SLOW_IMPORT_SECONDS:
        advice = (
            "compile the bytecode of the environment: python -m compileall -q, or uv pip install --compile-bytecode"
        )
        yield Diagnosis("import", "warning", f"TensorFlow takes {seconds:.1f} s to import", advice)
    else:
        yield Diagnosis("import", "ok", f"TensorFlow in {seconds:.1f} s")
    if keras.backend.backend() != "tensorflow":
        found = keras.backend.backend()
        yield Diagnosis(
            "backend", "failure", f"Keras runs on {found}", "unset KERAS_BACKEND, and edit ~/.keras/keras.json"
        )
    gpus = tf.config.list_physical_devices("GPU")
    for index, gpu in enumerate(gpus):
        details = tf.config.experimental.get_device_details(gpu)
        yield Diagnosis(
            f"gpu:{index}", "ok", f"{details.get('device_name')}, capability {details.get('compute_capability')}"
        )
    if not gpus and Path("/proc/driver/nvidia").exists():
        advice = "pip install 'dlrun[gpu]', which brings TensorFlow's CUDA packages"
        yield Diagnosis("gpu", "warning", "an NVIDIA driver is installed, but TensorFlow sees no GPU", advice)
    elif not gpus:
        amx = "with AMX: convolutions run in bfloat16" if cpu_has_amx() else "without AMX: float32"
        yield Diagnosis("gpu", "ok", f"none; the CPU trains, {amx}")


def _runs_folder(runs_dir: Path) -> Iterator[Diagnosis]:
    folder = next(place for place in (runs_dir, *runs_dir.absolute().parents) if place.exists())
    if not os.access(folder, os.W_OK):
        yield Diagnosis("runs", "failure", f"{folder} is not writable", "choose another with --runs-dir or DLRUN_RUNS")
        return
    free = shutil.disk_usage(folder).free
    status: Literal["ok", "warning"] = "ok" if free > _LITTLE_DISK else "warning"
    advice = "" if status == "ok" else "free some space, or choose another folder with --runs-dir"
    yield Diagnosis("runs", status, f"{runs_dir}, {free / _GIB:.0f} GiB free", advice)


def _datasets() -> Diagnosis:
    folder = Path(os.environ.get("TFDS_DATA_DIR") or "~/tensorflow_datasets").expanduser()
    prepared = sorted(entry.name for entry in folder.iterdir() if entry.is_dir()) if folder.is_dir() else []
    found = ", ".join(prepared) if prepared else "nothing prepared; the first use of a dataset downloads it"
    return Diagnosis("tfds data", "ok", f"{folder}: {found}")


def _slow_imports() -> Iterator[Diagnosis]:
    for name in ("sklearn", "pandas"):
        if importlib.util.find_spec(name):
            message = f"{name} is installed, which Keras imports at every start"
            yield Diagnosis(name, "warning", message, "dlrun starts faster in an environment of its own")
