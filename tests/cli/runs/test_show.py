"""`dlrun runs show` as a person runs it, in this process: no TensorFlow is needed."""

from command_line import Dlrun, rows
from dlrun.runs.folder import RunFolder


def test_a_page_of_a_run_ends_with_its_curve(dlrun: Dlrun, folders: list[RunFolder]) -> None:
    out = dlrun("show", folders[0].id)[1]
    assert out.splitlines()[-1].endswith("epoch 3")
    assert " loss 0.3333" in out
    assert " val_loss 0.6667" in out
    assert rows(dlrun("show", folders[0].id, "--csv")[1])[1:3] == [
        ["1", "3", "1.0", "9.0", "1.0", "2.0"],
        ["2", "6", "1.0", "9.0", "0.5", "1.0"],
    ]
