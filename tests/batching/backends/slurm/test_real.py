"""A real Slurm of one node on this machine; skipped where it is not installed."""

import json
import re
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from conftest import ForkServer
from dlrun.batching.backends.slurm.client import Call, parse_squeue, start_squeue
from dlrun.batching.backends.slurm.crew import SlurmCrew
from dlrun.batching.backends.slurm.options import _KNOWN, _OWN
from dlrun.batching.backends.slurm.script import ArrayScript
from dlrun.batching.backends.slurm.tasks import TaskFolder
from dlrun.errors import RunError
from fake_slurm import request_for
from slurm_node import SlurmNode

SMALL = """\
dataset: {type: builtin, name: digits, validation: 0.1}
model: {type: mlp, units: [16], dropout: 0.2}
loss: sparse_categorical_crossentropy
training: {batch_size: 216, epochs: 5, jit: "off", tensorboard: false, report: false}
"""


@pytest.fixture
def folder(real_slurm: SlurmNode, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("SLURM_CONF", str(real_slurm.conf))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "small.yaml").write_text(SMALL)
    return tmp_path


def test_every_option_of_sbatch_is_known_or_set_by_dlrun(real_slurm: SlurmNode) -> None:
    options = set(re.findall(r"--([a-z][a-z-]+)", real_slurm.ask("sbatch", "--help")))
    options -= {"help", "quiet", "usage", "verbose", "version"}
    assert "partition" in options
    elsewhere = {"gid", "uid", "ignore-pbs", "no-kill"}
    assert options - elsewhere <= _KNOWN | _OWN.keys()


def test_slurm_reads_the_script_as_it_is_meant(folder: Path) -> None:
    tasks = TaskFolder(folder / "it's $HOME" / "slurm")
    options = (("account", "a b # c, $d"), ("begin", "now+1hour"))
    script = ArrayScript(tasks, tasks.begin(), options, workdir=folder)
    requests = [request_for(1), request_for(2)]
    path = script.write(tasks.add_array(requests), requests)
    assert Call("sbatch", "--parsable", str(path)).wait().is_good
    found = parse_squeue(start_squeue(script.job_name).wait().out)
    assert [(task.index, task.state, task.comment) for task in found] == [
        (index, "PENDING", script.comment(1)) for index in (0, 1)
    ]
    shown = Call("scontrol", "show", "job", found[0].id).wait().out
    assert "Account=a b # c, $d" in shown
    assert Call("scancel", "--me", f"--name={script.job_name}").wait().is_good
    time.sleep(0.1)
    assert [task.index for task in parse_squeue(start_squeue(script.job_name).wait().out)] == [-1]


def test_a_task_that_does_not_see_the_folder_is_reported_with_its_node(folder: Path, real_slurm: SlurmNode) -> None:
    tasks = TaskFolder(folder / "slurm")
    script = ArrayScript(tasks, tasks.begin(), workdir=folder)
    tasks.token.write_text("what this node sees is another folder\n")
    crew = SlurmCrew(script, largest=2, runs_dir="runs", warn=lambda _: None)
    crew.start(request_for(1))

    def follow() -> None:
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            crew.messages(seconds=0.1)

    with pytest.raises(RunError, match=r"\w+ does not see runs") as error:
        follow()
    assert error.value.what.split(" ")[0] in real_slurm.conf.read_text()
    crew.close()


@pytest.mark.tensorflow
@pytest.mark.slow
@pytest.mark.soak
def test_a_batch_goes_on_while_its_driver_is_dead_and_the_same_command_takes_it_up(
    folder: Path, start: Callable[..., Any], run: Callable[..., Any], forked: ForkServer
) -> None:
    batch = ("batch", "small.yaml", "--seeds", "2", "--on", "slurm", "--json")
    first = start(*batch, folder=folder)
    first.wait_until(lambda: [*folder.glob("runs/*/run.json")])
    first.kill()
    again = run(*batch, folder=folder)
    assert again.process.returncode == 0, again.err
    rows = json.loads(again.out)["runs"]
    assert {row["status"] for row in rows} <= {"completed", "skipped"}
    assert len(rows) == len([*folder.glob("runs/*/run.json")]) == 2
    assert len([*folder.glob("runs/.batches/*/slurm/*.sh")]) == 1
    shutil.copy(folder / "small.yaml", folder / "alone.yaml")
    for row in rows:
        options = ("--set", f"seed={row['values']['seed']}", "--set", "name=small", "--runs-dir", "alone", "--json")
        alone = forked.run("train", "alone.yaml", *options, folder=folder)
        assert json.loads(alone.out)["weights_sha256"] == row["weights_sha256"]
