"""What `dlrun resume` lets change, what it refuses and how it says so, and which checkpoint it goes on from."""

import json
import shutil
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytestmark = [pytest.mark.tensorflow, pytest.mark.slow]

CONFIG = """\
name: small
dataset: {type: builtin, name: digits, validation: 0.1}
model: {type: mlp, units: [16], dropout: 0.2}
optimizer: {type: adam, learning_rate: 0.01}
loss: sparse_categorical_crossentropy
metrics: [accuracy]
training: {batch_size: 216, epochs: 2, checkpoint_minutes: 100, tensorboard: false, report: false}
"""
PLATEAU = "schedule={type: reduce_on_plateau, patience_epochs: 1, min_delta: 10}"
STEPS_DONE = ("StepsDone", 3)  # after the first step of the second epoch, or later


class Workshop:
    """A folder with a config, and the commands that are run in it."""

    def __init__(self, folder: Path, dlrun: Any) -> None:
        self.folder, self._dlrun = folder, dlrun
        (folder / "small.yaml").write_text(CONFIG)

    def __call__(self, *arguments: str, code: int = 0, **options: Any) -> Any:
        ended = self._dlrun.run(*arguments, folder=self.folder, **options)
        assert ended.code == code, ended.err
        assert "Traceback" not in ended.err
        return ended

    def train(self, *overrides: str, **options: Any) -> Path:
        """Train in a new run folder."""
        before = set(self.folder.glob("runs/*"))
        self("train", "small.yaml", *settings(*overrides), **options)
        (run,) = set(self.folder.glob("runs/*")) - before
        return run

    def resume(self, run: Path, *overrides: str, **options: Any) -> Any:
        return self("resume", run.name, *settings(*overrides), **options)


def settings(*overrides: str) -> list[str]:
    return [part for override in overrides for part in ("--set", override)]


def record(run: Path) -> Any:
    return json.loads((run / "run.json").read_text())


def content(run: Path) -> dict[str, bytes]:
    hidden = {".lock", "log.txt"}
    files = (path for path in sorted(run.rglob("*")) if path.is_file() and not hidden & {*path.relative_to(run).parts})
    return {str(path.relative_to(run)): path.read_bytes() for path in files}


@pytest.fixture
def workshop(tmp_path: Path, dlrun: Any) -> Workshop:
    return Workshop(tmp_path, dlrun)


