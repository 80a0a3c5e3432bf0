"""The script behind `make gpu`: what it says of speeds, and that it times the models of the configs."""

import importlib.util
import os
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from dlrun.spec.parse import read_spec

BENCHMARKS = Path(__file__).parent / "benchmarks"
CONFIGS = Path(__file__).parents[1] / "configs"


def load(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[path.stem] = module  # dataclasses look it up
    spec.loader.exec_module(module)
    return module


def measured(**changes: Any) -> dict[str, Any]:
    found = {
        "precision": "bfloat16",
        "jit": "off",
        "batch_size": 256,
        "dlrun": {"examples_per_second": 1000.0, "waits": 0.0},
        "fit": {"examples_per_second": 500.0, "waits": 0.25},
    }
    return {**found, **changes}


def test_speeds_stand_beside_each_other_and_pytorch_may_be_missing() -> None:
    verdict = load(BENCHMARKS / "gpu.py").judge_speed(measured())
    assert verdict.status == "ok"
    assert "dlrun 1,000/s, 0% waiting for data; fit 500/s (dlrun 2.0x), 25% waiting for data" in verdict.text
    assert "PyTorch is not installed" in verdict.text


def test_a_contestant_that_fails_is_named_with_its_reason() -> None:
    verdict = load(BENCHMARKS / "gpu.py").judge_speed(measured(torch={"error": "CUDA error"}))
    assert (verdict.status, verdict.text) == ("failed", "PyTorch: CUDA error")


@pytest.mark.parametrize("name", ["mnist_cnn", "cifar_images_cnn", "sequence_lstm"])
def test_the_timed_models_are_those_of_the_configs(name: str) -> None:
    work = load(BENCHMARKS / "gpu" / "gpu_works.py").WORKS[name]
    own_data = ("dataset={type: builtin, name: digits}",) if name == "cifar_images_cnn" else ()  # its own is not here
    model = read_spec(CONFIGS / f"{name}.yaml", own_data).spec.plain()["model"]
    for key, value in work.model.items():
        if key == "blocks":
            for block, own in zip(value, model["blocks"], strict=True):
                assert {part: own[part] for part in block} == block
        else:
            assert model[key] == value, key
    kinds = [(kind, size) for kind, size in work.layers if kind.startswith(("convolution", "dense", "lstm"))]
    sizes = [block["filters"] for block in model.get("blocks", ())] + [*model.get("head_units", ())]
    assert [size for _, size in kinds] == (sizes or list(model["units"]))


@pytest.mark.tensorflow
@pytest.mark.soak
def test_a_rehearsal_on_the_cpu_passes() -> None:
    command = [sys.executable, str(BENCHMARKS / "gpu.py"), "--device", "cpu"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Rehearsal on the CPU" in done.stdout
    assert " 0 failed" in done.stdout
    assert " | ok | " not in done.stdout  # each result is marked


@pytest.mark.tensorflow
def test_without_a_gpu_the_table_says_so_and_the_exit_code_tells(tmp_path: Path) -> None:
    environment = {**os.environ, "CUDA_VISIBLE_DEVICES": "-1"}
    command = [sys.executable, str(BENCHMARKS / "gpu.py"), "--only", "CUDA,growth", "--markdown", str(tmp_path / "t")]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    assert done.returncode == 1
    assert "| driver, CUDA, cuDNN | failed | failed: " in done.stdout
    assert "TensorFlow sees no GPU" in done.stdout
    assert "| memory growth | - | does not apply: needs: driver, CUDA, cuDNN | |" in done.stdout
    assert (tmp_path / "t").read_text() == done.stdout
