"""`dlrun doctor` as a person runs it."""

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner


@pytest.mark.tensorflow
def test_doctor_finds_this_machine_able_to_train(tmp_path: Path, dlrun: Any) -> None:
    done = dlrun("doctor", "--json", cwd=tmp_path)
    subjects = {finding["subject"] for finding in json.loads(done.out)}
    assert done.code == 0
    assert {"python", "tensorflow", "machine", "runs", "tfds data"} <= subjects


@pytest.mark.parametrize(("status", "code"), [("ok", 0), ("-", 0), ("failed", 1)])
def test_the_exit_code_of_doctor_gpu_tells_whether_a_check_failed(
    status: Any, code: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    from dlrun.cli.app import app
    from dlrun.gpu_check import running
    from dlrun.gpu_check.check import CheckRow, CheckVerdict

    monkeypatch.setattr(
        running, "run_checks", lambda checks, _: [CheckRow(checks[0].name, CheckVerdict(status, "because"), 1)]
    )
    runner = CliRunner()
    printed = runner.invoke(app, ["doctor", "--gpu"])
    assert printed.exit_code == code
    assert "| driver, CUDA, cuDNN | " in printed.stdout
    assert "because" in printed.stdout
    plain = runner.invoke(app, ["doctor", "--gpu", "--json"])
    assert plain.exit_code == code
    assert json.loads(plain.stdout)[0]["verdict"] == {"status": status, "text": "because"}


def test_a_rehearsal_is_one_of_the_gpu_checks() -> None:
    from dlrun.cli.app import app

    refused = CliRunner().invoke(app, ["doctor", "--rehearse"])
    assert refused.exit_code == 2
    assert "--gpu" in refused.output
