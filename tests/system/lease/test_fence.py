"""Before anything in a held folder is changed, whether it is still held is asked."""

from collections.abc import Callable
from pathlib import Path

import pytest

from dlrun.errors import TakenOverError
from dlrun.system.disk import disk
from dlrun.system.lease.fence import fenced
from dlrun.system.staging import staged_folder

PREPARING: tuple[Callable[[Path], object], ...] = (
    lambda run: disk.append(run / "metrics.jsonl", b"{}\n", at=0),
    lambda run: disk.open_end(run / "log.txt"),
    lambda run: disk.write_file(run / "new", b""),
    lambda run: disk.write_atomically(run / "run.json", b"{}"),
    lambda run: disk.mkdir(run / "plots"),
    lambda run: disk.unlink(run / "old"),
    lambda run: disk.remove_tree(run / "folder"),
    lambda run: disk.link(run / "old", run / "new"),
    lambda run: staged_folder(run / "checkpoints" / "best").__enter__(),
)
COMMITTING: tuple[Callable[[Path], object], ...] = (
    lambda run: disk.rename(run, run.with_name(".drop-run")),
    lambda run: disk.rename(run / "old", run.with_name("away")),
    lambda run: disk.rename(run.with_name("beside") / "old", run / "new"),
)


class Lost:
    """A fence that has fallen."""

    def __init__(self) -> None:
        self.asked: list[float] = []

    def confirm(self, *, within: float = 0.0) -> None:
        self.asked.append(within)
        raise TakenOverError("it was taken over")


@pytest.fixture
def run(tmp_path: Path) -> Path:
    for name in ("run", "beside"):
        (tmp_path / name / "folder").mkdir(parents=True)
        (tmp_path / name / "old").write_text("old")
    return tmp_path / "run"


@pytest.mark.parametrize("change", [*PREPARING, *COMMITTING])
def test_nothing_changes_in_a_folder_that_was_taken_over(
    change: Callable[[Path], object], run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fence, link = Lost(), run.with_name("link")
    link.symlink_to(run)
    monkeypatch.chdir(run.parent)
    before = sorted(run.parent.rglob("*"))
    for held, used in ((run, run), (link, run), (link, link), (Path("run"), run), (run, Path("beside/../run"))):
        with fenced(held, fence), pytest.raises(TakenOverError):
            change(used)
        assert sorted(run.parent.rglob("*")) == before
    # Renaming asks every time, and the rest not more than ten times a second.
    assert set(fence.asked) == ({0.0} if change in COMMITTING else {0.1})
    with fenced(run.with_name("beside-not"), fence):
        change(run)


def test_a_file_is_committed_only_after_the_fence_was_asked_again(run: Path) -> None:
    class Falling(Lost):
        def confirm(self, *, within: float = 0.0) -> None:
            if not within:
                super().confirm()

    (run / "run.json").write_text("theirs")
    with fenced(run, Falling()), pytest.raises(TakenOverError):
        disk.write_atomically(run / "run.json", b"mine")
    assert (run / "run.json").read_text() == "theirs"
    assert sorted(path.name for path in run.iterdir()) == ["folder", "old", "run.json"]
