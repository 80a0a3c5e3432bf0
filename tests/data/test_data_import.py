import subprocess
import sys

import pytest


@pytest.mark.parametrize("module", ["dlrun.data", "dlrun.data.tfds.source", "dlrun.data.tfds.decode"])
def test_importing_datasets_imports_no_heavy_library(module: str) -> None:
    heavy = ("tensorflow", "keras", "tensorflow_datasets", "sklearn", "requests")
    program = f"import sys, {module}; print([name for name in {heavy!r} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
