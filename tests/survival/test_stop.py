"""Ctrl-C, SIGTERM and the clock: a run ends in good order, says how to go on, and goes on as if nothing had been."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

pytestmark = [pytest.mark.tensorflow, pytest.mark.slow]

# 1,293 examples in 6 steps an epoch: calls of 1 and 5 steps, then one of 6 for each epoch.
CONFIG = """\
name: small
dataset: {type: builtin, name: digits, validation: 0.1}
model: {type: mlp, units: [16], dropout: 0.2}
optimizer: {type: adam, learning_rate: 0.01}
loss: sparse_categorical_crossentropy
metrics: [accuracy]
training: {batch_size: 216, epochs: 3, tensorboard: false, report: false, early_stopping: {patience_epochs: 9}}
"""
STEPS_DONE = "StepsDone"
CALLS = 4


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "small.yaml"
    path.write_text(CONFIG)
    return path


@pytest.fixture(scope="module")
def expected(dlrun: Any, outcome_of: Any, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """The run that nobody interrupts."""
    folder = tmp_path_factory.mktemp("expected")
    (folder / "small.yaml").write_text(CONFIG)
    assert dlrun.run("train", "small.yaml", folder=folder).code == 0
    return outcome_of(only_run(folder))


def only_run(folder: Path) -> Path:
    (run,) = (folder / "runs").iterdir()
    return run


def record(folder: Path) -> Any:
    return json.loads((only_run(folder) / "run.json").read_text())


def printed_command(err: str) -> list[str]:
    """The command that the last lines of an interrupted run say to go on with."""
    (found,) = re.findall(r"hint: dlrun (resume \S+(?: --runs-dir \S+)?) continues", err)
    return str(found).split()


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGHUP, 129)])
def test_the_first_signal_ends_a_run_with_a_checkpoint_and_the_command_that_goes_on(
    number: int, code: int, dlrun: Any, config: Path, expected: Any, outcome_of: Any
) -> None:
    ended = dlrun.run("train", config, folder=config.parent, at=(STEPS_DONE, 2), signals=(number,))
    assert ended.code == code
    assert "Traceback" not in ended.err
    assert record(config.parent)["status"] == "interrupted"
    assert [path.name for path in (only_run(config.parent) / "checkpoints").iterdir()] == ["step-000000005"]
    resumed = dlrun.run(*printed_command(ended.err), folder=config.parent)
    assert resumed.code == 0, resumed.err
    assert "from step-000000005" in resumed.err
    assert outcome_of(only_run(config.parent)) == expected
    assert record(config.parent)["resumed"] == 1


# The second and the third are those of the tests around this one.
@pytest.mark.parametrize("call", [1, CALLS])
def test_whichever_call_is_interrupted_nothing_is_lost_or_done_twice(
    call: int, dlrun: Any, config: Path, expected: Any, outcome_of: Any
) -> None:
    ended = dlrun.run("train", config, folder=config.parent, at=(STEPS_DONE, call), signals=(signal.SIGINT,))
    assert ended.code == 130, ended.err
    assert dlrun.run("resume", "last", folder=config.parent).code == 0
    assert outcome_of(only_run(config.parent)) == expected


def test_a_signal_that_comes_twice_at_once_is_one(dlrun: Any, config: Path, expected: Any, outcome_of: Any) -> None:
    number = signal.SIGTERM
    ended = dlrun.run("train", config, folder=config.parent, at=(STEPS_DONE, 3), signals=(number, number))
    assert ended.code == 143
    assert record(config.parent)["status"] == "interrupted"
    assert list(only_run(config.parent).glob("checkpoints/step-*"))
    assert dlrun.run("resume", "last", folder=config.parent).code == 0
    assert outcome_of(only_run(config.parent)) == expected


@pytest.mark.parametrize(
    ("place", "number"),
    [
        ("dlrun.training.setup:assemble", signal.SIGTERM),
        ("dlrun.training.setup:compile_model", signal.SIGINT),
        ("dlrun.experiment.train:record_choices", signal.SIGTERM),
        ("dlrun.training.loop:Trainer.train", signal.SIGINT),
    ],
)
def test_an_interruption_before_the_first_checkpoint_lets_resume_begin_anew_and_say_so(
    place: str, number: int, dlrun: Any, config: Path, expected: Any, outcome_of: Any
) -> None:
    ended = dlrun.run("train", config, folder=config.parent, at=(place, 1), signals=(number,))
    assert ended.code == 128 + number, ended.err
    assert "Traceback" not in ended.err
    assert record(config.parent)["status"] == "interrupted"
    resumed = dlrun.run(*printed_command(ended.err), folder=config.parent)
    assert resumed.code == 0, resumed.err
    assert "starts from the beginning" in resumed.err
    assert outcome_of(only_run(config.parent)) == expected


@pytest.mark.parametrize("call", [4, 5], ids=["validation split", "test split"])
def test_an_interruption_of_the_final_evaluation_is_made_up_for(
    call: int, dlrun: Any, config: Path, expected: Any, outcome_of: Any
) -> None:
    place = ("dlrun.training.evaluate:Evaluator.scores", call)
    ended = dlrun.run("train", config, folder=config.parent, at=place, signals=(signal.SIGINT,))
    assert ended.code == 130
    assert record(config.parent)["status"] == "interrupted"
    assert dlrun.run(*printed_command(ended.err), folder=config.parent).code == 0
    assert outcome_of(only_run(config.parent)) == expected


def test_a_run_that_is_interrupted_again_and_again_ends_the_same(
    dlrun: Any, config: Path, expected: Any, outcome_of: Any
) -> None:
    command: list[Any] = ["train", config]
    # In the first call, while it resumes (twice), in the second call, while it resumes, in the second call, ...
    places = [(STEPS_DONE, 1), ("dlrun.training.loop:Trainer.restore", 1), ("dlrun.experiment.train:record_choices", 1)]
    places += [(STEPS_DONE, 2), ("dlrun.training.loop:assign_arrays", 1), (STEPS_DONE, 1)]
    for place in places:
        ended = dlrun.run(*command, folder=config.parent, at=place, signals=(signal.SIGINT,))
        assert ended.code == 130, (place, ended.err)
        command = printed_command(ended.err)
    assert dlrun.run(*command, folder=config.parent).code == 0
    assert outcome_of(only_run(config.parent)) == expected
    assert record(config.parent)["resumed"] == len(places)


@pytest.mark.parametrize("place", ["dlrun.training.setup:assemble", "dlrun.experiment.resume:check_environment"])
def test_a_resume_that_is_interrupted_while_it_starts_says_how_to_go_on(
    place: str, dlrun: Any, config: Path, expected: Any, outcome_of: Any
) -> None:
    dlrun.run("train", config, folder=config.parent, at=(STEPS_DONE, 2), signals=(signal.SIGINT,))
    ended = dlrun.run("resume", "last", folder=config.parent, at=(place, 1), signals=(signal.SIGTERM,))
    assert ended.code == 143, ended.err
    assert record(config.parent)["status"] == "interrupted"
    assert dlrun.run(*printed_command(ended.err), folder=config.parent).code == 0
    assert outcome_of(only_run(config.parent)) == expected


def test_ctrl_c_while_tensorflow_is_imported_leaves_a_run_that_can_be_resumed(config: Path, dlrun: Any) -> None:
    environment = {**os.environ, **dlrun.environment}
    for seconds in (0.05, 0.6, 1.2, 1.8):
        folder = config.parent / str(seconds)
        folder.mkdir()
        # Says when Python itself has started: what a signal does before that is not dlrun's to decide.
        started = "print(flush=True); import runpy; runpy.run_module('dlrun', run_name='__main__')"
        command = [sys.executable, "-c", started, "train", str(config), "--set", "training.epochs=100000"]
        process = subprocess.Popen(
            command,
            cwd=folder,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            # A shell's background job is started with the signal ignored, and so would be what it starts.
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # noqa: PLW1509, there are no threads
        )
        assert process.stdout is not None
        process.stdout.readline()
        if seconds > 0.1:
            while not list(folder.glob("runs/*/packages.txt")):
                time.sleep(0.01)
        time.sleep(seconds)
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=60)
        # A shell calls both 130. An interrupted `exec`, which dataclasses use, makes Python end itself by the signal.
        assert process.returncode in {130, -signal.SIGINT}, err
        if seconds > 0.1:
            assert "Traceback" not in err
            assert record(folder)["status"] == "interrupted"
            assert printed_command(err)[0] == "resume"


PLUGIN = """\
import os, signal
from dlrun.models import Model, models

