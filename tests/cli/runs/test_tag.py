"""`dlrun runs tag` as a person runs it, in this process: no TensorFlow is needed."""

import json

from command_line import Dlrun, rows
from dlrun.runs.folder import RunFolder


def test_tags_find_a_run_again(dlrun: Dlrun, folders: list[RunFolder]) -> None:
    assert dlrun("tag", folders[0].id, "paper", "b")[1].endswith("paper, b\n")
    assert json.loads(dlrun("tag", folders[0].id, "b", "--remove", "--json")[1]) == [
        {"run": folders[0].id, "tags": ["paper"]}
    ]
    assert [run["id"] for run in json.loads(dlrun("ls", "--where", "tag=paper", "--json")[1])] == [folders[0].id]
    assert "tags       paper\n" in dlrun("show", folders[0].id)[1]
    assert rows(dlrun("tag", folders[0].id, "--csv")[1])[1] == [folders[0].id, "paper"]


def test_a_wrong_command_line_is_one_message_and_exit_code_2(dlrun: Dlrun, folders: list[RunFolder]) -> None:
    first = folders[0].id
    for arguments, words in [
        (("tag", first, ""), "is not a valid tag"),
    ]:
        code, out, err = dlrun(*arguments)
        assert (code, out) == (2, ""), arguments
        assert words in err, arguments
    assert all(folder.path.is_dir() for folder in folders)
