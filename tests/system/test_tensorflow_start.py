"""TensorFlow starts without the optional libraries that Keras would import, and they can be imported later."""

import subprocess
import sys
from pathlib import Path

import pytest

import dlrun


@pytest.mark.tensorflow
def test_keras_starts_without_optional_libraries_and_a_plugin_can_still_import_them(tmp_path: Path) -> None:
    for name in ("matplotlib", "pandas", "sklearn"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").write_text("")
    code = (
        "import sys; sys.path.insert(0, sys.argv[1])\n"
        "from dlrun.system.tensorflow_start import start_tensorflow\n"
        "start_tensorflow()\n"
        "assert 'keras' in sys.modules\n"
        "assert not {'matplotlib', 'pandas', 'sklearn'} & set(sys.modules)\n"
        "import pandas"
    )
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_output_of_c_libraries_at_load_time_is_hidden_and_that_of_python_is_not(tmp_path: Path) -> None:
    (tmp_path / "tensorflow.py").write_text("import os\nos.write(2, b'noise of C')\n")
    (tmp_path / "keras.py").write_text("")
    code = (
        "import sys; sys.path.insert(0, sys.argv[1])\n"
        "from dlrun.system.tensorflow_start import start_tensorflow\n"
        "start_tensorflow()\n"
        "assert 'tensorflow' in sys.modules\n"
        "print('mine', file=sys.stderr)\n"
        "import logging; logging.getLogger('tensorflow').warning('5 out of the last 5 calls triggered retracing')"
    )
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, check=True)
    assert done.stderr == "mine\n"


def test_the_api_is_what_dir_shows() -> None:
    code = "import dlrun, sys; print(*dir(dlrun)); assert 'pydantic' not in sys.modules"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    shown = {name for name in done.stdout.split() if not name.startswith("__")}
    assert shown == set(dlrun.__all__)
