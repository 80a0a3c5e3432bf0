"""Find the runs in a folder that have the same identity: a complete one to skip, or an interrupted one to resume."""

from __future__ import annotations

import datetime as dt
import os
import re
from collections.abc import Collection, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from dlrun.errors import RunError
from dlrun.runs.folder import RunFolder
from dlrun.runs.provenance.trust import is_own
from dlrun.runs.record import LARGEST_BYTES, DatasetRecord, IdentityRecord, RunRecord
from dlrun.system.disk import disk

_IDENTITY = re.compile(rb'"identity": \{\s*"spec": "([0-9a-f]{64})",\s*"code": "([0-9a-f]{64})"')


@dataclass(frozen=True)
class Known:
    """An existing run, and the content of its run.json."""

    folder: RunFolder
    record: RunRecord

    @property
    def spec(self) -> str | None:
        """The `spec` digest of its identity."""
        return self.record.identity.spec if self.record.identity else None

    @property
    def code(self) -> str | None:
        """The `code` digest of its identity."""
        return self.record.identity.code if self.record.identity else None

    @property
    def dataset(self) -> DatasetRecord | None:
        """The data that it was trained on."""
        return self.record.dataset

    @property
    def started(self) -> float:
        """When it started, in seconds since 1970; 0 if that is unknown."""
        try:
            return dt.datetime.fromisoformat(self.record.started or "").timestamp()
        except (ValueError, OverflowError):
            return 0.0


def runs_of(identities: Collection[IdentityRecord], *, runs_dir: Path, since: float = 0.0) -> tuple[Known, ...]:
    """Return the runs with the spec and code of one of the identities, newest first.

    A run that started from the weights of another one is not among them if that one has been trained since: the same
    spec would now give another result.

    Args:
        identities: The identities of runs.
        runs_dir: The folder for runs.
        since: Return only runs that started at this time or later, in seconds since 1970.
    """
    sought = {(each.spec, each.code) for each in identities}
    newer = [known for known in _read_runs(sought, runs_dir) if known.started >= since and _has_same_parents(known)]
    return tuple(sorted(newer, key=lambda known: known.started, reverse=True))


def _has_same_parents(known: Known) -> bool:
    """Return whether each run that a run started from still has the same weights, as far as it is still there."""
    for part in known.record.initialization:
        parent = RunFolder(known.folder.path.parent / part.place)
        if part.source != "run" or not parent.run_json.is_file():
            continue
        with suppress(RunError):  # a damaged parent cannot be started from again
            if parent.read_record().weights_sha256 != part.sha256:
                return False
    return True


def like(runs: tuple[Known, ...], identity: IdentityRecord) -> tuple[Known, ...]:
    """Return the runs with the same spec and code as an identity."""
    return tuple(known for known in runs if (known.spec, known.code) == (identity.spec, identity.code))


def complete(runs: tuple[Known, ...], *, moved: bool = False) -> tuple[Known, ...]:
    """Return the runs that are complete, and exactly what a new run would give.

    Args:
        runs: The runs.
        moved: Whether to return those, too, that were resumed on another kind of machine, as happens on a cluster.
    """
    return tuple(
        known
        for known in runs
        if known.record.status == "completed"
        and (known.record.exact or moved)
        and known.record.weights_sha256 is not None
    )


def same_files(runs: tuple[Known, ...], identity: IdentityRecord) -> Known | None:
    """Return the first run that read its data from the same, unchanged files."""
    return next((each for each in runs if each.record.identity and each.record.identity.data == identity.data), None)


def unfinished(runs: tuple[Known, ...], identity: IdentityRecord) -> Known | None:
    """Return the newest run that ended early, was made here, and has the same data files."""
    ended = tuple(
        known
        for known in runs
        if known.record.status != "completed"
        and known.folder.spec_yaml.exists()
        and is_own(known.folder)
        and known.folder.living_holder() is None
    )
    return same_files(ended, identity)


def _read_runs(sought: set[tuple[str, str]], runs_dir: Path) -> Iterator[Known]:
    with suppress(FileNotFoundError), os.scandir(runs_dir) as entries:
        for entry in entries:
            # A regular expression finds the few candidates among thousands of runs; only those are parsed. A damaged
            # record is not a candidate.
            with suppress(OSError, RunError):
                found = _IDENTITY.search(disk.read_file(Path(entry.path, "run.json"), largest=LARGEST_BYTES))
                if found is not None and (found[1].decode(), found[2].decode()) in sought:
                    folder = RunFolder(Path(entry.path))
                    yield Known(folder, folder.read_record())
