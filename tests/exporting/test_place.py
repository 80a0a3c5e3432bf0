"""An existing export is never lost unless the new one replaces it."""

from pathlib import Path

import pytest

from dlrun.errors import RunError
from dlrun.exporting.formats import find_format
from dlrun.exporting.place import Destination
from dlrun.system.disk import Disk


@pytest.mark.parametrize("failing", [1, 2, 3])
@pytest.mark.parametrize("lasting", [False, True])
def test_the_old_export_stays_if_the_new_one_cannot_replace_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, failing: int, *, lasting: bool
) -> None:
    old = tmp_path / "model"
    old.mkdir()
    (old / "saved_model.pb").write_text("old")
    rename, calls = Disk.rename, [0]

    def fails(disk: Disk, source: Path, target: Path) -> None:
        calls[0] += 1
        if calls[0] == failing or (lasting and calls[0] > failing):
            raise OSError(5, "Input/output error")
        rename(disk, source, target)

    monkeypatch.setattr(Disk, "rename", fails)
    place = Destination.of(old, find_format("savedmodel", None), replaces=True)
    try:
        with place.staged() as staged:
            staged.mkdir()
            (staged / "saved_model.pb").write_text("new")
    except RunError as error:
        assert "model" in error.what  # noqa: PT017  what else is raised fails the test
    found = [path.read_text() for path in tmp_path.rglob("saved_model.pb")]
    assert found == (["new"] if failing == 3 else ["old"]) or sorted(found) == ["new", "old"]
    if not lasting:
        assert [path.name for path in tmp_path.iterdir()] == ["model"]
