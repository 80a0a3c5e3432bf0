"""`dlrun runs compare` as a person runs it, in this process: no TensorFlow is needed."""

import json
import re
from pathlib import Path

from command_line import Dlrun, rows
from dlrun.runs.folder import RunFolder


def test_compare_shows_runs_side_by_side(dlrun: Dlrun, folders: list[RunFolder], tmp_path: Path) -> None:
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


def test_a_wrong_command_line_is_one_message_and_exit_code_2(dlrun: Dlrun, folders: list[RunFolder]) -> None:
    first = folders[0].id
    for arguments, words in [
        (("compare", first), "nothing to compare"),
        (("compare", first, folders[1].id, "--plot", "x.gif"), "is not an image file"),
        (("compare", first, folders[1].id, "--metric", "val_los"), "--metric val_loss"),
    ]:
        code, out, err = dlrun(*arguments)
        assert (code, out) == (2, ""), arguments
        assert words in err, arguments
    assert all(folder.path.is_dir() for folder in folders)
