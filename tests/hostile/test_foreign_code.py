"""No code of a stranger's run folder runs, nothing is written outside of it: dlrun's commands under an audit hook."""

import json
import os
import shutil
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

WATCHED = Path(__file__).with_name("watched.py")
Report = Mapping[str, Any]
Watched = Callable[..., list[Report]]
PLUGIN = """\
import pathlib, subprocess
pathlib.Path({mark!r}).write_text("the plugin ran")
from dlrun.models import Model, models

@models.register("theirs")
class Theirs(Model):
    '''A stranger's model.'''
    def build(self, features, target): ...
"""

pytestmark = pytest.mark.tensorflow


@pytest.fixture
def watched(forked: Any, tmp_path: Path) -> Watched:
    """Tells what each command did, all of them in one process, which watches the folder of all runs."""

    def run_all(run: Path, *commands: list[str]) -> list[Report]:
        runs, mine = run.parent, os.environ["DLRUN_STATE"]
        done = forked.run(runs, json.dumps(commands), script=WATCHED, folder=tmp_path, DLRUN_STATE=mine)
        assert done.code == 0, done.err
        reports: list[Report] = json.loads(done.out.splitlines()[-1])
        for report in reports:
            print(report["arguments"], report["code"], report["stderr"])  # noqa: T201  shown when a test fails
            assert "Traceback" not in report["stderr"]
            assert report["code"] in (0, 1, 2, 3)
        return reports

    return run_all


def copied(run: Path, name: str) -> Path:
    return shutil.copytree(run, run.with_name(name))


def only_inside(report: Report, *places: Path) -> bool:
    # A folder is opened for writing when a file without a name is made in it: the noise of libraries goes there.
    temporary = os.path.realpath(os.environ.get("TMPDIR", "/tmp"))
    allowed = tuple(os.path.realpath(place) for place in places)
    written = [name for name in report["written"] if name not in (temporary, os.devnull)]
    return all(name == place or name.startswith(place + os.sep) for name in written for place in allowed)


def hostile_repository(run: Path, mark: Path) -> None:
    """A repository in the run folder whose settings name programs: git status would run them."""
    if shutil.which("git") is None:
        return
    subprocess.run(["git", "init", "--quiet", run], check=True)
    (run / ".gitattributes").write_text("* filter=theirs diff=theirs\n")
    with (run / ".git" / "config").open("a") as file:
        program = f"sh -c 'touch {mark}; cat'"
        file.write(f'[filter "theirs"]\n\tclean = "{program}"\n\tsmudge = "{program}"\n')
        file.write(
            f'[core]\n\tfsmonitor = "{program}"\n\tpager = "{program}"\n[diff "theirs"]\n\ttextconv = "{program}"\n'
        )
    subprocess.run(["git", "-C", run, "add", "config.yaml"], check=True, capture_output=True)
    (run / "config.yaml").write_text("changed: after it was added\n")
    mark.unlink(missing_ok=True)


def test_a_harmless_run_from_elsewhere_is_read_without_a_single_write(trained: Path, watched: Watched) -> None:
    name = trained.name
    np.save(trained.parents[1] / "wine.npy", np.zeros((5, 13), np.float32))
    reports = watched(
        trained,
        *(["eval", name], ["runs", "ls"], ["runs", "show", name], ["eval", name, "--split", "all"]),
        ["predict", name, "wine.npy"],
    )
    assert reports[-1]["stdout"].startswith("name,label,probability\nrow 0,")
    for report in reports:
        assert report["code"] == 0
        assert report["forbidden"] == []
        assert only_inside(report)
        assert report["written"] in ([], [os.path.realpath(os.environ.get("TMPDIR", "/tmp"))])


