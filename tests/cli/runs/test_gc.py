"""`dlrun runs gc` as a person runs it, in this process: no TensorFlow is needed."""

import json
import re

from command_line import Dlrun
from dlrun.runs.folder import RunFolder


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
    assert "stdin is not a terminal" in dlrun("gc")[2]
    code, out, err = dlrun("gc", folders[0].id)
    assert (code, err) == (0, "1.0 KiB of 1 run\n")
    assert re.search(rf"{folders[0].id} +step-000000003 +1.0 KiB", out)
    with folders[1].lock():
        assert dlrun("gc", folders[1].id)[0] == 1
        assert "skipped" in dlrun("gc", "--yes")[2]
    assert dlrun("gc", "--where", "name~hyper", "--keep", "none", "--yes")[2] == "2.0 KiB of 1 run\n"
    assert [run["result"]["test"]["accuracy"] for run in json.loads(dlrun("ls", "--json")[1])] == [0.7, 0.6, 0.5]
    pages = [dlrun("show", folder.id)[1] for folder in folders]
    assert ["removed    checkpoints, by dlrun runs gc, 20" in page for page in pages] == [False, True, False]


def test_a_wrong_command_line_is_one_message_and_exit_code_2(dlrun: Dlrun, folders: list[RunFolder]) -> None:
    for arguments, words in [
        (("gc", "--keep", "all"), "one of best, last, none"),
        (("gc", "--older-than", "soon"), "'soon' is not a number of seconds"),
    ]:
        code, out, err = dlrun(*arguments)
        assert (code, out) == (2, ""), arguments
        assert words in err, arguments
    assert all(folder.path.is_dir() for folder in folders)
    assert dlrun("gc") == (0, "", "nothing to remove\n")
