"""Two processes train one model with one result, and end together, however one of them ends."""

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dlrun.errors import UsageError
from dlrun.runs.folder import RunFolder
from dlrun.training.checkpoints.checkpoint import read_checkpoint
from dlrun.training.devices.cluster import ALONE, Cluster, read_cluster

# 1293 training examples in batches of 5: parts of 3 and 2, and of 2 and 1 in the last batch. 144 validation examples in
# batches of 13: the last has one, so that one of the workers has none.
CONFIG = """\
name: small
dataset: {type: builtin, name: digits, validation: 0.1}
model: {type: mlp, units: [16]}
optimizer: {type: sgd, learning_rate: 0.03, momentum: 0.9}
loss: sparse_categorical_crossentropy
metrics: [accuracy]
training: {batch_size: 5, evaluation_batch_size: 13, epochs: 3, checkpoint_minutes: 100, tensorboard: false,
           report: false, jit: off, device: cpu, precision: float32, early_stopping: {patience_epochs: 5}}
"""
LAUNCH = ("launch", "--workers", "2")
TIMINGS = {"seconds", "examples_per_second", "data_wait"}


class Workshop:
    """A folder with a config, and commands that run in it as processes of their own."""

    def __init__(self, folder: Path, dlrun: Any) -> None:
        self.folder, self._dlrun = folder, dlrun
        (folder / "small.yaml").write_text(CONFIG)

    def start(self, *arguments: str, **environment: str) -> Any:
        # Workers agree after each call: many short ones would take long.
        return self._dlrun.start(*arguments, folder=self.folder, short_calls=False, **environment)

    def __call__(self, *arguments: str, code: int = 0) -> str:
        ended = self.start(*arguments).wait()
        assert ended.code == code, ended.err
        assert "Traceback" not in ended.err
        return str(ended.err)

    @property
    def run(self) -> Path:
        """The newest run folder."""
        return max((self.folder / "runs").iterdir(), key=lambda path: path.stat().st_ctime_ns)


@pytest.fixture
def workshop(tmp_path: Path, dlrun: Any) -> Workshop:
    return Workshop(tmp_path, dlrun)


