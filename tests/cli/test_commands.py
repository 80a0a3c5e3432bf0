"""The commands as a person runs them: what they print where, their exit codes, how fast the light ones are."""

import importlib.metadata
import json
import os
import re
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
CONFIG = ROOT / "configs" / "digits_mlp.yaml"


def started(*arguments: object, cwd: Path | None = None, **environment: str) -> subprocess.CompletedProcess[str]:
    """The command as a shell starts it; most tests take `dlrun`, which is the same without the seconds of a start."""
    command = [sys.executable, "-m", "dlrun", *map(str, arguments)]
    variables = {**os.environ, **environment}
    return subprocess.run(command, capture_output=True, text=True, check=False, cwd=cwd, env=variables)


@pytest.fixture
def dlrun(forked: Any, tmp_path: Path) -> Any:
    """Runs a command in the test's folder, or in another, in a process forked from one that has imported TensorFlow."""

    def run(*arguments: object, cwd: Path = tmp_path, **environment: str) -> Any:
        return forked.run(*arguments, folder=cwd, **environment)

    return run


def test_help_comes_at_once_and_names_every_command() -> None:
    start = time.perf_counter()
    done = started("--help")
    # Measured 0.1 s; the limit is there for the day on which someone imports TensorFlow at a module's top.
    assert time.perf_counter() - start < 2
    names = {"train", "eval", "predict", "runs", "validate", "plan", "init", "components", "schema", "doctor"}
    assert {name for name in names if re.search(rf"^  {name} ", done.stdout, re.MULTILINE)} == names


@pytest.mark.parametrize(
    "command",
    [
        "train",
        "eval",
        "predict",
        "runs",
        "runs ls",
        "runs show",
        "runs compare",
        "runs rm",
        "runs gc",
        "runs tail",
        "runs tag",
        "data show",
        "data check",
        "data fetch",
        "cache ls",
        "cache clear",
        "validate",
        "plan",
        "init",
        "components",
        "schema",
        "doctor",
    ],
)
def test_every_command_explains_itself(command: str, dlrun: Any) -> None:
    done = dlrun(*command.split(), "--help")
    assert done.code == 0
    assert "Usage: " in done.out


def test_the_version_is_printed() -> None:
    assert started("--version").stdout == f"dlrun {importlib.metadata.version('dlrun')}\n"


def test_a_good_spec_is_told_so() -> None:
    done = started("validate", CONFIG)
    assert (done.returncode, done.stderr) == (0, "")
    assert "no problems" in done.stdout


def test_validate_prints_the_complete_spec_as_json(dlrun: Any) -> None:
    spec = json.loads(dlrun("validate", CONFIG, "--json", "--set", "training.epochs=7").out)
    assert spec["training"]["epochs"] == 7
    assert spec["optimizer"]["beta_1"] == 0.9


def test_the_problems_of_a_spec_go_to_stderr_with_exit_code_2(tmp_path: Path) -> None:
    path = tmp_path / "bad.yaml"
    path.write_text("dataset: {type: builtin, name: digits}\nmodel: {type: mlp, unit: [3]}\nloss: mse\n")
    for command in ("validate", "train", "plan"):
        done = started(command, path, cwd=tmp_path)
        assert (done.returncode, done.stdout) == (2, "")
        assert f"{path}:2:20: unknown key 'unit' in model" in done.stderr
        assert "did you mean 'units'?" in done.stderr
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["trian"], "Did you mean 'train'?"),
        (["train"], "CONFIG or --resume RUN"),
        (["train", "none.yaml"], "dlrun init"),
        (["eval", "last"], "no runs"),
        (["eval", "last", "--split", "test", "--data", "x.npz"], "one of them"),
        (["predict", "last", "x.npy"], "no runs"),
        (["predict", "last", "x.npy", "--top", "none"], "nor all"),
        (["predict", "last", "x.npy", "--output", "no/where.csv"], "mkdir -p no"),
        (["runs", "show", "abc"], "no runs"),
        (["components", "adma"], "did you mean 'adam'?"),
        (["init", "--starter", "nn"], "cnn"),
        (["validate", str(CONFIG), "--set", "training.epochs"], "key=value"),
    ],
)
def test_a_wrong_command_line_is_one_clear_message_and_exit_code_2(
    tmp_path: Path, arguments: list[str], said: str, dlrun: Any
) -> None:
    done = dlrun(*arguments, cwd=tmp_path)
    assert done.code == 2, done.err
    assert said in done.err
    assert "Traceback" not in done.err


def test_components_lists_everything_and_describes_each(dlrun: Any) -> None:
    listed = json.loads(dlrun("components", "--json").out)
    assert {"cnn", "lstm", "sequential"} <= listed["model"].keys()
    assert {"adam", "lion"} <= listed["optimizer"].keys()
    page = dlrun("components", "cnn").out
    assert "blocks: a list" in page
    assert "blocks.filters: a whole number of at least 1 (required)" in page


def test_a_plugin_is_listed(tmp_path: Path, dlrun: Any) -> None:
    plugin = tmp_path / "mine.py"
    plugin.write_text(
        "from dlrun.models import Model, models\n\n\n@models.register('mine')\nclass Mine(Model):\n"
        "    '''My own.'''\n\n    def build(self, features, target): ...\n"
    )
    assert "My own." in dlrun("components", "--plugin", plugin).out
    assert str(plugin) in dlrun("components", "mine", "--plugin", plugin).out


