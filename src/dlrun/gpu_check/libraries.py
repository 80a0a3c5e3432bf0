"""Driver, CUDA and cuDNN, or the library that is missing, by name; and whether memory is left for another process."""

from __future__ import annotations

import ctypes
import re
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

from dlrun.gpu_check.check import CheckPlace, CheckVerdict, Found
from dlrun.system.interpreter import python_command, python_environment
from dlrun.training.devices.gpus import number_as_nvidia_smi

_LIBRARIES = (
    "libcuda.so.1", "libcudart.so.12", "libcublas.so.12", "libcublasLt.so.12", "libcufft.so.11", "libcusolver.so.11",
    "libcusparse.so.12", "libcudnn.so.9", "libnccl.so.2",
)  # fmt: skip
"""What TensorFlow 2.21 loads; without one of them it sees no GPU. Only several GPUs need the last one."""
_DRIVER = Path("/proc/driver/nvidia/version")
_LARGEST_SHARE = 0.5
"""The largest fraction of a GPU's memory that a process may hold that needs hardly any."""
_USES_GPU = """
import json, sys
from dlrun.training.devices.device import choose_device
choose_device(sys.argv[1])
import tensorflow as tf
total = float(tf.reduce_sum(tf.matmul(tf.ones((512, 512)), tf.ones((512, 512)))))
print(json.dumps(total))
"""


def measure_libraries(place: CheckPlace) -> Found:
    """Find the driver, the libraries, and the GPUs that TensorFlow sees."""
    number_as_nvidia_smi()
    import tensorflow as tf

    gpus = tf.config.list_physical_devices("GPU")  # loads the libraries, wherever they are
    details = [tf.config.experimental.get_device_details(gpu) for gpu in gpus]
    built = tf.sysconfig.get_build_info()
    return {
        "device": place.device,
        "tensorflow": tf.__version__,
        "built": f"CUDA {built.get('cuda_version', 'none')}, cuDNN {built.get('cudnn_version', 'none')}",
        "driver": _driver(),
        "gpus": [f"{each.get('device_name')} ({_joined(each.get('compute_capability'))})" for each in details],
        "missing": [name for name in _LIBRARIES if _loaded(name) is None],
        "cuda": _version("libcudart.so.12", "cudaRuntimeGetVersion", thousands=10),
        "cudnn": _cudnn_version(),
    }


def judge_libraries(found: Found) -> CheckVerdict:
    """Pass if TensorFlow sees a GPU and no library is missing; a rehearsal only tells what there is."""
    missing = ", ".join(found["missing"])
    if found["device"] == "cpu":
        return CheckVerdict(
            "ok", f"TensorFlow {found['tensorflow']} was built for {found['built']}; missing: {missing}"
        )
    problems = []
    if not found["driver"]:
        problems.append("there is no NVIDIA driver")
    needed = not found["gpus"] or (len(found["gpus"]) > 1 and _LIBRARIES[-1] in missing)
    if missing and needed:
        problems.append(f"missing: {missing} (pip install 'dlrun[gpu]')")
    if not found["gpus"]:
        problems.append("TensorFlow sees no GPU")
    seen = f"{', '.join(found['gpus'])}; driver {found['driver']}, CUDA {found['cuda']}, cuDNN {found['cudnn']}"
    text = f"{seen}; TensorFlow {found['tensorflow']}, built for {found['built']}"
    return CheckVerdict.of(problems, f"{text}; not found, and not needed: {missing}" if missing else text)


def measure_growth(place: CheckPlace) -> Found:
    """Compute something small, keep the device, and let a second process compute the same on it."""
    import tensorflow as tf

    from dlrun.training.devices.device import choose_device

    before, _ = _memory() if not place.is_rehearsal else (0, 0)
    device = choose_device(place.device)
    total = float(tf.reduce_sum(tf.matmul(tf.ones((512, 512)), tf.ones((512, 512)))))
    done = subprocess.run(  # noqa: S603  this interpreter, without a shell
        python_command("-c", _USES_GPU, place.device),
        env=python_environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    used, whole = _memory() if device.is_gpu else (0, 0)
    lines = (done.stdout if not done.returncode else done.stderr).strip().splitlines()
    return {
        "first": total,
        "second": lines[-1] if lines else "nothing",
        "code": done.returncode,
        "used": max(0, used - before),  # others may use this GPU too
        "whole": whole,
    }


def judge_growth(found: Found) -> CheckVerdict:
    """Pass if both processes computed, and the first one left most of the memory."""
    problems = []
    if found["code"]:
        problems.append(f"a second process cannot use the device: {found['second']}")
    elif float(found["second"]) != found["first"]:
        problems.append(f"a second process computed {found['second']} instead of {found['first']}")
    used, whole = found["used"], found["whole"]
    if whole and used > _LARGEST_SHARE * whole:
        problems.append(f"a process that needs hardly any memory holds {used:,} of {whole:,} MiB")
    held = f"{used:,} of {whole:,} MiB held" if whole else "memory not measured"
    return CheckVerdict.of(problems, f"a second process computes on the same device; {held}")


def _memory() -> tuple[int, int]:
    """Return the used and the whole memory of the first GPU in MiB; zeros if nvidia-smi cannot tell."""
    from dlrun.training.devices.gpus import visible_gpus

    name = (visible_gpus() or ["0"])[0]
    query = ("nvidia-smi", "--query-gpu=memory.used,memory.total", "--format=csv,noheader,nounits", f"--id={name}")
    with suppress(OSError, ValueError, subprocess.SubprocessError):
        done = subprocess.run(query, capture_output=True, text=True, timeout=10, check=True)  # noqa: S603
        used, whole = done.stdout.strip().split(",")
        return int(used), int(whole)
    return 0, 0


def _driver() -> str:
    with suppress(OSError):
        if found := re.search(r"\b\d+\.\d+(\.\d+)?\b", _DRIVER.read_text()):
            return found[0]
    query = ("nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader")
    with suppress(OSError, subprocess.SubprocessError):
        done = subprocess.run(query, capture_output=True, text=True, timeout=10, check=True)  # noqa: S603
        return (done.stdout.strip().splitlines() or [""])[0]
    return ""


def _loaded(name: str) -> Any:
    """Return a library: as it is loaded already or on the system's path, or from NVIDIA's Python packages."""
    packages = (Path(entry) / "nvidia" for entry in sys.path if entry)
    for candidate in (name, *(str(path) for folder in packages for path in folder.glob(f"*/lib/{name}"))):
        with suppress(OSError):
            return ctypes.CDLL(candidate)
    return None


def _version(library: str, function: str, *, thousands: int) -> str:
    """Return a version that a library writes as 1000 * major + `thousands` * minor."""
    loaded, number = _loaded(library), ctypes.c_int()
    if loaded is None or getattr(loaded, function)(ctypes.byref(number)):
        return "none"
    return f"{number.value // 1000}.{number.value % 1000 // thousands}"


def _cudnn_version() -> str:
    loaded = _loaded("libcudnn.so.9")
    if loaded is None:
        return "none"
    function = loaded.cudnnGetVersion
    function.restype = ctypes.c_size_t
    number = int(function())
    return f"{number // 10000}.{number // 100 % 100}.{number % 100}"


def _joined(capability: Any) -> str:
    return f"capability {'.'.join(map(str, capability))}" if capability else "capability unknown"
