"""What a stranger's run folder holds in place of files, before anything of it is believed: no TensorFlow is needed."""

import importlib.util
import os
import py_compile
import shutil
import subprocess
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path

import pytest

from dlrun.errors import CheckpointError, DlrunError, RunError, SpecError, UsageError
from dlrun.evaluation.evaluate import evaluate
from dlrun.experiment.reproduce import reproduce
from dlrun.experiment.resume import resume
from dlrun.plugins import load_plugin
from dlrun.prediction.predict import predict
from dlrun.runs.folder import RunFolder
from dlrun.runs.provenance.trust import is_own, sign
from dlrun.runs.query.catalog import find_run
from dlrun.runs.query.listing import scan_runs
from dlrun.spec.stored import read_stored_spec
from dlrun.training.state import TrainingState

PARTS = (
    *("spec.yaml", "run.json", "metrics.jsonl", "log.txt", ".lock", ".signature", "config.yaml", "checkpoints"),
    *("checkpoints/step-000000008", "checkpoints/step-000000008/arrays.safetensors", "tensorboard", "plugins"),
)
FILES = ("spec.yaml", "run.json", "metrics.jsonl", "log.txt", ".lock", ".signature")


def predicted(run: str, *, runs_dir: Path) -> None:
    list(predict(run, "-", runs_dir=runs_dir).blocks)


def evaluated_on_a_file(run: str, *, runs_dir: Path) -> None:
    evaluate(run, data="-", runs_dir=runs_dir)


VERBS = pytest.mark.parametrize("verb", [evaluate, evaluated_on_a_file, predicted, resume, reproduce])


