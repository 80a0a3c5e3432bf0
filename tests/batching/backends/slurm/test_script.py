import subprocess
from pathlib import Path

import pytest

from dlrun.batching.backends.slurm.script import ArrayScript, lead_seconds
from dlrun.batching.backends.slurm.tasks import TaskFolder
from fake_slurm import request_for


@pytest.fixture
def script(tmp_path: Path) -> ArrayScript:
    folder = TaskFolder(tmp_path / "it's a $HOME folder")
    options = (("constraint", "a|b # c"), ("exclusive", ""))
    return ArrayScript(folder, folder.begin(), options, 3, workdir=tmp_path, python="/opt/my python")


def test_the_script_says_what_each_task_trains_and_how_it_stops(script: ArrayScript) -> None:
    text = script.text(7, [request_for(1), request_for(2), request_for(3), request_for(4)])
    lines = text.splitlines()
    assert lines[0] == "#!/bin/bash"
    assert '#SBATCH --array="0-3%3"' in lines
    assert '#SBATCH --constraint="a|b # c"' in lines
    assert "#SBATCH --exclusive" in lines
    assert "#SBATCH --requeue" in lines
    assert '#SBATCH --signal="B:USR1@120"' in lines
    assert "# task 2: small.yaml seed=3" in lines
    assert lines[-1] == """exec '/opt/my python' -P -m dlrun.cli.batch.task "$folder" 007 "$SLURM_ARRAY_TASK_ID\""""


def test_the_script_is_bash_and_ends_on_a_node_that_does_not_see_the_folder(
    script: ArrayScript, tmp_path: Path
) -> None:
    (tmp_path / "python").write_text('#!/bin/sh\necho "$@"\n')
    (tmp_path / "python").chmod(0o755)
    script = ArrayScript(script.folder, script.token, workdir=tmp_path, python=str(tmp_path / "python"))
    path = script.write(script.folder.add_array([request_for(1)]), [request_for(1)])

    def code() -> int:
        command = ["bash", str(path)]
        return subprocess.run(
            command, env={"SLURM_ARRAY_TASK_ID": "0"}, stderr=subprocess.DEVNULL, check=False
        ).returncode

    assert code() == 0
    said = (script.folder.messages(1) / "0.log").read_text()
    assert said == f"-P -m dlrun.cli.batch.task {script.folder.path} 001 0\n"
    script.folder.token.write_text("of another batch\n")
    assert code() == 66
    script.folder.token.unlink()
    assert code() == 66


@pytest.mark.parametrize(("limit", "lead"), [("4:00:00", 120), ("5", 60), ("1", 12), ("0:20", 10), ("0", 120)])
def test_a_short_limit_leaves_less_time_for_the_checkpoint(limit: str, lead: int) -> None:
    assert lead_seconds((("time", limit),)) == lead
