import subprocess
from pathlib import Path
from typing import Any

import pytest

from command_line import CONFIG, started


@pytest.fixture
def dlrun(forked: Any, tmp_path: Path) -> Any:
    """Runs a command in the test's folder, or in another, in a process forked from one that has imported TensorFlow."""

    def run(*arguments: object, cwd: Path = tmp_path, **environment: str) -> Any:
        return forked.run(*arguments, folder=cwd, **environment)

    return run


@pytest.fixture(scope="session")
def trained(forked: Any, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, subprocess.CompletedProcess[str]]:
    folder = tmp_path_factory.mktemp("trained")
    done = started("train", CONFIG, "--set", "training.epochs=2", cwd=folder, **forked.environment)
    assert done.returncode == 0, done.stderr
    return folder, done