@models.register("interrupted")
class Interrupted(Model):
    '''Its build is a C extension's import in the middle of which the signal comes.'''

    def build(self, features, target):
        try:
            os.kill(os.getpid(), signal.%s)
        except KeyboardInterrupt:
            pass
        raise ImportError("initialization failed")
"""


@pytest.mark.parametrize(
    ("verb", "name", "code"), [("train", "SIGINT", 130), ("train", "SIGTERM", 143), ("plan", "SIGINT", 130)]
)
def test_an_interruption_that_comes_out_of_an_import_as_another_error_is_one(
    verb: str, name: str, code: int, dlrun: Any, config: Path
) -> None:
    (config.parent / "plugin.py").write_text(PLUGIN % name)
    settings = ("--set", "plugins=[plugin.py]", "--set", "model=interrupted", "--set", "training.precision=float32")
    ended = dlrun.run(verb, config, *settings, folder=config.parent)
    assert (ended.code, "Traceback" in ended.err) == (code, False), ended.err
    if verb == "train":
        assert record(config.parent)["status"] == "interrupted"
        assert printed_command(ended.err)[0] == "resume"
    else:
        assert ended.err == "interrupted\n"


def test_max_minutes_ends_a_run_as_completed_with_the_reason_and_more_minutes_go_on(
    dlrun: Any, config: Path, expected: Any, outcome_of: Any
) -> None:
    ended = dlrun.run("train", config, "--set", "training.max_minutes=1e-6", folder=config.parent)
    assert ended.code == 0, ended.err
    assert record(config.parent)["status"] == "completed"
    assert "max_minutes" in record(config.parent)["reason"]
    assert set(record(config.parent)["result"]) == {"validation", "test"}
    longer = dlrun.run("resume", "last", "--set", "training.max_minutes=null", folder=config.parent)
    assert longer.code == 0, longer.err
    assert outcome_of(only_run(config.parent)) == expected


def test_a_second_writer_is_told_which_process_holds_the_run(dlrun: Any, config: Path) -> None:
    from dlrun.runs.folder import RunFolder

    dlrun.run("train", config, folder=config.parent, at=(STEPS_DONE, 1), signals=(signal.SIGINT,))
    with RunFolder(only_run(config.parent)).lock():
        ended = dlrun.run("resume", "last", folder=config.parent)
    assert ended.code == 1
    assert f"held by process {os.getpid()}" in ended.err
    assert "Traceback" not in ended.err


def test_a_run_that_is_killed_is_listed_as_stale_and_one_that_lives_as_running(dlrun: Any, config: Path) -> None:
    from dlrun.runs.query.listing import scan_runs

    process = dlrun.start("train", config, folder=config.parent, at=(STEPS_DONE, 1), signals=(signal.SIGSTOP,))
    process.wait_until(lambda: [run.status for run in scan_runs(config.parent / "runs")] == ["running"])
    process.signal(signal.SIGKILL)
    assert process.wait().code == -signal.SIGKILL
    assert " stale " in dlrun.run("runs", "ls", folder=config.parent).out
