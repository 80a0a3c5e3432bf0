"""`dlrun runs tail` as a person runs it, in this process: no TensorFlow is needed."""

import json

from command_line import Dlrun, rows
from dlrun.runs.folder import RunFolder


def test_tail_shows_the_last_epochs_and_how_the_run_ended(dlrun: Dlrun, folders: list[RunFolder]) -> None:
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


def test_a_wrong_command_line_is_one_message_and_exit_code_2(dlrun: Dlrun, folders: list[RunFolder]) -> None:
    first = folders[0].id
    for arguments, words in [
        (("tail", first, "--log", "--csv"), "plain text"),
    ]:
        code, out, err = dlrun(*arguments)
        assert (code, out) == (2, ""), arguments
        assert words in err, arguments
    assert all(folder.path.is_dir() for folder in folders)
