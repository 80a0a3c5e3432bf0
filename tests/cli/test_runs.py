"""`dlrun runs ...` as a person runs it, in this process: no TensorFlow is needed."""

import csv
import io
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from dlrun.cli.app import app
from dlrun.runs import removal
from dlrun.runs.folder import RunFolder
from dlrun.runs.query.index import _head

NAMES = ("<script>alert(1)</script>", "=HYPERLINK(1)", "plain")
CONTROL = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e]")

Said = tuple[int, str, str]
Dlrun = Callable[..., Said]


@pytest.fixture
def folders(tmp_path: Path) -> list[RunFolder]:
    """Three runs, the last one the newest."""
    made = []
    for number, name in enumerate(NAMES):
        folder = RunFolder.create(tmp_path / "runs", name=name)
        folder.spec_yaml.write_text(json.dumps({"name": name, "training": {"batch_size": 32 << number}}))
        folder.update_record(
            status="completed",
            started=f"2026-11-21T14:0{number}:00+01:00",
            seconds=60.0 * number,
            model={"type": "cnn", "parameters": 1000},
            dataset={"name": "digits", "fingerprint": str(number) * 64, "examples": {"train": 9}},
            result={"test": {"accuracy": 0.5 + number / 10}},
            best={"metric": "val_loss", "value": 0.5, "epoch": 3, "step": 9},
        )
        for epoch in (1, 2, 3):
            row = {"epoch": epoch, "step": 3 * epoch, "seconds": 1.0, "examples_per_second": 9.0}
            folder.append_metrics({**row, "loss": 1 / epoch, "val_loss": 2 / epoch})
        made.append(folder)
    return made


