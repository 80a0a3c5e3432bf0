"""The GPUs that this process may use, and their free memory."""

import os
from pathlib import Path

import pytest

from dlrun.training.devices import gpus


@pytest.mark.parametrize(
    ("variable", "expected"),
    [
        ("", []),
        ("-1", []),
        ("NoDevFiles", []),
        ("2, 0", ["2", "0"]),
        ("0,-1,1", ["0"]),
        ("GPU-a1,MIG-b2", ["GPU-a1", "MIG-b2"]),
    ],
)
def test_cuda_visible_devices_is_read_as_cuda_reads_it(
    variable: str, expected: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", variable)
    assert gpus.visible_gpus() == expected


def test_without_the_variable_the_driver_tells_the_gpus(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    monkeypatch.setattr(gpus, "_GPUS", tmp_path / "none")
    assert gpus.visible_gpus() == []
    for name in ("0000:01:00.0", "0000:02:00.0"):
        (tmp_path / name).mkdir()
    monkeypatch.setattr(gpus, "_GPUS", tmp_path)
    assert gpus.visible_gpus() == ["0", "1"]


def test_free_memory_is_that_of_the_fullest_visible_gpu(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    command = tmp_path / "nvidia-smi"
    command.write_text(f'#!/bin/sh\necho "$@" > {tmp_path}/asked\nprintf "7000\\n5\\n"\n')
    command.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "3,GPU-a1,7")
    assert gpus.free_gpu_bytes([1, 2]) == 5 << 20
    assert "--id=GPU-a1,7" in (tmp_path / "asked").read_text()


def test_without_nvidia_smi_the_free_memory_is_unknown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert gpus.free_gpu_bytes([0]) is None


def test_gpus_are_numbered_as_by_nvidia_smi_unless_the_user_says_otherwise(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_DEVICE_ORDER", "FASTEST_FIRST")
    gpus.number_as_nvidia_smi()
    assert os.environ["CUDA_DEVICE_ORDER"] == "FASTEST_FIRST"
    monkeypatch.delenv("CUDA_DEVICE_ORDER")
    gpus.number_as_nvidia_smi()
    assert os.environ["CUDA_DEVICE_ORDER"] == "PCI_BUS_ID"
    monkeypatch.delenv("CUDA_DEVICE_ORDER")
