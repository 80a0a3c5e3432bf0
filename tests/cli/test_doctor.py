"""`dlrun doctor` as a person runs it."""

import json
from pathlib import Path
from typing import Any

import pytest


@pytest.mark.tensorflow
def test_doctor_finds_this_machine_able_to_train(tmp_path: Path, dlrun: Any) -> None:
    done = dlrun("doctor", "--json", cwd=tmp_path)
    subjects = {finding["subject"] for finding in json.loads(done.out)}
    assert done.code == 0
    assert {"python", "tensorflow", "machine", "runs", "tfds data"} <= subjects
