"""What `dlrun runs rm` and `dlrun runs gc` share, in this process: no TensorFlow is needed."""

import shutil
from typing import Any

import pytest

from command_line import Dlrun
from dlrun.runs import removal
from dlrun.runs.folder import RunFolder


def test_a_run_removed_by_another_process_is_skipped(
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
    assert f"skipped: {folders[1].id} was removed by another process" in err
    assert not any(folder.path.exists() for folder in folders)