def test_init_writes_once_and_never_over_a_file(tmp_path: Path, dlrun: Any) -> None:
    assert dlrun("init", "a.yaml", cwd=tmp_path).code == 0
    text = (tmp_path / "a.yaml").read_text()
    assert "dlrun train a.yaml" in text
    (tmp_path / "a.yaml").write_text("mine")
    done = dlrun("init", "a.yaml", cwd=tmp_path)
    assert (done.code, (tmp_path / "a.yaml").read_text()) == (2, "mine")
    assert dlrun("init", "a.yaml", "--force", cwd=tmp_path).code == 0


def test_an_empty_list_of_runs_says_how_to_make_one(tmp_path: Path, dlrun: Any) -> None:
    done = dlrun("runs", "ls", cwd=tmp_path)
    assert (done.code, done.out) == (0, "")
    assert "dlrun train" in done.err
    assert json.loads(dlrun("runs", "ls", "--json", cwd=tmp_path).out) == []


@pytest.fixture(scope="module")
def trained(forked: Any, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, subprocess.CompletedProcess[str]]:
    folder = tmp_path_factory.mktemp("trained")
    done = started("train", CONFIG, "--set", "training.epochs=2", cwd=folder, **forked.environment)
    assert done.returncode == 0, done.stderr
    return folder, done


def only_run(folder: Path) -> Path:
    (run,) = (folder / "runs").iterdir()
    return run


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
def test_a_run_folder_holds_what_it_promises(trained: tuple[Path, Any]) -> None:
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
def test_eval_gives_the_scores_that_training_ended_with(trained: tuple[Path, Any], dlrun: Any) -> None:
    folder, done = trained
    evaluated = dlrun("eval", "last", "--split", "all", cwd=folder)
    scores_again, scores_then = (
        [line for line in out.splitlines() if re.match(r"(validation|test|naive) +loss", line)]
        for out in (evaluated.out, done.stdout)
    )
    assert len(scores_then) == 4
    # Of three splits now; what no model would reach is told in words at the end of a training.
    assert set(scores_again) >= {line.partition("  (")[0] for line in scores_then}
    scores = json.loads(dlrun("eval", "last", "--checkpoint", "best", "--json", cwd=folder).out)
    assert scores["test"]["accuracy"] > 0.5


@pytest.mark.tensorflow
@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--split", "tset"], "one of train, validation, test, all"),
        (["--checkpoint", "step-1"], "step-000000082"),
        (["--set", "model.units=[3]"], "expected"),
    ],
)
def test_eval_explains_what_cannot_be(trained: tuple[Path, Any], arguments: list[str], said: str, dlrun: Any) -> None:
    done = dlrun("eval", "last", *arguments, cwd=trained[0])
    assert done.code in (1, 2)
    assert said in done.err
    assert "Traceback" not in done.err


@pytest.mark.tensorflow
def test_runs_are_listed_and_shown(trained: tuple[Path, Any], dlrun: Any) -> None:
    folder, _ = trained
    run = only_run(folder)
    assert run.name in dlrun("runs", "ls", cwd=folder).out
    (listed,) = json.loads(dlrun("runs", "ls", "--json", cwd=folder).out)
    assert (listed["id"], listed["status"], listed["model"]) == (run.name, "completed", "mlp")
    page = dlrun("runs", "show", run.name[-4:], cwd=folder).out
    assert "test       loss" in page
    shown = json.loads(dlrun("runs", "show", "best:test_accuracy", "--json", cwd=folder).out)
    assert len(shown["epochs"]) == 2


@pytest.mark.tensorflow
def test_quiet_training_prints_the_scores_alone(tmp_path: Path, dlrun: Any) -> None:
    done = dlrun("train", CONFIG, "--quiet", "--set", "training.epochs=1", cwd=tmp_path)
    assert done.err == ""
    assert len(done.out.splitlines()) == 2


@pytest.mark.tensorflow
def test_plan_counts_without_training(tmp_path: Path, dlrun: Any) -> None:
    planned = json.loads(dlrun("plan", CONFIG, "--json", cwd=tmp_path).out)
    assert planned["parameters"] == 64 * 128 + 128 + 128 * 10 + 10
    assert planned["layers"][-1]["output_shape"] == [10]
    assert not (tmp_path / "runs").exists()
    assert "memory" in dlrun("plan", CONFIG, cwd=tmp_path).out


@pytest.mark.tensorflow
def test_doctor_finds_this_machine_able_to_train(tmp_path: Path, dlrun: Any) -> None:
    done = dlrun("doctor", "--json", cwd=tmp_path)
    subjects = {finding["subject"] for finding in json.loads(done.out)}
    assert done.code == 0
    assert {"python", "tensorflow", "machine", "runs", "tfds data"} <= subjects


@pytest.mark.tensorflow
def test_missing_data_is_exit_code_3_and_makes_no_run_folder(tmp_path: Path, dlrun: Any) -> None:
    (tmp_path / "x.yaml").write_text(
        "dataset: {type: arrays, path: none.npz}\nmodel: linear\nloss: sparse_categorical_crossentropy\n"
    )
    (tmp_path / "nine.npz").write_bytes(b"")
    for command in ("train", "validate", "plan"):
        done = dlrun(command, "x.yaml", cwd=tmp_path)
        assert done.code == 3
        assert "did you mean nine.npz?" in done.err
        assert "Traceback" not in done.err
    assert not (tmp_path / "runs").exists()


@pytest.mark.tensorflow
def test_runs_go_where_they_are_told_to(tmp_path: Path, dlrun: Any) -> None:
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