def replace(path: Path, make: Callable[[Path], object]) -> None:
    """Put something else under a name of the run folder."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    path.unlink(missing_ok=True)
    make(path)


def read_everything(run: Path) -> None:
    """What `runs ls` and `runs show` read."""
    for summary in scan_runs(run.parent):
        summary.plain()
    folder = find_run(str(run), runs_dir=run.parent)
    folder.read_record()
    folder.read_metrics()
    assert folder.status


def test_a_run_from_elsewhere_is_not_taken_for_an_own_one(written: Path) -> None:
    folder = RunFolder(written)
    assert not is_own(folder)
    assert not read_stored_spec(folder).trust.data
    sign(folder, folder.spec_yaml.read_text())
    assert is_own(folder)


@VERBS
@pytest.mark.parametrize("part", PARTS)
def test_a_symbolic_link_anywhere_is_refused_by_name_and_not_followed(
    written: Path, tmp_path: Path, part: str, verb: Callable[..., object]
) -> None:
    secret = tmp_path / "secret"
    secret.write_text("of the user")
    replace(written / part, lambda path: path.symlink_to(secret))
    with pytest.raises(DlrunError, match=f"{Path(part).name}.* symbolic link"):
        verb(str(written), runs_dir=written.parent)
    assert secret.read_text() == "of the user"


@VERBS
@pytest.mark.parametrize("part", PARTS)
def test_a_pipe_anywhere_is_refused_and_waited_for_by_nobody(
    written: Path, part: str, verb: Callable[..., object]
) -> None:
    replace(written / part, os.mkfifo)
    with pytest.raises(DlrunError):
        verb(str(written), runs_dir=written.parent)


@VERBS
@pytest.mark.parametrize("part", ["spec.yaml", "run.json"])
def test_a_folder_in_place_of_a_file_is_one_error(written: Path, part: str, verb: Callable[..., object]) -> None:
    replace(written / part, Path.mkdir)
    with pytest.raises(DlrunError):
        verb(str(written), runs_dir=written.parent)


@pytest.mark.parametrize("part", FILES)
@pytest.mark.parametrize("make", [os.mkfifo, Path.mkdir, lambda path: path.symlink_to("/etc/passwd")])
def test_listing_and_showing_a_run_of_odd_files_ends(written: Path, part: str, make: Callable[[Path], object]) -> None:
    replace(written / part, make)
    assert [summary.id for summary in scan_runs(written.parent)] == [written.name]
    if make is not Path.mkdir:
        with pytest.raises(UsageError, match=f"{part} is (a symbolic link|neither)"):
            read_everything(written)
    elif part in ("run.json", "metrics.jsonl"):
        with pytest.raises(RunError, match=part):
            read_everything(written)
    else:
        read_everything(written)


def test_a_file_that_is_gone_is_one_error(written: Path) -> None:
    (written / "spec.yaml").unlink()
    for verb in (evaluate, predicted, resume, reproduce):
        with pytest.raises(DlrunError, match=r"spec\.yaml|before its spec"):
            verb(str(written), runs_dir=written.parent)


def test_a_folder_that_is_nested_deeper_than_python_recurses_is_looked_through(written: Path) -> None:
    deepest = Path(written, *"d" * 1200)
    subprocess.run(["mkdir", "-p", deepest], check=True)
    try:
        assert read_stored_spec(RunFolder(written)).spec.name == "theirs"
        (deepest / "link").symlink_to("/")
        with pytest.raises(UsageError, match="link is a symbolic link"):
            read_stored_spec(RunFolder(written))
    finally:
        subprocess.run(["rm", "-rf", written / "d"], check=True)  # Python's own way of removing it recurses


@pytest.mark.parametrize("part", ["run.json", "metrics.jsonl", "spec.yaml", ".signature"])
def test_a_file_of_a_terabyte_is_refused_before_it_is_read(written: Path, part: str) -> None:
    with (written / part).open("r+b") as file:
        file.truncate(1 << 40)
    folder = RunFolder(written)
    assert not is_own(folder)
    read: dict[str, Callable[[], object]] = {
        "run.json": folder.read_record,
        "metrics.jsonl": folder.read_metrics,
        "spec.yaml": lambda: read_stored_spec(folder),
    }
    if part in read:
        with pytest.raises((RunError, SpecError), match=r"has 1,099,511,627,776 bytes|larger than 1 MiB"):
            read[part]()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a: &a [x, x]\nb: [*a, *a]\n", "anchor"),
        ("a: !!python/object/apply:os.system [id]\n", "the tag"),
        ("a: 1\n" + "# " + "x" * (2 << 20), "larger than 1 MiB"),
        ("[" * 100_000, "nested deeper"),
        ("a: " + "9" * 100_000, "unknown key 'a'"),
        ("\x00", "not YAML"),
        ("a: \x1b[31m", "not YAML"),
        ("", "empty"),
        ("- 1\n", "spec is"),
    ],
)
def test_a_spec_that_is_meant_to_hurt_is_a_spec_error(written: Path, text: str, said: str) -> None:
    (written / "spec.yaml").write_text(text)
    RunFolder(written).update_record(spec_sha256=sha256(text.encode()).hexdigest())
    with pytest.raises(SpecError, match=said):
        evaluate(str(written), runs_dir=written.parent)
    with pytest.raises(DlrunError):
        resume(str(written), runs_dir=written.parent)


@pytest.mark.parametrize("checkpoint", ["../../x", "/etc", "..", ".", "", "step-000000008/../../..", ".new-step"])
def test_a_checkpoint_is_asked_for_by_name_and_never_by_a_path(written: Path, checkpoint: str) -> None:
    from dlrun.training.checkpoints import checkpoint as store

    there = sorted(path.name for path in RunFolder(written).checkpoints.glob("[!.]*"))
    assert checkpoint not in there  # what restoring asks
    with pytest.raises(DlrunError):
        store.read_checkpoint(written / "checkpoints" / (checkpoint or "x"))


@pytest.mark.parametrize("name", ["../x", "a/b", "x\n", "\x1b[31m", "", "." * 3, "x" * 200])
def test_a_name_that_could_leave_the_runs_folder_is_refused(
    written: Path, name: str, tamper_spec: Callable[..., None]
) -> None:
    tamper_spec(written, lambda spec: spec.update(name=name))
    with pytest.raises(SpecError, match="the name"):
        reproduce(str(written), runs_dir=written.parent)
    assert list(written.parent.iterdir()) == [written]


def test_a_plugin_is_run_from_its_source_and_not_from_bytecode_that_came_along(tmp_path: Path) -> None:
    said = "import pathlib; pathlib.Path({!r}).touch(){}"
    good, evil = tmp_path / "good.py", tmp_path / "evil.py"
    good.write_text(said.format(str(tmp_path / "looked_at"), ""))
    evil.write_text(said.format(str(tmp_path / "hidden"), "").ljust(good.stat().st_size))
    os.utime(evil, ns=(good.stat().st_atime_ns, good.stat().st_mtime_ns))
    assert evil.stat().st_size == good.stat().st_size  # by size and time the bytecode belongs to good.py
    py_compile.compile(str(evil), cfile=importlib.util.cache_from_source(str(good)), doraise=True)
    load_plugin(good, beside=tmp_path)
    assert (tmp_path / "looked_at").exists()
    assert not (tmp_path / "hidden").exists()


@pytest.mark.parametrize(
    "change",
    [
        {"epoch": -1},
        {"epoch": 1 << 70},
        {"epoch": 1e300},
        {"epoch": None},
        {"step": -16},
        {"epoch_step": -1},
        {"epoch_step": 1 << 62},
        {"seconds": float("nan")},
        {"seconds": float("inf")},
        {"seconds": -1},
        {"best": [1]},
        {"best": {"metric": "loss", "value": "x", "epoch": 1, "step": 1}},
        {"early_stopping": None},
        {"plateau": {"learning_rate": []}},
        {"stopped": 5},
        {"more": 5},
    ],
)
def test_a_training_state_that_cannot_be_is_a_checkpoint_error(change: dict[str, object]) -> None:
    state = TrainingState(epoch=2, step=16, seconds=1.0).to_json()
    assert TrainingState.from_json(state).step == 16
    with pytest.raises(CheckpointError, match="the training state"):
        TrainingState.from_json(state | change)


@pytest.mark.parametrize("state", [{}, [], None, "x", {"epoch": 1}])
def test_what_is_no_training_state_is_a_checkpoint_error(state: object) -> None:
    with pytest.raises(CheckpointError, match="the training state is damaged"):
        TrainingState.from_json(state)
