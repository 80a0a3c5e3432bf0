"""Remove a search, and the runs that it trained."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress

from dlrun.errors import DlrunError
from dlrun.runs.folder import RunFolder
from dlrun.runs.removal import check_removable, remove_run
from dlrun.search.checkpoints import is_own_run
from dlrun.search.folder import SearchFolder
from dlrun.search.ledger import Ledger
from dlrun.search.trials import Trials
from dlrun.system.disk import disk, explained


def own_runs(folder: SearchFolder) -> tuple[RunFolder, ...]:
    """Return the runs that a search has trained and that are still there.

    A run that it only found, because the user had trained the same before, is not one of them; neither is one with a
    tag, which somebody wants to keep.

    Raises:
        RunError: The ledger is damaged.
    """
    trials = Trials(Ledger(folder.ledger).entries)
    found = []
    for run in dict.fromkeys(run for trial in trials.by_number.values() for run in trial.runs):
        with suppress(DlrunError):
            one = RunFolder.open(folder.runs_dir / run)
            if is_own_run(one, folder.name):
                found.append(one)
    return tuple(found)


def remove_search(folder: SearchFolder, runs: Sequence[RunFolder] = ()) -> None:
    """Remove the folder of a search, after some runs.

    Args:
        folder: The search.
        runs: The runs to remove.

    Raises:
        RunError: A process works on the search or holds one of the runs, or something cannot be removed.
        UsageError: One of the runs is not a run folder.
    """
    with folder.held() as lease:
        for run in runs:
            check_removable(run, runs_dir=folder.runs_dir)
        for run in runs:
            remove_run(run, runs_dir=folder.runs_dir)
        with explained(f"remove {folder.path}"):
            for name in disk.names(folder.path):
                if name != folder.lock_folder.name:
                    disk.remove_tree(folder.path / name)
            lease.release()  # nothing renames the file of the lock any more while it is removed
            disk.remove_tree(folder.path)
