from pathlib import Path
from typing import Any

import pytest

from dlrun.errors import UsageError
from dlrun.runs.folder import RunFolder
from dlrun.runs.query.catalog import find_run
from dlrun.runs.query.listing import scan_runs
from dlrun.system.disk import disk


def run(runs_dir: Path, name: str, *, minute: int = 0, **changes: Any) -> RunFolder:
    folder = RunFolder.create(runs_dir, name=name)
    folder.update_record(started=f"2026-11-21T14:{minute:02}:00+01:00", **changes)
    return folder


def best(metric: str, value: float | None) -> dict[str, Any]:
    return {"metric": metric, "value": value, "epoch": 1, "step": 10}


def test_runs_are_listed_newest_first_with_their_values(tmp_path: Path) -> None:
    old = run(tmp_path, "zz", minute=1, status="completed")
    new = run(
        tmp_path,
        "digits_cnn",
        minute=2,
        status="running",
        seconds=2.5,
        model={"type": "cnn", "parameters": 7},
        dataset={"name": "digits", "fingerprint": "ab", "examples": {"train": 3}},
        best=best("val_accuracy", 0.97),
        result={"test": {"accuracy": 0.96}},
    )
    (tmp_path / ".hidden").mkdir()
    (tmp_path / "notes.txt").touch()
    first, second = scan_runs(tmp_path)
    assert (first.id, second.id) == (new.id, old.id)
    assert (first.name, first.status, first.seconds, first.model, first.dataset) == (
        *("digits_cnn", "stale", 2.5),
        *("cnn", "digits"),
    )
    assert first.started == "2026-11-21T14:02:00+01:00"
    assert first.best is not None
    assert (first.best.metric, first.best.value, first.result["test"]) == ("val_accuracy", 0.97, {"accuracy": 0.96})
    with new.lock():
        assert scan_runs(tmp_path)[0].status == "running"


def test_the_newest_run_is_found_by_time_in_any_time_zone(tmp_path: Path) -> None:
    early, late = RunFolder.create(tmp_path, name="b"), RunFolder.create(tmp_path, name="a")
    early.update_record(started="2026-11-21T14:30:00+02:00")
    late.update_record(started="2026-11-21T13:00:00+00:00")
    assert [found.id for found in scan_runs(tmp_path)] == [late.id, early.id]


@pytest.mark.parametrize(
    "content",
    [None, b"", b"{", b"[1]", b'{"id": 3, "name": "x"}', b'{"id":"a","name":"b","result":{"test":3}}', b"\xff\xfe"],
)
def test_a_damaged_run_is_listed_as_such_and_last_skips_it(tmp_path: Path, content: bytes | None) -> None:
    sound, broken = run(tmp_path, "sound"), run(tmp_path, "broken", minute=5)
    broken.run_json.unlink()
    if content is not None:
        broken.run_json.write_bytes(content)
    found = {summary.id: summary for summary in scan_runs(tmp_path)}
    assert (found[broken.id].status, found[sound.id].status) == ("damaged", "created")
    assert "run.json" in found[broken.id].problem
    assert find_run("last", runs_dir=tmp_path).id == sound.id


def test_a_run_whose_time_makes_no_sense_is_still_listed(tmp_path: Path) -> None:
    folder = RunFolder.create(tmp_path, name="x")
    for started in ("yesterday", "", "9999-99-99"):
        folder.update_record(started=started)
        assert [found.id for found in scan_runs(tmp_path)] == [folder.id]


def test_if_a_model_is_needed_last_is_the_last_run_that_has_started_to_train(tmp_path: Path) -> None:
    trained, failed = run(tmp_path, "trained"), run(tmp_path, "failed", minute=5, status="failed")
    assert find_run("last", runs_dir=tmp_path, is_trained=True).id == failed.id  # which tells what it lacks
    trained.interface_json.write_text("{}")
    assert find_run("last", runs_dir=tmp_path, is_trained=True).id == trained.id
    assert find_run("last", runs_dir=tmp_path).id == failed.id


