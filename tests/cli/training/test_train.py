"""`dlrun train` as a person runs it: its output, its run folder, and the live line on a terminal."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from command_line import CONFIG, only_run


@pytest.mark.tensorflow
def test_training_prints_scores_to_stdout_and_the_rest_to_stderr(trained: tuple[Path, Any]) -> None:
    _, done = trained
    scores = r" loss \S+  accuracy \S+"
    lines = [
        f"{split}{scores}\nnaive     {scores}  \\(the most frequent class\\)\n"
        for split in ("validation", "test      ")
    ]
    assert re.fullmatch("".join(lines), done.stdout)
    for said in ("device ", "precision ", "jit ", "epoch 1/2  loss ", "best ", "dlrun eval ", "dlrun runs show "):
        assert said in done.stderr


@pytest.mark.tensorflow
def test_a_plain_log_has_no_control_characters_and_none_of_tensorflows_noise(trained: tuple[Path, Any]) -> None:
    folder, done = trained
    assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f]", done.stdout + done.stderr)
    assert not re.search(r"oneDNN|cuda|absl|WARNING", done.stderr)
    log = (only_run(folder) / "log.txt").read_text()
    assert "epoch 2/2" in log
    assert "test       loss" in log


@pytest.mark.tensorflow
def test_a_run_folder_has_all_its_files(trained: tuple[Path, Any]) -> None:
    run = only_run(trained[0])
    files = {entry.name for entry in run.iterdir()}
    records = {"config.yaml", "spec.yaml", "run.json", "packages.txt", "log.txt", "metrics.jsonl", "metrics.csv"}
    assert files >= {*records, "report.html"}
    kept = {entry.name for entry in (run / "checkpoints").iterdir()}
    assert kept - {"step-000000041"} == {"best", "step-000000082"}  # one of the first epoch if that took its time
    record = json.loads((run / "run.json").read_text())
    fixed = "id name status reason started finished seconds command spec_sha256 git versions device precision jit"
    assert record.keys() >= {*fixed.split(), "dataset", "result", "best", "weights_sha256", "exact", "resumed"}
    assert record["status"] == "completed"
    row = json.loads((run / "metrics.jsonl").read_text().splitlines()[-1])
    always = ["epoch", "step", "seconds", "examples_per_second", "data_wait", "learning_rate"]
    assert list(row) == [*always, "loss", "accuracy", "val_loss", "val_accuracy"]


@pytest.mark.tensorflow
def test_the_spec_of_a_run_trains_the_same_model_again(trained: tuple[Path, Any], tmp_path: Path, dlrun: Any) -> None:
    run = only_run(trained[0])
    record = json.loads(dlrun("train", run / "spec.yaml", "--json", "--set", "training.report=false", cwd=tmp_path).out)
    assert record["weights_sha256"] == json.loads((run / "run.json").read_text())["weights_sha256"]


@pytest.mark.tensorflow
def test_quiet_training_prints_only_the_scores(tmp_path: Path, dlrun: Any) -> None:
    done = dlrun("train", CONFIG, "--quiet", "--set", "training.epochs=1", cwd=tmp_path)
    assert done.err == ""
    assert len(done.out.splitlines()) == 2


@pytest.mark.tensorflow
def test_runs_go_to_the_folder_that_is_set(tmp_path: Path, dlrun: Any) -> None:
    short = ("--set", "training.epochs=1", "--set", "training.report=false")
    done = dlrun("train", CONFIG, *short, "--runs-dir", tmp_path / "a" / "b", cwd=tmp_path)
    assert done.code == 0
    assert "--runs-dir" in done.err
    assert dlrun("runs", "ls", cwd=tmp_path, DLRUN_RUNS=str(tmp_path / "a" / "b")).out.count("completed") == 1
    blocked = tmp_path / "file"
    blocked.write_text("")
    refused = dlrun("train", CONFIG, "--runs-dir", blocked / "runs", cwd=tmp_path)
    assert refused.code == 1
    assert "Traceback" not in refused.err


@pytest.mark.tensorflow
def test_on_a_terminal_a_live_line_shows_progress_and_every_epoch_stays(tmp_path: Path) -> None:
    import pty

    master, slave = pty.openpty()
    command = [sys.executable, "-m", "dlrun", "train", str(CONFIG), "--set", "training.epochs=2"]
    command += ["--set", "training.report=false"]
    variables = {**os.environ, "TERM": "xterm-256color", "COLUMNS": "120"}
    with subprocess.Popen(command, stdin=slave, stdout=slave, stderr=slave, cwd=tmp_path, env=variables) as process:
        os.close(slave)
        seen = b""
        while chunk := _read(master):
            seen += chunk
        assert process.wait() == 0
    os.close(master)
    text = seen.decode()
    assert "\x1b[" in text
    for said in ("41/41", "left", "best: epoch 1", "epoch 1/2  loss", "epoch 2/2  loss", "test       loss"):
        assert said in text


def _read(terminal: int) -> bytes:
    try:
        return os.read(terminal, 65536)
    except OSError:  # what Linux says when the other end is closed
        return b""


@pytest.mark.tensorflow
def test_a_trained_run_is_listed_and_shown(trained: tuple[Path, Any], dlrun: Any) -> None:
    folder, _ = trained
    run = only_run(folder)
    assert run.name in dlrun("runs", "ls", cwd=folder).out
    (listed,) = json.loads(dlrun("runs", "ls", "--json", cwd=folder).out)
    assert (listed["id"], listed["status"], listed["model"]) == (run.name, "completed", "mlp")
    page = dlrun("runs", "show", run.name[-4:], cwd=folder).out
    assert "test       loss" in page
    shown = json.loads(dlrun("runs", "show", "best:test_accuracy", "--json", cwd=folder).out)
    assert len(shown["epochs"]) == 2