def test_resume_writes_in_the_run_folder_and_reproduce_in_the_new_one_and_no_program_is_started(
    trained: Path, tmp_path: Path, watched: Watched
) -> None:
    mark = tmp_path / "mark"
    hostile_repository(trained, mark)
    name = trained.name
    bystander = copied(trained, "bystander")
    before = {path: path.read_bytes() for path in bystander.rglob("*") if path.is_file()}
    reproduce = ["reproduce", name]
    again, longer, adopted = watched(trained, reproduce, ["resume", name, "--set", "training.epochs=3"], reproduce)
    assert [report["code"] for report in (again, longer, adopted)] == [0, 0, 0]
    assert not any(report["forbidden"] for report in (again, longer, adopted))
    assert only_inside(again, trained.parent)
    assert only_inside(longer, trained)
    assert not any(place.startswith(os.path.realpath(trained)) for place in again["written"])
    assert not mark.exists()
    assert {path: path.read_bytes() for path in bystander.rglob("*") if path.is_file()} == before


def test_plugins_from_elsewhere_run_only_when_they_are_trusted_and_never_from_outside_the_folder(
    trained: Path, tmp_path: Path, tamper_spec: Callable[..., None], watched: Watched
) -> None:
    mark = tmp_path / "mark"
    commands = []
    listings = ("plugins/evil.py", "evil.py", "../../evil.py", str(tmp_path / "evil.py"), "plugins/../evil.py")
    for number, listed in enumerate(listings):
        run = copied(trained, f"listing-{number}")
        (run / "plugins").mkdir()
        for place in (run / "plugins", run, tmp_path):
            (place / "evil.py").write_text(PLUGIN.format(mark=str(mark)))
        tamper_spec(run, lambda spec, listed=listed: spec.update(plugins=[listed]))
        verbs = [["predict", run.name, "-"], *([verb, run.name] for verb in ("eval", "resume", "reproduce"))]
        commands += [*verbs, ["runs", "show", run.name], ["runs", "ls"]]
        if number:
            commands += [[*command, "--trust-plugins"] for command in verbs]
    for report in watched(trained, *commands):
        assert report["forbidden"] == []
        is_reader = report["arguments"][0] == "runs"
        assert report["code"] == (0 if is_reader else 2)
        assert is_reader or "--trust-plugins" in report["stderr"] or "is outside" in report["stderr"]
    assert not mark.exists()
    (report,) = watched(trained, ["eval", "listing-0", "--trust-plugins"])
    assert report["code"] == 0
    assert mark.read_text() == "the plugin ran"
    assert any("listing-0/plugins/evil.py" in said for said in report["forbidden"])  # so the hook does see such things


def test_data_that_a_strangers_spec_names_is_not_opened_unless_the_user_repeats_it(
    trained: Path, tmp_path: Path, tamper_spec: Callable[..., None], watched: Watched
) -> None:
    secret = tmp_path / "secret.npz"
    np.savez(secret, x=np.eye(40, dtype=np.float32), y=np.arange(40) % 2)
    datasets = (
        {"type": "arrays", "path": str(secret)},
        {"type": "tfds", "name": "mnist", "data_dir": str(tmp_path), "download": False},
        {"type": "tfds", "name": "mnist", "download": True},
        {"type": "tfds", "name": "mnist"},
    )
    commands = []
    for number, dataset in enumerate(datasets):
        run = copied(trained, f"data-{number}")
        tamper_spec(run, lambda spec, dataset=dataset: spec.update(dataset=dataset))
        commands += [[verb, run.name] for verb in ("eval", "resume", "reproduce")]
    repeated = ["eval", "data-0", "--split", "all", "--set", f"dataset.path={secret}"]
    # A prediction does without: the model is all that it needs of a stranger.
    np.save(tmp_path / "wine.npy", np.zeros((5, 13), np.float32))
    predictions = [["predict", f"data-{number}", str(tmp_path / "wine.npy")] for number in range(2)]
    *refused, allowed, first, second = watched(trained, *commands, repeated, *predictions)
    for report in (first, second):
        assert (report["code"], report["forbidden"]) == (0, [])
        assert os.path.realpath(secret) not in report["read"]
        assert only_inside(report)
    for report in refused:
        assert (report["code"], report["forbidden"]) == (2, [])
        assert "needs confirmation" in report["stderr"]
        assert os.path.realpath(secret) not in report["read"]
        assert only_inside(report, trained.parent / report["arguments"][1])
    assert os.path.realpath(secret) in allowed["read"]
    assert allowed["code"] == 2  # it was read, and is not the data that the run was trained on