def test_a_run_is_found_by_id_part_path_and_last(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = run(tmp_path / "runs", "digits_cnn", minute=1), run(tmp_path / "runs", "digits_mlp", minute=2)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "cnn").mkdir()  # a folder of that name which is no run is not meant
    for argument in (first.id, first.id[-8:], "cnn", str(first.path), f"runs/{first.id}", f"./runs/{first.id}/"):
        assert find_run(argument, runs_dir=Path("runs")).id == first.id, argument
    assert find_run("last", runs_dir=Path("runs")).id == second.id
    monkeypatch.chdir(first.path)
    assert find_run(".", runs_dir=tmp_path / "runs").id == first.id


def test_an_id_that_is_part_of_another_id_names_its_own_run(tmp_path: Path) -> None:
    folder = run(tmp_path, "x")
    longer = tmp_path / f"{folder.id}-copy"
    longer.mkdir()
    assert find_run(folder.id, runs_dir=tmp_path).id == folder.id


def test_an_ambiguous_part_lists_the_candidates(tmp_path: Path) -> None:
    ids = [run(tmp_path, name, minute=minute).id for minute, name in enumerate(("digits_a", "digits_b"))]
    with pytest.raises(UsageError, match="'digits' matches 2 runs") as raised:
        find_run("digits", runs_dir=tmp_path)
    assert all(found in raised.value.what for found in ids)
    assert raised.value.hint.startswith(ids[1])


@pytest.mark.parametrize("argument", ["nothing/like/it", "x" * 400, "", "best", "a/b"])
def test_the_error_for_an_unknown_run_names_the_newest(tmp_path: Path, argument: str) -> None:
    folder = run(tmp_path, "digits_cnn")
    with pytest.raises(UsageError, match="there is no run") as raised:
        find_run(argument, runs_dir=tmp_path)
    assert folder.id in raised.value.hint


def test_a_mistyped_name_suggests_the_newest_run_of_the_nearest_name(tmp_path: Path) -> None:
    ids = [run(tmp_path, name, minute=minute).id for minute, name in enumerate(("digits_cnn", "digits_cnn", "wine"))]
    with pytest.raises(UsageError) as raised:
        find_run("digist_cnn", runs_dir=tmp_path)
    assert raised.value.hint == ids[1]


def test_a_mistyped_id_suggests_the_nearest_id(tmp_path: Path) -> None:
    folders = [run(tmp_path, name) for name in ("mnist", "wine")]
    wanted = folders[0].id
    with pytest.raises(UsageError) as raised:
        find_run(wanted[:12] + wanted[13:], runs_dir=tmp_path)
    assert raised.value.hint == wanted


@pytest.mark.parametrize("argument", ["last", "best:val_loss", "x"])
def test_an_empty_runs_folder_is_an_error(tmp_path: Path, argument: str) -> None:
    for runs_dir in (tmp_path, tmp_path / "missing"):
        with pytest.raises(UsageError, match="there are no runs in"):
            find_run(argument, runs_dir=runs_dir)


def test_best_uses_the_direction_of_the_metric_unless_a_sign_overrides_it(tmp_path: Path) -> None:
    said = {"loss": "min", "accuracy": "max", "quality": "min"}

    def made(name: str, value: float | None, quality: float | None, loss: float | None) -> str:
        result = {"validation": {"loss": loss, "quality": quality}}
        return run(tmp_path, name, best=best("val_accuracy", value), result=result, directions=said).id

    low, high = made("low", 0.2, 0.3, 3.0), made("high", 0.9, 0.7, -1.0)
    made("nan", None, None, None)
    run(tmp_path, "none", result={"test": {"mae": 1.0}})
    chosen = {
        "val_accuracy": high, "+val_accuracy": high, "-val_accuracy": low,
        "val_loss": high, "-val_loss": high, "+val_loss": low, "loss": high,
        "val_quality": low, "quality": low, "+val_quality": high,
    }  # fmt: skip
    assert {key: find_run(f"best:{key}", runs_dir=tmp_path).id for key in chosen} == chosen


def test_a_run_without_directions_gets_those_of_its_spec_then_those_of_keras(tmp_path: Path) -> None:
    metrics = "metrics:\n- {type: mean_absolute_error, name: quality}\n- {type: of_a_plugin, name: null}\n"
    scores = [("quality", 1.0), ("of_a_plugin", 1.0), ("mean_squared_error", 1.0)]
    for factor in (1, 2):
        made = run(tmp_path, f"x{factor}", result={"validation": {name: factor * value for name, value in scores}})
        made.spec_yaml.write_text(metrics)
    assert "-x1-" in find_run("best:quality", runs_dir=tmp_path).id
    assert "-x1-" in find_run("best:val_mean_squared_error", runs_dir=tmp_path).id
    for key in ("of_a_plugin", "val_of_a_plugin"):
        with pytest.raises(UsageError, match="unknown whether a larger or a smaller") as raised:
            find_run(f"best:{key}", runs_dir=tmp_path)
        assert raised.value.expected == f"best:+{key} for the largest, best:-{key} for the smallest"
        assert "-x2-" in find_run(f"best:+{key}", runs_dir=tmp_path).id