@pytest.fixture
def dlrun(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Dlrun:
    monkeypatch.chdir(tmp_path)

    def call(*arguments: object) -> Said:
        with pytest.raises(SystemExit) as ended:
            app(["runs", *map(str, arguments)])
        captured = capsys.readouterr()
        return int(ended.value.code or 0), captured.out, captured.err

    return call


def rows(text: str) -> list[list[str]]:
    return list(csv.reader(io.StringIO(text)))


def test_a_listing_shows_status_age_and_scores_and_tags_if_there_are_any(
    dlrun: Dlrun, folders: list[RunFolder]
) -> None:
    header, *lines = dlrun("ls")[1].splitlines()
    assert header.split() == ["id", "status", "age", "model", "dataset", "time", "best", "test"]
    assert [line.split()[0] for line in lines] == [folder.id for folder in reversed(folders)]
    assert re.search(
        r"completed +\d+ (s|min|h|d|y) ago +cnn +digits +2:00 min +val_loss 0\.5000 +accuracy 0\.7", lines[0]
    )
    folders[0].update_record(tags=["paper"])
    header, *lines = dlrun("ls")[1].splitlines()
    assert header.endswith("tag")
    assert lines[2].endswith("paper")


def test_a_listing_is_filtered_sorted_cut_and_has_the_columns_that_are_asked_for(
    dlrun: Dlrun, folders: list[RunFolder]
) -> None:
    options = ("--where", "test_accuracy>0.5", "--sort", "-training.batch_size", "--columns")
    code, out, _ = dlrun("ls", *options, "name,training.batch_size,seconds,age")
    assert code == 0
    assert [line.split()[:4] for line in out.splitlines()] == [
        ["name", "training.batch_size", "seconds", "age"],
        ["plain", "128", "2:00", "min"],
        ["=HYPERLINK(1)", "64", "1:00", "min"],
    ]
    found = json.loads(dlrun("ls", *options, "id,training.batch_size", "--limit", "1", "--json")[1])
    assert found == [{"id": folders[2].id, "training.batch_size": 128}]
    assert [run["id"] for run in json.loads(dlrun("ls", "--json", "--sort", "seconds")[1])] == [f.id for f in folders]


def test_a_listing_of_nothing_says_why(dlrun: Dlrun, tmp_path: Path) -> None:
    assert dlrun("ls", "--where", "x=3", "--columns", "y") == (0, "", "no runs in runs; dlrun train CONFIG makes one\n")
    RunFolder.create(tmp_path / "runs", name="x")
    assert dlrun("ls", "--status", "failed") == (0, "", "none of the 1 runs matches\n")
    assert dlrun("ls", "--status", "failed", "--json")[:2] == (0, "[]\n")


def test_what_cannot_be_asked_is_exit_code_2(dlrun: Dlrun, folders: list[RunFolder]) -> None:
    first = folders[0].id
    for arguments, said in [
        (("ls", "--where", "val_los<1"), "did you mean 'val_loss'?"),
        (("ls", "--sort", "secnds"), "did you mean 'seconds'?"),
        (("ls", "--columns", "id,batch_size"), "did you mean 'training.batch_size'?"),
        (("ls", "--status", "faild"), "did you mean 'failed'?"),
        (("ls", "--json", "--csv"), "give one of them"),
        (("compare", first), "nothing to compare"),
        (("compare", first, folders[1].id, "--plot", "x.gif"), "is not an image file"),
        (("compare", first, folders[1].id, "--metric", "val_los"), "--metric val_loss"),
        (("rm",), "say which runs"),
        (("rm", first, "--where", "name=x"), "give one of them"),
        (("rm", first), "--yes"),
        (("gc",), "nothing to remove"),
        (("gc", "--keep", "all"), "one of best, last, none"),
        (("gc", "--older-than", "soon"), "'soon' is not a number of seconds"),
        (("tag", first, ""), "is not a valid tag"),
        (("tail", first, "--log", "--csv"), "plain text"),
    ]:
        code, out, err = dlrun(*arguments)
        assert (code, out) == ((0, "") if arguments == ("gc",) else (2, "")), arguments
        assert said in err, arguments
    assert all(folder.path.is_dir() for folder in folders)


def test_csv_has_numbers_as_numbers_and_no_formula(dlrun: Dlrun, folders: list[RunFolder]) -> None:
    folders[2].update_record(tags=["=cmd()", "b"], best={"metric": "@x", "value": -0.5, "epoch": 1, "step": 1})
    header, *lines = rows(dlrun("ls", "--csv")[1])
    found = [dict(zip(header, line, strict=True)) for line in lines]
    assert [line["name"] for line in found] == ["plain", "'=HYPERLINK(1)", NAMES[0]]
    assert (found[0]["tag"], found[0]["best_metric"], found[0]["best"], found[0]["'@x"]) == (
        *("'=cmd(), b", "'@x", "-0.5", "-0.5"),
    )
    assert (found[1]["seconds"], found[1]["test_accuracy"]) == ("60.0", "0.6")


def test_runs_side_by_side(dlrun: Dlrun, folders: list[RunFolder], tmp_path: Path) -> None:
    ids = [folder.id for folder in folders[:2]]
    code, out, err = dlrun("compare", *ids, "--plot", "-")
    assert code == 0
    assert out.splitlines()[0].split() == ids
    assert re.search(r"training.batch_size +32 +64", out)
    assert re.search(r"test accuracy +0.5000 +0.6000", out)
    assert re.search(r"seconds +0.0 s +1:00 min", out)
    assert "val_loss\n" in out
    assert out.splitlines()[-1].endswith("epoch 3")
    assert "note: the runs used different data" in err
    plain = json.loads(dlrun("compare", *ids, "--json")[1])
    assert plain["spec"] == {"training.batch_size": {ids[0]: 32, ids[1]: 64}}
    table = rows(dlrun("compare", *ids, "--csv")[1])
    assert table[:2] == [["section", "key", *ids], ["spec", "training.batch_size", "32", "64"]]
    assert ["score", "test accuracy", "0.5", "0.6"] in table
    assert "wrote x.png: val_loss of 2 runs" in dlrun("compare", *ids, "--plot", "x.png")[2]
    assert (tmp_path / "x.png").read_bytes().startswith(b"\x89PNG")


def test_a_page_of_a_run_ends_with_its_curve(dlrun: Dlrun, folders: list[RunFolder]) -> None:
    out = dlrun("show", folders[0].id)[1]
    assert out.splitlines()[-1].endswith("epoch 3")
    assert " loss 0.3333" in out
    assert " val_loss 0.6667" in out
    assert rows(dlrun("show", folders[0].id, "--csv")[1])[1:3] == [
        ["1", "3", "1.0", "9.0", "1.0", "2.0"],
        ["2", "6", "1.0", "9.0", "0.5", "1.0"],
    ]


def test_the_last_epochs_and_how_it_ended(dlrun: Dlrun, folders: list[RunFolder]) -> None:
    folder = folders[0]
    folder.update_record(status="failed", reason="out of\x1b memory")
    code, out, err = dlrun("tail", folder.id, "-n", "2")
    assert (code, out) == (
        0,
        "epoch 2  loss 0.5000  val_loss 1.0000  after 1.0 s\nepoch 3  loss 0.3333  val_loss 0.6667  after 1.0 s\n",
    )
    assert err == "failed: out of\\x1b memory\n"
    assert [json.loads(line)["epoch"] for line in dlrun("tail", folder.id, "-n", "2", "--json")[1].splitlines()] == [
        2,
        3,
    ]
    header, line = rows(dlrun("tail", folder.id, "-n", "1", "--csv")[1])
    assert dict(zip(header, line, strict=True))["val_loss"].startswith("0.66")
    folder.log_txt.write_text("a\n\x1b[2Jb\n")
    assert dlrun("tail", folder.id, "-n", "1", "--log")[1] == "\\x1b[2Jb\n"


def test_tags_find_a_run_again(dlrun: Dlrun, folders: list[RunFolder]) -> None:
    assert dlrun("tag", folders[0].id, "paper", "b")[1].endswith("paper, b\n")
    assert json.loads(dlrun("tag", folders[0].id, "b", "--remove", "--json")[1]) == [
        {"run": folders[0].id, "tags": ["paper"]}
    ]
    assert [run["id"] for run in json.loads(dlrun("ls", "--where", "tag=paper", "--json")[1])] == [folders[0].id]
    assert "tags       paper\n" in dlrun("show", folders[0].id)[1]
    assert rows(dlrun("tag", folders[0].id, "--csv")[1])[1] == [folders[0].id, "paper"]


def test_runs_are_removed_when_the_user_says_so(
    dlrun: Dlrun, folders: list[RunFolder], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "nobody to ask" in dlrun("rm", "--where", "seconds>0")[2]
    monkeypatch.setattr("sys.stdin.isatty", lambda: True, raising=False)
    answers = iter("ny")
    monkeypatch.setattr("typer.confirm", lambda question, **_: "2 runs" in question and next(answers) == "y")
    assert dlrun("rm", "--where", "seconds>0")[::2] == (1, "nothing is removed\n")
    assert all(folder.path.is_dir() for folder in folders)
    with folders[2].lock():
        code, _, err = dlrun("rm", "--where", "seconds>0", "--yes")
        assert (code, f"left out: the run {folders[2].id} is held by process {os.getpid()}" in err) == (0, True)
        assert dlrun("rm", "last", "--yes")[0] == 1
    assert [folder.path.is_dir() for folder in folders] == [True, False, True]
    found = json.loads(dlrun("rm", folders[0].id, folders[2].id, folders[0].id, "--yes", "--json")[1])
    assert [run["run"] for run in found] == [folders[0].id, folders[2].id]
    assert [folder.path.is_dir() for folder in folders] == [False, False, False]


def test_a_removal_does_not_believe_an_index(dlrun: Dlrun, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dlrun.runs.query.index._WORTH_AN_INDEX", 1)
    monkeypatch.setattr("dlrun.runs.query.index._SETTLED_NS", -(10**15))
    folder = RunFolder.create(tmp_path / "runs", name="good")
    folder.update_record(status="completed")
    assert "completed" in dlrun("ls")[1]
    index = tmp_path / "runs" / ".index.json"
    body = index.read_bytes().partition(b"\n")[2].replace(b'"completed"', b'"failed"')
    index.write_bytes(_head(body) + b"\n" + body)
    assert "failed" in dlrun("ls")[1]
    assert dlrun("rm", "--where", "status=failed", "--yes") == (0, "", "nothing to remove\n")
    assert folder.path.is_dir()


def test_checkpoints_are_removed_and_results_stay(dlrun: Dlrun, folders: list[RunFolder]) -> None:
    for folder in folders[:2]:
        for step in (3, 6):
            path = folder.checkpoints / f"step-{step:09d}"
            path.mkdir(parents=True)
            (path / "arrays.safetensors").write_bytes(b"x" * 1024)
    trial = json.loads(dlrun("gc", "--dry-run", "--json", "--keep", "none")[1])
    assert {run["run"]: run["bytes"] for run in trial} == {folder.id: 2048 for folder in folders[:2]}
    assert dlrun("gc", "--older-than", "300y")[0] == 2
    assert dlrun("gc", "--older-than", "9999w", "--yes")[2] == "nothing to remove\n"
    assert "nobody to ask" in dlrun("gc")[2]
    code, out, err = dlrun("gc", folders[0].id)
    assert (code, err) == (0, "1.0 KiB of 1 run\n")
    assert re.search(rf"{folders[0].id} +step-000000003 +1.0 KiB", out)
    with folders[1].lock():
        assert dlrun("gc", folders[1].id)[0] == 1
        assert "left out" in dlrun("gc", "--yes")[2]
    assert dlrun("gc", "--where", "name~hyper", "--keep", "none", "--yes")[2] == "2.0 KiB of 1 run\n"
    assert [run["result"]["test"]["accuracy"] for run in json.loads(dlrun("ls", "--json")[1])] == [0.7, 0.6, 0.5]
    pages = [dlrun("show", folder.id)[1] for folder in folders]
    assert ["removed    checkpoints, by dlrun runs gc, 20" in page for page in pages] == [False, True, False]


def test_names_that_hold_anything_are_printed_harmlessly(dlrun: Dlrun, folders: list[RunFolder]) -> None:
    evil = "\x1b]0;owned\x07\x1b[2J\x9b31m\u202eevil\r\n=1"
    first, second, _ = folders
    first.update_record(name=evil, tags=[evil], model={"type": evil}, result={evil: {evil: 1.0}})
    first.metrics_jsonl.write_text("".join(json.dumps({"epoch": n, "loss": n, evil: 1.0}) + "\n" for n in range(4)))
    first.spec_yaml.write_text(json.dumps({evil: evil}))
    for command in (
        ["ls"],
        ["ls", "--columns", "name,tag,model"],
        ["show", first.id],
        ["tail", first.id],
        ["compare", first.id, second.id, "--plot", "-"],
        ["compare", first.id, second.id, "--metric", evil],
        ["tag", first.id],
        ["ls", "--where", evil],
    ):
        for form in ([], ["--json"], ["--csv"]):
            _, out, err = dlrun(*command, *form)
            assert out + err
            assert not CONTROL.search(out + err), (command, form)


def test_a_listing_from_the_index_loads_neither_records_nor_yaml(tmp_path: Path) -> None:
    runs_dir = tmp_path / "runs"
    folder = RunFolder.create(runs_dir, name="x")
    folder.update_record(status="completed")
    code = """if True:
        import sys
        from pathlib import Path
        from dlrun.runs.query import index
        index._WORTH_AN_INDEX, index._SETTLED_NS = 1, -10**15
        from dlrun.cli.app import app
        try:
            app(["runs", "ls", "--columns", "id,seed", "--where", "seed=3"])
        except SystemExit:
            print([name for name in ("dlrun.runs.record", "dlrun.registry", "yaml", "rich") if name in sys.modules])"""
    folder.spec_yaml.write_text("seed: 3\n")
    said = [
        subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True).stdout
        for _ in range(2)
    ]
    assert said[0].splitlines()[1].split() == [folder.id, "3"]
    assert said[0].splitlines()[2] == "['dlrun.runs.record', 'yaml']"
    assert said[1].splitlines() == [*said[0].splitlines()[:2], "[]"]


def test_ages_and_counts_are_written_as_people_say_them() -> None:
    from dlrun.cli.display.format import format_age, format_count

    ages: dict[float, Any] = {0: "0 s ago", -5: "0 s ago", 59.9: "59 s ago", 60: "1 min ago", 3 * 3600 + 5: "3 h ago"}
    ages |= {86_400 * 400: "1 y ago", 86_400 * 2: "2 d ago", float("inf"): "", float("nan"): ""}
    assert {seconds: format_age(seconds) for seconds in ages} == ages
    assert (format_count(1, "run"), format_count(1200, "run")) == ("1 run", "1,200 runs")


def test_a_run_that_another_process_removes_meanwhile_is_left_out(
    dlrun: Dlrun, folders: list[RunFolder], monkeypatch: pytest.MonkeyPatch
) -> None:
    remove = removal.remove_run

    def raced(folder: RunFolder, **options: Any) -> removal.Freed:
        if folder.path.exists() and folder.id == folders[1].id:
            shutil.rmtree(folder.path)
        return remove(folder, **options)

    monkeypatch.setattr(removal, "remove_run", raced)
    code, out, err = dlrun("rm", *(folder.id for folder in folders), "--yes")
    assert (code, len(out.splitlines())) == (0, 3)
    assert f"left out: {folders[1].id} was removed by another process" in err
    assert not any(folder.path.exists() for folder in folders)