@pytest.fixture(scope="module")
def complete(dlrun: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of two epochs, for tests that copy it."""
    return Workshop(tmp_path_factory.mktemp("complete"), dlrun).train()


@pytest.fixture
def copied(complete: Path, workshop: Workshop) -> Callable[[str], Path]:
    def copy(name: str = "copy") -> Path:
        return shutil.copytree(complete, workshop.folder / "runs" / name)

    return copy


@pytest.mark.parametrize("schedule", [PLATEAU, "schedule={type: step, every_epochs: 1.5}"])
def test_a_run_that_is_made_longer_equals_one_of_that_length_from_the_start(
    schedule: str, workshop: Workshop, outcome_of: Any
) -> None:
    longer = workshop.train(schedule)
    workshop.resume(longer, "training.epochs=4")
    assert outcome_of(longer) == outcome_of(workshop.train(schedule, "training.epochs=4"))


@pytest.mark.parametrize("schedule", ["cosine", "one_cycle"])
def test_a_schedule_over_the_whole_length_cannot_be_made_longer(schedule: str, workshop: Workshop) -> None:
    run = workshop.train(f"schedule={schedule}", "training.epochs=1")
    before = content(run)
    assert f"the schedule {schedule} spans the whole training" in workshop.resume(run, "training.epochs=4", code=2).err
    assert content(run) == before


def test_every_key_that_training_has_depended_on_is_refused_by_name(copied: Any, workshop: Workshop) -> None:
    run = copied()
    before = content(run)
    changes = {
        "seed": "7",
        "dataset.name": "wine",
        "dataset.resize": "[4, 4]",
        "dataset.validation": "0.2",
        "model.units": "[32]",
        "optimizer.learning_rate": "0.5",
        "loss.ignore_class": "3",
        "metrics": "[]",
        "training.batch_size": "64",
        "training.precision": "bfloat16",
        "training.jit": "on",
        "training.shuffle": "false",
    }
    for key, value in changes.items():
        err = workshop.resume(run, f"{key}={value}", code=2).err
        assert f"{key} cannot change from" in err or f"{key}." in err, err
    together = ("seed", "model.units", "optimizer.learning_rate", "training.batch_size")
    err = workshop.resume(run, *(f"{key}={changes[key]}" for key in together), code=2).err
    assert all(f"{key} cannot change from" in err for key in together)
    assert content(run) == before


def test_fewer_epochs_than_are_trained_are_refused(copied: Any, workshop: Workshop) -> None:
    run = copied()
    before = content(run)
    assert "has trained 12 steps already" in workshop.resume(run, "training.epochs=1", code=2).err
    assert content(run) == before


def test_a_run_that_ended_inside_an_epoch_cannot_be_made_longer(workshop: Workshop) -> None:
    run = workshop.train("training.epochs=null", "training.steps=9")
    before = content(run)
    assert "a multiple of 6 steps" in workshop.resume(run, "training.epochs=4", code=2).err
    assert content(run) == before


def test_a_run_that_stopped_early_goes_on_with_more_patience(workshop: Workshop, outcome_of: Any) -> None:
    patience = "training.early_stopping={patience_epochs: %d, min_delta: 100}"
    run = workshop.train(patience % 1, "training.epochs=5")
    assert "has not improved" in record(run)["reason"]
    workshop.resume(run, patience % 3)
    assert outcome_of(run) == outcome_of(workshop.train(patience % 3, "training.epochs=5"))


def test_resuming_a_complete_run_changes_nothing(copied: Any, workshop: Workshop) -> None:
    run = copied()
    before = content(run)
    assert "is complete" in workshop.resume(run).err
    assert content(run) == before


def test_train_with_resume_is_resume(workshop: Workshop, complete: Path, outcome_of: Any) -> None:
    run = workshop.train(at=STEPS_DONE, signals=(signal.SIGINT,), code=130)
    workshop("train", "--resume", run.name)
    assert outcome_of(run) == outcome_of(complete)


def test_a_spec_that_was_edited_is_refused(copied: Any, workshop: Workshop) -> None:
    run = copied()
    spec = run / "spec.yaml"
    spec.write_text(spec.read_text().replace("epochs: 2", "epochs: 9"))
    assert "was changed after the training" in workshop.resume(run, code=2).err


def test_what_has_changed_in_the_environment_is_listed_and_refused_unless_allowed(workshop: Workshop) -> None:
    run = workshop.train(at=STEPS_DONE, signals=(signal.SIGINT,), code=130)
    changed = record(run)
    keys = ("tensorflow", "cpu features", "intra-op threads", "device")
    now = {key: changed["environment"][key] for key in keys}
    changed["environment"] |= dict.fromkeys(keys, "another")
    (run / "run.json").write_text(json.dumps(changed))
    before = content(run)
    err = workshop.resume(run, code=2, TF_ENABLE_ONEDNN_OPTS="0").err
    assert all(f"{key} was another, and is {value}" in err for key, value in now.items())
    assert "TF_ENABLE_ONEDNN_OPTS was" in err
    assert "--allow-changes" in err
    assert content(run) == before
    workshop("resume", run.name, "--allow-changes")
    assert (record(run)["status"], record(run)["exact"]) == ("completed", False)
    assert f"device was another, and is {now['device']}" in record(run)["environment_changes"]


def test_a_data_file_that_was_changed_is_refused_unless_allowed(workshop: Workshop) -> None:
    data = workshop.folder / "data.npz"
    random = np.random.default_rng(0)
    arrays = {"x": random.normal(size=(600, 4)).astype("float32"), "y": np.arange(600) % 3}
    np.savez(data, **arrays)  # type: ignore[arg-type]  # its stub takes allow_pickle for one of the arrays
    dataset = "dataset={type: arrays, path: data.npz, validation: 0.1}"
    run = workshop.train(dataset, "training.batch_size=100", at=STEPS_DONE, signals=(signal.SIGINT,), code=130)
    arrays["x"][0, 0] += 1
    np.savez(data, **arrays)  # type: ignore[arg-type]
    assert "data.npz has changed: some of its values differ (sha256 " in workshop.resume(run, code=2).err
    workshop("resume", run.name, "--allow-changes")
    assert record(run)["exact"] is False


def test_a_kill_between_a_checkpoint_and_its_becoming_the_best_is_mended(
    workshop: Workshop, complete: Path, outcome_of: Any
) -> None:
    run = workshop.train(at=("dlrun.system.staging:put_in_place", 2), signals=(signal.SIGKILL,), code=-9)
    workshop.resume(run)
    assert outcome_of(run) == outcome_of(complete)


def damage(checkpoint: Path) -> None:
    arrays = checkpoint / "arrays.safetensors"
    data = bytearray(arrays.read_bytes())
    data[-3] ^= 1
    arrays.write_bytes(data)


def test_damaged_checkpoints_are_skipped_by_name_and_the_result_is_the_same(
    workshop: Workshop, outcome_of: Any
) -> None:
    often = ("training.checkpoint_minutes=0.000001", "training.keep_checkpoints=4", "training.epochs=3")
    run = workshop.train(*often, at=("dlrun.system.staging:put_in_place", 6), signals=(signal.SIGKILL,), code=-9)
    # Training goes on with checkpoints that are older than the damaged ones.
    *damaged, sound = sorted((run / "checkpoints").glob("step-*"), reverse=True)[:3]
    for checkpoint in damaged:
        damage(checkpoint)
    ended = workshop.resume(run)
    assert all(f"warning    {checkpoint.name} cannot be used" in ended.err for checkpoint in damaged)
    assert f"from {sound.name}" in ended.err
    assert outcome_of(run) == outcome_of(workshop.train(*often))


def test_checkpoints_that_are_all_damaged_are_an_error_that_names_each(workshop: Workshop) -> None:
    run = workshop.train(at=STEPS_DONE, signals=(signal.SIGINT,), code=130)
    checkpoints = sorted((run / "checkpoints").glob("step-*"))
    for checkpoint in checkpoints:
        damage(checkpoint)
    err = workshop.resume(run, code=1).err
    assert "no checkpoint in" in err
    assert all(checkpoint.name in err for checkpoint in checkpoints)
    assert record(run)["status"] == "failed"


def test_a_run_that_was_killed_while_its_folder_was_made_resumes_or_says_what_is_missing(workshop: Workshop) -> None:
    for operation in range(1, 40, 6):
        shutil.rmtree(workshop.folder / "runs", ignore_errors=True)
        workshop("train", "small.yaml", kill_at=operation, code=-9)
        is_run = any(workshop.folder.glob("runs/*/run.json"))
        ended = workshop("resume", "last", code=0 if is_run else 2)
        assert "completed" in workshop("runs", "ls").out if is_run else "error: " in ended.err, operation


def test_a_run_whose_checkpoints_were_removed_says_so_and_does_not_begin_again(
    copied: Callable[[str], Path], workshop: Workshop
) -> None:
    run = copied("removed")
    best = shutil.copytree(run / "checkpoints" / "best", run.parent / "kept")
    workshop("runs", "gc", run.name, "--keep", "none")
    assert not list((run / "checkpoints").iterdir())
    shutil.move(best, run / "checkpoints" / "best")  # gc of version 0.1.0 left that one alone
    before = content(run)
    said = workshop.resume(run, "training.epochs=3", code=2).err
    assert f"the last checkpoint of {run.name} was removed by dlrun runs gc at 20" in said
    assert f"dlrun eval {run.name} --checkpoint best" in said
    assert "was removed by dlrun runs gc" in workshop("eval", run.name, code=2).err
    assert content(run) == before
    assert workshop("eval", run.name, "--checkpoint", "best").out.startswith("test ")


def test_resuming_a_complete_run_writes_the_report_that_a_kill_came_before(workshop: Workshop) -> None:
    reports = ("training.report=true",)
    run = workshop.train(*reports, at=("dlrun.experiment.report:draw_report", 1), signals=(signal.SIGKILL,), code=-9)
    before = record(run)
    assert (before["status"], (run / "report.html").exists()) == ("completed", False)
    (run / "evaluation" / "test.npz").unlink()
    workshop.resume(run)
    assert (run / "report.html").stat().st_size > 10_000
    after = record(run)
    key = "evaluation/test.npz"
    assert after["files_sha256"].pop(key) == before["files_sha256"].pop(key)  # the same predictions, to the bit
    assert after == before
    written = (run / "report.html").stat().st_mtime_ns
    workshop.resume(run)
    assert (run / "report.html").stat().st_mtime_ns == written


def test_what_was_chosen_keeps_its_reasons_wherever_a_kill_comes(workshop: Workshop, complete: Path) -> None:
    """Between spec.yaml, which has the choices from then on, and the sum of interface.json."""
    sums = ("dlrun.runs.folder:RunFolder.record_sums", 2)
    run = workshop.train(at=sums, signals=[signal.SIGKILL], code=-signal.SIGKILL)
    workshop.resume(run)
    chosen = ("precision", "jit", "cpu_shares", "device")
    assert {key: record(run)[key] for key in chosen} == {key: record(complete)[key] for key in chosen}