def test_runs_that_disagree_about_a_direction_need_a_sign(tmp_path: Path) -> None:
    for direction in ("max", "min"):
        run(tmp_path, direction, result={"validation": {"q": 1.0}}, directions={"loss": "min", "q": direction})
    with pytest.raises(UsageError, match="a larger q is better for some of the runs, and a smaller one for others"):
        find_run("best:q", runs_dir=tmp_path)


def test_of_equal_runs_the_newest_is_the_best(tmp_path: Path) -> None:
    ids = [run(tmp_path, "x", minute=minute, result={"validation": {"auc": 1.0}}).id for minute in (1, 3, 2)]
    assert find_run("best:auc", runs_dir=tmp_path).id == ids[1]


def test_a_key_without_a_split_means_validation_before_test(tmp_path: Path) -> None:
    result = {"test": {"auc": 1.0, "mse": 6.0}, "validation": {"auc": 2.0, "mae": 3.0}, "train": {"auc": 4.0}}
    run(tmp_path, "x", result=result, best=best("val_f1", 5.0))
    found = scan_runs(tmp_path)[0]
    keys = {"auc": 2.0, "test_auc": 1.0, "val_auc": 2.0, "train_auc": 4.0, "mae": 3.0, "val_f1": 5.0, "test_mae": None}
    assert {key: found.value(key) for key in keys} == keys
    assert (found.value("mse"), found.value_to_choose_by("mse"), found.value_to_choose_by("test_mse")) == (
        6.0,
        None,
        6.0,
    )
    assert found.keys() == {"test_auc", "test_mse", "val_auc", "val_mae", "train_auc", "val_f1"}


def test_a_test_score_chooses_only_if_the_key_names_it(tmp_path: Path) -> None:
    low, high = (run(tmp_path, "x", result={"test": {"auc": value}}).id for value in (0.1, 0.9))
    with pytest.raises(UsageError, match="a test score is only used for a choice if you ask for it") as raised:
        find_run("best:-auc", runs_dir=tmp_path)
    assert raised.value.hint == "best:-test_auc"
    assert find_run("best:test_auc", runs_dir=tmp_path).id == high
    assert find_run("best:-test_auc", runs_dir=tmp_path).id == low


def test_an_unknown_key_lists_the_known_ones_and_the_nearest(tmp_path: Path) -> None:
    run(tmp_path, "x", result={"test": {"accuracy": 1.0}})
    with pytest.raises(UsageError, match="no run has a value for 'test_acuracy'") as raised:
        find_run("best:-test_acuracy", runs_dir=tmp_path)
    assert (raised.value.expected, raised.value.hint) == ("one of test_accuracy", "best:-test_accuracy")


def test_a_score_that_is_undefined_in_every_run_has_an_error_of_its_own(tmp_path: Path) -> None:
    run(tmp_path, "x", result={"validation": {"auc": None, "loss": 1.0}})
    for key in ("auc", "val_auc", "+val_auc"):
        with pytest.raises(UsageError, match="auc is undefined in all runs that have it") as raised:
            find_run(f"best:{key}", runs_dir=tmp_path)
        assert raised.value.expected == "one of val_loss"


def test_a_listing_reads_each_of_many_runs_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = run(tmp_path, "x").run_json.read_bytes()
    for number in range(50):
        (tmp_path / str(number)).mkdir()
        (tmp_path / str(number) / "run.json").write_bytes(text)
    opened, open_file = list[str](), type(disk).opened

    def count(self: Any, path: Path, *rest: Any) -> Any:
        opened.append(str(path))
        return open_file(self, path, *rest)

    monkeypatch.setattr(type(disk), "opened", count)
    assert len(scan_runs(tmp_path)) == 51
    records = [path for path in opened if path.endswith("run.json")]
    assert len(records) == len(set(records)) == 51