@pytest.fixture(scope="module")
def complete(dlrun: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of two workers that nobody has interrupted, by the command as a user gives it."""
    workshop = Workshop(tmp_path_factory.mktemp("complete"), dlrun)
    command = [sys.executable, "-m", "dlrun", *LAUNCH, "small.yaml"]
    environment = {**os.environ, **dlrun.environment}
    done = subprocess.run(
        command, cwd=workshop.folder, env=environment, capture_output=True, text=True, check=False, timeout=120
    )
    assert done.returncode == 0, done.stderr
    return workshop.run


def arrays(run: Path) -> dict[str, Any]:
    return dict(read_checkpoint(max((run / "checkpoints").glob("step-*"))).arrays)


def workers_of(launcher: Any) -> list[int]:
    children = Path(f"/proc/{launcher.number}/task/{launcher.number}/children").read_text()
    return sorted(map(int, children.split()))


@pytest.mark.tensorflow
@pytest.mark.slow
def test_two_workers_give_the_result_of_one_process(workshop: Workshop, complete: Path) -> None:
    workshop("train", "small.yaml", "--set", "training.cpu_shares=1")
    one = workshop.run
    for before, after in zip(
        *(map(json.loads, (run / "metrics.jsonl").open()) for run in (one, complete)), strict=True
    ):
        numbers = [{name: value for name, value in row.items() if name not in TIMINGS} for row in (before, after)]
        assert numbers[0] == pytest.approx(numbers[1], rel=2e-4)
        assert (before["accuracy"], before["val_accuracy"]) == (after["accuracy"], after["val_accuracy"])
    ones, twos = arrays(one), arrays(complete)
    assert ones.keys() == twos.keys()
    for name, array in ones.items():
        assert (array.shape, array.dtype) == (twos[name].shape, twos[name].dtype), name
        np.testing.assert_allclose(array, twos[name], rtol=2e-4, atol=2e-5, err_msg=name)
    record, other = (json.loads((run / "run.json").read_text()) for run in (complete, one))
    assert record["environment"]["workers"] == "2"
    assert record["best"]["epoch"] == 2, "the model that is scored has to be another than the last"
    for split in ("validation", "test"):
        assert record["result"][split] == pytest.approx(other["result"][split], rel=2e-4)


@pytest.mark.tensorflow
@pytest.mark.slow
def test_workers_that_were_interrupted_go_on_to_the_bit(
    workshop: Workshop, complete: Path, outcome_of: Callable[[Path], dict[str, Any]]
) -> None:
    launcher = workshop.start(*LAUNCH, "small.yaml")
    launcher.wait_until(lambda: "epoch 1/3" in launcher.err)
    launcher.signal(signal.SIGINT)
    ended = launcher.wait()
    assert ended.code == 130, ended.err
    stopped = workshop.run
    assert f"dlrun launch --workers 2 --resume {stopped.name} continues" in ended.err
    assert "workers was 2, and is 1" in workshop("resume", stopped.name, code=2)
    workshop(*LAUNCH, "--resume", stopped.name)
    assert [path.name for path in stopped.parent.iterdir()] == [stopped.name]
    assert outcome_of(stopped) == outcome_of(complete)


@pytest.mark.tensorflow
@pytest.mark.slow
@pytest.mark.parametrize("index", [pytest.param(0, marks=pytest.mark.soak), 1])
def test_when_a_worker_is_killed_all_end_long_before_their_epochs_do(workshop: Workshop, index: int) -> None:
    launcher = workshop.start(*LAUNCH, "small.yaml", "--set", "training.epochs=1000")
    launcher.wait_until(lambda: "epoch    1/1000" in launcher.err)
    workers = workers_of(launcher)
    os.kill(workers[index], signal.SIGKILL)
    ended = launcher.wait()
    assert ended.code == 1, ended.err
    assert f"worker {index} of 2 was killed by signal 9 (SIGKILL)" in ended.err
    assert f"dlrun launch --workers 2 --resume {workshop.run.name} continues" in ended.err
    assert "Traceback" not in ended.err
    assert not [number for number in workers if Path(f"/proc/{number}").exists()]


@pytest.mark.tensorflow
@pytest.mark.slow
def test_workers_whose_launcher_is_killed_stop_in_good_order(workshop: Workshop) -> None:
    endless = ("--set", "training.epochs=100000", "--set", "training.early_stopping=null")
    launcher = workshop.start(*LAUNCH, "small.yaml", *endless)
    launcher.wait_until(lambda: "epoch      1/100000" in launcher.err)
    run = RunFolder(workshop.run)
    assert run.held_by() is not None
    launcher.signal(signal.SIGKILL)
    assert launcher.wait().code == -signal.SIGKILL
    launcher.wait_until(lambda: run.held_by() is None)
    assert run.status == "interrupted"
    assert list(run.checkpoints.glob("step-*"))


@pytest.mark.tensorflow
@pytest.mark.slow
def test_what_is_wrong_for_all_workers_is_told_once(workshop: Workshop) -> None:
    said = workshop(*LAUNCH, "small.yaml", "--set", "training.batch_size=1", code=2)
    assert said.count("2 devices share each batch") == 1


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--workers", "0", "small.yaml"), "--workers is 0"),
        (("--workers", "1", "small.yaml"), "dlrun train trains in one process"),
        (("--workers", "2", "small.yaml", "--set", "training.device=cpu:0,1"), "its own share of the devices"),
        (("--workers", "2", "small.yaml", "--set", "training.batch_size=0"), "training.batch_size"),
        (("--workers", "2", "--resume", "nothing"), "no run"),
        (("--workers", "2"), "CONFIG or --resume RUN"),
    ],
)
def test_a_launch_that_makes_no_sense_starts_nothing(workshop: Workshop, arguments: tuple[str, ...], said: str) -> None:
    assert said in workshop("launch", *arguments, code=2)
    assert not (workshop.folder / "runs").exists()


def tf_config(index: Any = 0, **cluster: Any) -> dict[str, str]:
    return {"TF_CONFIG": json.dumps({"cluster": cluster, "task": {"type": "worker", "index": index}})}


@pytest.mark.parametrize(
    ("environ", "cluster"),
    [
        ({}, ALONE),
        ({"TF_CONFIG": ""}, ALONE),
        ({"TF_CONFIG": "{}"}, ALONE),
        (tf_config(worker=["a:1"]), ALONE),
        (tf_config(worker=["a:1", "b:1"]), Cluster(2, 0)),
        (tf_config("1", worker=["a:1", "b:1"]), Cluster(2, 1)),
        (tf_config(chief=["a:1"], worker=["b:1", "c:1"]), Cluster(3, 1)),
        ({"SLURM_NTASKS": "4"}, ALONE),  # inside sbatch, before srun
        ({"SLURM_STEP_NUM_TASKS": "1", "SLURM_PROCID": "0"}, ALONE),
        ({"SLURM_STEP_NUM_TASKS": "4", "SLURM_PROCID": "3"}, Cluster(4, 3, slurm=True)),
    ],
)
def test_the_environment_says_which_worker_this_is(environ: dict[str, str], cluster: Cluster) -> None:
    assert read_cluster(environ) == cluster


@pytest.mark.parametrize(
    ("environ", "said"),
    [
        ({"TF_CONFIG": "worker"}, "not valid JSON"),
        ({"TF_CONFIG": "[]"}, "not a mapping"),
        (tf_config(worker=["a", "b"]), "addresses"),
        (tf_config(worker=["a:1", "a:1"]), "twice"),
        (tf_config(2, worker=["a:1", "b:1"]), "worker 0, worker 1"),
        (tf_config(None, worker=["a:1", "b:1"]), "worker 0, worker 1"),
        (tf_config(worker=["a:1"], ps=["b:1"]), "'ps'"),
        ({"SLURM_STEP_NUM_TASKS": "2"}, "SLURM_PROCID"),
        ({"SLURM_STEP_NUM_TASKS": "2", "SLURM_PROCID": "2"}, "SLURM_PROCID"),
    ],
)
def test_an_environment_that_names_no_worker_is_refused(environ: dict[str, str], said: str) -> None:
    with pytest.raises(UsageError, match=said):
        read_cluster(environ)


@pytest.mark.tensorflow
@pytest.mark.slow
def test_tasks_of_slurm_find_each_other(tmp_path: Path, dlrun: Any) -> None:
    for port in (8888, 8889):  # TensorFlow's choice for the tasks of Slurm
        with socket.socket() as taken, suppress(OSError):
            taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # a connection that has ended is no reason
            taken.bind(("", port))
            continue
        pytest.skip(f"port {port} is in use")
    started = []
    for index in range(2):
        (tmp_path / str(index)).mkdir()
        workshop = Workshop(tmp_path / str(index), dlrun)
        slurm = {
            "SLURM_STEP_NUM_TASKS": "2",
            "SLURM_PROCID": str(index),
            "SLURM_STEP_NODELIST": "localhost",
            "SLURM_STEP_TASKS_PER_NODE": "2",
        }
        started.append((workshop, workshop.start("train", "small.yaml", "--set", "training.epochs=1", **slurm)))
    (chief, _), (other, _) = started
    for ended in [process.wait() for _, process in started]:
        assert ended.code == 0, ended.err
    assert json.loads((chief.run / "run.json").read_text())["environment"]["workers"] == "2"
    assert not (other.folder / "runs").exists()
    assert not ended.err
