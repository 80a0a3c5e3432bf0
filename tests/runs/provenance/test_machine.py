import subprocess
import sys
from importlib.metadata import distributions
from pathlib import Path

import pytest

from dlrun.runs.provenance import machine as provenance
from dlrun.runs.provenance.repository import git_state


def test_versions_name_python_and_the_libraries_without_importing_them() -> None:
    program = (
        "import sys; from dlrun.runs.provenance.machine import versions\n"
        "print(*versions()); print('keras' in sys.modules)"
    )
    run = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True)
    assert run.stdout.split() == ["python", "dlrun", "tensorflow", "keras", "numpy", "False"]


def test_packages_are_sorted_and_pinned_each_once() -> None:
    lines = provenance.packages_text().splitlines()
    names = [line.partition("==")[0].casefold() for line in lines]
    assert names == sorted(set(names))
    assert all(line.partition("==")[2] for line in lines)
    assert "pytest" in names


def test_packages_are_those_of_their_metadata() -> None:
    stored = {f"{package.metadata['Name']}=={package.version}" for package in distributions()}
    assert stored >= set(provenance.packages_text().splitlines())
    assert len(provenance.packages_text().splitlines()) == len({each.partition("==")[0].casefold() for each in stored})


def test_the_machine_is_described_in_numbers() -> None:
    found = provenance.machine()
    assert found["cores"] >= found["usable_cores"] >= 1
    assert found["memory_gib"] > 0.1
    assert found["cpu"]
    assert found["platform"]


def test_no_environment_variable_is_recorded(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("SECRET_TOKEN", "hunter2-hunter2")
    everything = (
        provenance.versions(),
        provenance.packages_text(),
        provenance.machine(),
        git_state(tmp_path),
    )
    assert "hunter2" not in repr(everything)
