import json
import multiprocessing
import re
import threading
from pathlib import Path

import pytest
from pydantic import ValidationError

from dlrun.errors import RunError
from dlrun.runs.folder import RunFolder
from dlrun.runs.lock import holder


def create_at_once(runs_dir: Path, barrier: threading.Barrier, made: list[str]) -> None:
    barrier.wait()
    made.append(RunFolder.create(runs_dir, name="x").id)


def test_an_id_contains_time_and_name_and_the_record_starts_as_created(tmp_path: Path) -> None:
    folder = RunFolder.create(tmp_path / "deep" / "runs", name="mnist cnn/2: é")
    assert re.fullmatch(r"\d{8}-\d{6}-mnist_cnn_2_é-[0-9a-f]{4}", folder.id)
    record = folder.read_record()
    assert (record.id, record.name, record.status) == (folder.id, "mnist cnn/2: é", "created")
    assert record.started is not None
    assert folder.status == "created"


@pytest.mark.parametrize(
    ("name", "part"), [("a b", "a_b"), ("-x", "x"), (".hidden", "hidden"), ("../up", "up"), ("", "run"), ("///", "run")]
)
def test_a_name_that_does_not_suit_a_file_name_is_replaced(tmp_path: Path, name: str, part: str) -> None:
    folder = RunFolder.create(tmp_path, name=name)
    assert re.fullmatch(rf"\d{{8}}-\d{{6}}-{part}-[0-9a-f]{{4}}", folder.id)
    assert folder.read_record().name == name


@pytest.mark.parametrize("name", ["", "..", "///", "a" * 300, "字" * 100, "-x", ".hidden"])
def test_every_name_makes_a_folder_inside_the_runs_folder(tmp_path: Path, name: str) -> None:
    path = RunFolder.create(tmp_path, name=name).path
    assert path.parent == tmp_path
    assert [found.name for found in tmp_path.iterdir()] == [path.name]


def test_runs_that_start_at_the_same_moment_never_share_a_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    digits = iter([f"{number // 3:04x}" for number in range(60)])  # each suffix comes three times
    monkeypatch.setattr("secrets.token_hex", lambda _count: next(digits))
    barrier, made = threading.Barrier(10), list[str]()
    threads = [threading.Thread(target=create_at_once, args=(tmp_path, barrier, made)) for _ in range(10)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(made)) == 10
    assert sorted(made) == sorted(path.name for path in tmp_path.iterdir())


def test_changing_the_record_keeps_other_keys_and_those_of_a_later_version(tmp_path: Path) -> None:
    folder = RunFolder.create(tmp_path, name="x")
    raw = json.loads(folder.run_json.read_text())
    folder.write_json(
        folder.run_json,
        {**raw, "later": {"a": [1]}, "best": {"metric": "loss", "value": 1, "epoch": 1, "step": 2, "b": 3}},
    )
    folder.update_record(status="completed", result={"test": {"accuracy": 0.5, "loss": float("nan")}})
    found = json.loads(folder.run_json.read_text())
    assert found["later"] == {"a": [1]}
    assert found["best"]["b"] == 3
    assert (found["status"], found["id"]) == ("completed", folder.id)
    assert found["result"] == {"test": {"accuracy": 0.5, "loss": None}}
    assert folder.read_record().result["test"]["loss"] is None


def test_a_value_of_the_wrong_type_is_never_written(tmp_path: Path) -> None:
    folder = RunFolder.create(tmp_path, name="x")
    before = folder.run_json.read_bytes()
    with pytest.raises(ValidationError):
        folder.update_record(status="finished")
    assert folder.run_json.read_bytes() == before


@pytest.mark.parametrize("content", [None, b"", b"{", b"[]", b'{"id": 1}', b"\xff", b"[" * 100_000])
def test_a_missing_or_damaged_record_is_a_run_error_that_names_the_file(tmp_path: Path, content: bytes | None) -> None:
    folder = RunFolder.create(tmp_path, name="x")
    folder.run_json.unlink()
    if content is not None:
        folder.run_json.write_bytes(content)
    with pytest.raises(RunError, match=r"run\.json"):
        folder.read_record()


def test_readers_never_see_half_a_record(tmp_path: Path) -> None:
    folder = RunFolder.create(tmp_path, name="x")
    done = threading.Event()

    def write() -> None:
        try:
            for count in range(80):
                folder.update_record(command=("x" * 5_000 * (count % 3),))
        finally:
            done.set()  # or the reader would wait for ever

    writer = threading.Thread(target=write)
    writer.start()
    while not done.is_set():
        assert folder.read_record().id == folder.id
    writer.join()


def test_the_files_are_where_the_design_says(tmp_path: Path) -> None:
    folder = RunFolder.create(tmp_path, name="x")
    paths = [folder.config_yaml, folder.spec_yaml, folder.run_json, folder.log_txt, folder.metrics_jsonl]
    paths += [folder.metrics_csv, folder.checkpoints, folder.best, folder.tensorboard, folder.packages_txt]
    assert [str(path.relative_to(folder.path)) for path in [*paths, folder.git_diff]] == [
        *("config.yaml", "spec.yaml", "run.json", "log.txt", "metrics.jsonl"),
        *("metrics.csv", "checkpoints", "checkpoints/best", "tensorboard", "packages.txt", "git.diff"),
    ]
    folder.append_metrics({"epoch": 1, "loss": 0.5})
    assert RunFolder.open(folder.path).read_metrics() == [{"epoch": 1, "loss": 0.5}]


def test_temporary_files_of_a_killed_writer_are_removed_by_the_next(tmp_path: Path) -> None:
    folder = RunFolder.create(tmp_path, name="x")
    (folder.path / ".run.json.123.new").write_text("{")
    with folder.lock():
        assert sorted(path.name for path in folder.path.iterdir()) == [".lock", "run.json"]


def test_folders_that_cannot_be_created_or_opened_are_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(RunError, match="cannot create a run folder in") as raised:
        RunFolder.create(tmp_path / "file" / "runs", name="x")
    assert "\n" not in raised.value.what
    with pytest.raises(RunError, match="there is no run folder"):
        RunFolder.open(tmp_path / "file")
    assert holder(tmp_path / "nothing" / ".lock") is None


@pytest.mark.slow
def test_twenty_simultaneous_processes_get_twenty_folders(tmp_path: Path) -> None:
    with multiprocessing.get_context("spawn").Pool(20) as pool:
        made = pool.starmap(_create, [(tmp_path,)] * 20, chunksize=1)
    assert len(set(made)) == 20
    assert {path.name for path in tmp_path.iterdir()} == set(made)


def _create(runs_dir: Path) -> str:
    return RunFolder.create(runs_dir, name="same").id


def test_holding_a_run_removes_the_files_of_killed_writers(tmp_path: Path) -> None:
    folder = RunFolder.create(tmp_path, name="x")
    left = [folder.evaluation / ".0123.new", folder.plots / ".4567.new"]
    staged = folder.checkpoints / ".new-step-000000001"
    replaced = folder.checkpoints / ".old-step-000000002"
    for path in (*left, staged / "state.json", replaced / "state.json"):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("half")
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / ".mine.new").write_text("precious")
    (folder.path / "other").symlink_to(elsewhere)
    with folder.lock():
        assert not any(path.exists() for path in (*left, staged))
        assert (folder.checkpoints / "step-000000002").is_dir()
        folder.plots.rmdir()
        folder.plots.symlink_to(elsewhere)
    with folder.lock():
        assert (elsewhere / ".mine.new").read_text() == "precious"
