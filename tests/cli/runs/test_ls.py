"""`dlrun runs ls` as a person runs it, in this process: no TensorFlow is needed."""

import json
import re
import subprocess
import sys
from pathlib import Path

from command_line import Dlrun
from dlrun.runs.folder import RunFolder


def test_a_listing_shows_status_age_and_scores_and_tags_if_there_are_any(
    dlrun: Dlrun, folders: list[RunFolder]
) -> None:
    header, *lines = dlrun("ls")[1].splitlines()
    assert header.split() == ["id", "status", "age", "model", "dataset", "time", "best", "test"]
    assert [line.split()[0] for line in lines] == [folder.id for folder in reversed(folders)]
    assert re.search(
        r"completed +\d+ (s|min|h|d|y) ago +cnn +digits +2:00 min +val_loss 0\.5000 +accuracy 0\.7", lines[0]
    )
    folders[0].update_record(tags=["paper"], search={"name": "wide", "trial": 12})
    header, *lines = dlrun("ls")[1].splitlines()
    assert header.split()[-2:] == ["search", "tag"]
    assert lines[2].split()[-3:] == ["wide", "12", "paper"]
    found = dlrun("ls", "--where", "search=wide and search.trial>11", "--columns", "search,search.trial")[1]
    assert [line.split() for line in found.splitlines()] == [["search", "search.trial"], ["wide", "12"]]
    assert "trial 12 of the search wide" in dlrun("show", folders[0].id)[1]


def test_a_listing_is_filtered_sorted_limited_and_has_the_requested_columns(
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


def test_an_empty_listing_explains_itself(dlrun: Dlrun, tmp_path: Path) -> None:
    assert dlrun("ls", "--where", "x=3", "--columns", "y") == (
        0,
        "",
        "no runs in runs; create one with dlrun train CONFIG\n",
    )
    assert dlrun("ls") == (0, "", "no runs in runs; create one with dlrun train CONFIG\n")
    assert dlrun("ls", "--json")[:2] == (0, "[]\n")
    RunFolder.create(tmp_path / "runs", name="x")
    assert dlrun("ls", "--status", "failed") == (0, "", "none of the 1 runs matches\n")
    assert dlrun("ls", "--status", "failed", "--json")[:2] == (0, "[]\n")


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


def test_a_wrong_command_line_is_one_message_and_exit_code_2(dlrun: Dlrun, folders: list[RunFolder]) -> None:
    for arguments, words in [
        (("ls", "--where", "val_los<1"), "did you mean 'val_loss'?"),
        (("ls", "--sort", "secnds"), "did you mean 'seconds'?"),
        (("ls", "--columns", "id,batch_size"), "did you mean 'training.batch_size'?"),
        (("ls", "--status", "faild"), "did you mean 'failed'?"),
        (("ls", "--json", "--csv"), "give only one of them"),
    ]:
        code, out, err = dlrun(*arguments)
        assert (code, out) == (2, ""), arguments
        assert words in err, arguments
    assert all(folder.path.is_dir() for folder in folders)
