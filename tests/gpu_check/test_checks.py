"""What each check makes of a measurement: one as it should be, and fakes that fail, each for a reason in the table."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from dlrun.gpu_check import table
from dlrun.gpu_check.check import Check, CheckPlace, Found
from dlrun.gpu_check.checks import CHECKS, DOCTOR_CHECKS, PROGRAMS
from dlrun.gpu_check.running import run_checks

BY_KEY = {check.program[-1]: check for check in CHECKS}

GOOD: Mapping[str, dict[str, Any]] = {
    "libraries": {
        "device": "gpu",
        "tensorflow": "2.21.0",
        "built": "CUDA 12.5.1, cuDNN 9",
        "driver": "550.54",
        "gpus": ["Card (capability 9.0)"],
        "missing": [],
        "cuda": "12.5",
        "cudnn": "9.3.0",
    },
    "growth": {"first": 1.5, "second": "1.5", "code": 0, "used": 900, "whole": 81920},
    "auto": {"device": "gpu", "capability": [8, 0], "precision": "bfloat16", "reason": "this GPU supports it"},
    "scores": {
        "device": "gpu",
        "float32": [0.98, 0.982, 0.984],
        "bfloat16": [0.981, 0.98, 0.985],
        "float16": [0.98, 0.98, 0.98],
    },
    "overflow": {"skipped": 22, "updates": 38, "scale": 2.0**18, "finite": True, "changed": True},
    "xla": {
        "models": ["mlp"],
        "errors": {},
        "scores": {"mlp/off": 0.95, "mlp/on": 0.955},
        "speed": {"mlp/off": 1000.0, "mlp/on": 2000.0},
        "mlp": "on (measured)",
    },
    "layers": {"device": "gpu", "differences": {"lstm": 1e-6, "gru masked": 3e-6}, "operations": ["CudnnRNNV3"]},
    "masks": {"errors": {}, "losses": {"padded": 0.6, "left": 0.7, "empty": 0.7}},
    "limit": {"layers": 9, "tries": [[2048, "the device ran out of memory with a batch of 2048"], [1024, ""]]},
    "replicas": {"one": [2.0, 1.0], "two": [2.0001, 1.0001]},
    "batch": {
        "slots": 2,
        "device": "gpu",
        "seen": ["0", "1"],
        "runs": [{"status": "completed", "device": "gpu:0 (Card)"}] * 4,
        "last": "gpu:0 (Card)",
    },
    "resume": {
        "epochs": 30,
        "killed_at": 3,
        "resumed": 1,
        "exact": True,
        "equal": True,
        "free_equal": False,
        "exact_speed": 800.0,
        "free_speed": 1000.0,
    },
    "export": {"device": "gpu:0 (Card)", "examples": 20, "difference": 1e-6, "bytes": 9000},
}

BAD: tuple[tuple[str, dict[str, Any], str], ...] = (
    ("libraries", {"missing": ["libcudnn.so.9"], "gpus": []}, "missing: libcudnn.so.9"),
    ("libraries", {"missing": ["libnccl.so.2"], "gpus": ["a", "b"]}, "missing: libnccl.so.2"),
    ("libraries", {"gpus": []}, "TensorFlow sees no GPU"),
    ("libraries", {"driver": ""}, "no NVIDIA driver"),
    ("growth", {"code": 1, "second": "CUDA_ERROR_OUT_OF_MEMORY"}, "cannot use the device: CUDA_ERROR_OUT_OF_MEMORY"),
    ("growth", {"used": 80000}, "hardly any memory holds 80,000 of 81,920 MiB"),
    ("growth", {"second": "2.5"}, "computed 2.5 instead of 1.5"),
    ("auto", {"precision": "float32"}, "capability (8, 0) has bfloat16"),
    ("auto", {"capability": None}, "does not tell the compute capability"),
    ("scores", {"bfloat16": [0.8, 0.8, 0.8]}, "bfloat16 reaches 0.8000"),
    ("scores", {"float16": [0.1, 0.98, 0.98]}, "float16 reaches"),
    ("overflow", {"skipped": 0}, "did not overflow"),
    ("overflow", {"finite": False}, "the weights are not finite"),
    ("overflow", {"updates": 0, "changed": False}, "did not change"),
    ("xla", {"scores": {"mlp/off": 0.95, "mlp/on": 0.5}}, "mlp reaches 0.5000 with XLA and 0.9500 without"),
    ("xla", {"errors": {"lstm, XLA on": "libdevice not found"}}, "lstm, XLA on: libdevice not found"),
    ("layers", {"differences": {"gru masked": 0.5}}, "gru masked differs by 5.0e-01"),
    ("layers", {"differences": {"lstm": float("nan")}}, "lstm differs by nan"),
    ("layers", {"operations": []}, "without cuDNN"),
    ("masks", {"errors": {"empty": "an operation failed"}}, "empty sequences: an operation failed"),
    ("masks", {"losses": {"left": float("nan")}}, "left sequences: the loss is nan"),
    ("limit", {"tries": [[2048, ""]]}, "a batch of 2048 fits"),
    ("limit", {"tries": [[2048, "the device ran out of memory"], [1, "ran out of memory"]]}, "a batch of 1"),
    ("limit", {"tries": [[2048, "InternalError"], [1024, ""]]}, "a batch of 2048: InternalError"),
    ("replicas", {"two": [2.0, 1.5]}, "differ by 5.0e-01"),
    ("batch", {"runs": [{"status": "failed", "device": "gpu:0"}] * 4}, "of 4 runs 0 completed"),
    ("batch", {"runs": [{"status": "completed", "device": "cpu"}] * 4}, "runs were trained on cpu"),
    ("batch", {"seen": ["0"]}, "saw the GPUs 0 instead of one of 2 each"),
    ("batch", {"last": "gpu:1 (Card)"}, "CUDA_VISIBLE_DEVICES with one GPU gave gpu:1 (Card)"),
    ("resume", {"killed_at": 30}, "was not killed in time: 30 of 30 epochs"),
    ("resume", {"equal": False}, "ended with other weights"),
    ("resume", {"exact": False}, "is not exact"),
    ("export", {"examples": 0}, "on no example"),
)


def line_of(check: Check, found: Found, tmp_path: Path) -> str:
    place = CheckPlace("gpu", 2, tmp_path)
    (row,) = run_checks([check], place, measure=lambda *_: found)
    return table.line(row, place)


def test_every_program_has_a_check_and_fakes_that_pass_and_fail() -> None:
    keys = {check.program[-1] for check in CHECKS}
    assert keys == PROGRAMS.keys() == GOOD.keys() == {key for key, _, _ in BAD}
    assert set(DOCTOR_CHECKS) < set(CHECKS)


@pytest.mark.parametrize("key", GOOD)
def test_a_measurement_as_it_should_be_passes(key: str, tmp_path: Path) -> None:
    line = line_of(BY_KEY[key], GOOD[key], tmp_path)
    assert line.startswith(f"| {BY_KEY[key].name} | ok | "), line


@pytest.mark.parametrize(("key", "fake", "reason"), BAD)
def test_a_measurement_that_is_wrong_fails_with_its_reason(
    key: str, fake: dict[str, Any], reason: str, tmp_path: Path
) -> None:
    line = line_of(BY_KEY[key], {**GOOD[key], **fake}, tmp_path)
    assert line.startswith(f"| {BY_KEY[key].name} | failed | failed: "), line
    assert reason in line


@pytest.mark.parametrize("key", GOOD)
def test_a_measurement_that_lacks_something_fails(key: str, tmp_path: Path) -> None:
    assert "failed: its program did not measure" in line_of(BY_KEY[key], {}, tmp_path)


def test_a_check_that_does_not_apply_says_why(tmp_path: Path) -> None:
    one = CheckPlace("gpu", 1, tmp_path)
    assert BY_KEY["replicas"].hindrance(one) == "needs two GPUs, and here is one"
    assert not BY_KEY["replicas"].hindrance(CheckPlace("cpu", 2, tmp_path))
    assert "not filled" in BY_KEY["limit"].hindrance(CheckPlace("cpu", 2, tmp_path))
    assert not BY_KEY["limit"].hindrance(one)


def test_without_the_extra_onnx_the_export_does_not_apply(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    assert "needs onnx" in BY_KEY["export"].hindrance(CheckPlace("gpu", 1, tmp_path))


def test_one_gpu_works_without_nccl(tmp_path: Path) -> None:
    line = line_of(BY_KEY["libraries"], {**GOOD["libraries"], "missing": ["libnccl.so.2"]}, tmp_path)
    assert "| ok |" in line
    assert "not needed: libnccl.so.2" in line


def test_on_a_cpu_float16_and_the_libraries_do_not_count(tmp_path: Path) -> None:
    scores = {"device": "cpu", "float32": [0.98, 0.98], "bfloat16": [0.98, 0.98]}
    assert "no float16 on a CPU" in line_of(BY_KEY["scores"], scores, tmp_path / "a")
    libraries = {**GOOD["libraries"], "device": "cpu", "gpus": [], "driver": "", "missing": ["libcuda.so.1"]}
    assert "| ok |" in line_of(BY_KEY["libraries"], libraries, tmp_path / "b")
