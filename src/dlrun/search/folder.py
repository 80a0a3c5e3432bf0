"""The folder of a search, `runs/searches/NAME`: its ledger, a copy of the config, a summary and a report."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from dlrun.errors import RunError, UsageError
from dlrun.runs import RUNS_DIR, SEARCHES_DIR
from dlrun.runs.lock import Holder, holder, living_holder, locked
from dlrun.runs.query.named import find_named
from dlrun.search.ledger import Ledger
from dlrun.search.outcome import SearchOutcome, read_outcome
from dlrun.search.trials import Trials
from dlrun.system.disk import disk, explained
from dlrun.system.lease.lease import Lease

SEARCH_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,79}")


@dataclass(frozen=True)
class SearchFolder:
    """The files of one search.

    Args:
        path: The folder.
    """

    path: Path

    @property
    def name(self) -> str:
        """The name of the search."""
        return self.path.name

    @property
    def runs_dir(self) -> Path:
        """The folder that its runs are in."""
        return self.path.absolute().parent.parent

    @property
    def ledger(self) -> Path:
        """What was tried, one JSON object per line."""
        return self.path / "ledger.jsonl"

    @property
    def config(self) -> Path:
        """A copy of the config, with the section `search`."""
        return self.path / "config.yaml"

    @property
    def summary(self) -> Path:
        """The outcome as JSON, for other programs."""
        return self.path / "search.json"

    @property
    def report(self) -> Path:
        """The report page."""
        return self.path / "report.html"

    @property
    def lock_folder(self) -> Path:
        """The lock of the one process that works on the search."""
        return self.path / ".lock"

    @contextmanager
    def held(self) -> Iterator[Lease]:
        """Hold the search, so that no other process works on it.

        Yields:
            The lease.

        Raises:
            RunError: Another process works on it.
        """
        with explained(f"create {self.path}"):
            disk.make_folders(self.path)
        if (process := living_holder(self.lock_folder)) is not None:
            raise RunError(
                f"the search {self.name} is held by {process}",
                expected="one command at a time for a search",
                hint="wait until it ends, or start another search with --name",
            )
        with locked(self.lock_folder, what=f"the search {self.name}") as lease:
            yield lease

    def held_by(self) -> Holder | None:
        """Return the process that works on the search; None if none does."""
        return holder(self.lock_folder)

    def read(self) -> SearchOutcome:
        """Return what the search has found so far.

        Raises:
            RunError: The ledger is damaged.
        """
        trials = Trials(Ledger(self.ledger).entries)
        if not trials.head:
            raise RunError(f"{self.ledger} has no beginning", hint=f"dlrun search rm {self.name} removes the search")
        return read_outcome(trials, self.path)


def search_folder(name: str, *, runs_dir: Path = RUNS_DIR) -> SearchFolder:
    """Return the folder of a new or an existing search with exactly this name.

    Raises:
        UsageError: The name is not valid.
    """
    if not SEARCH_NAME.fullmatch(name):
        expected = "up to 80 letters, digits, '.', '_' and '-'"
        raise UsageError(f"the name {name!r} is not valid for a search", expected=expected)
    return SearchFolder(runs_dir / SEARCHES_DIR / name)


def list_searches(runs_dir: Path = RUNS_DIR) -> tuple[SearchFolder, ...]:
    """Return all searches, the one that was worked on last at the end."""
    found = [SearchFolder(path.parent) for path in (runs_dir / SEARCHES_DIR).glob("*/ledger.jsonl")]
    return tuple(sorted(found, key=lambda each: (each.ledger.stat().st_mtime_ns, each.name)))


def find_search(name: str, *, runs_dir: Path = RUNS_DIR) -> SearchFolder:
    """Return the search that the user means.

    Args:
        name: `last`, a name, a part of exactly one name, or the path of a folder.
        runs_dir: The folder for runs.

    Raises:
        UsageError: There is no such search, or several match.
    """
    if "/" in name and (Path(name) / "ledger.jsonl").is_file():
        return SearchFolder(Path(name))
    where, start = runs_dir / SEARCHES_DIR, "dlrun search CONFIG starts one"
    known = [each.path for each in list_searches(runs_dir)]
    return SearchFolder(find_named(name, known, where=where, what=("search", "searches"), start=start))
