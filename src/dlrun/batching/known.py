"""A run's identity in, the runs of a folder that are the same run out: the complete one, and the one to go on with."""

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
from dlrun.runs.record import LARGEST_BYTES, IdentityRecord, RunRecord
from dlrun.system.disk import disk

_IDENTITY = re.compile(rb'"identity": \{\s*"spec": "([0-9a-f]{64})",\s*"code": "([0-9a-f]{64})"')


@dataclass(frozen=True)
class Known:
    """A run that exists, and what its run.json says."""

    folder: RunFolder
    record: RunRecord

    @property
    def spec(self) -> str | None:
        """The identity's part of that name."""
        return self.record.identity.spec if self.record.identity else None

    @property
    def code(self) -> str | None:
        """The identity's part of that name."""
        return self.record.identity.code if self.record.identity else None

    @property
    def fingerprint(self) -> str | None:
        """Of the data that it was trained on."""
        return self.record.dataset.fingerprint if self.record.dataset else None

    @property
    def started(self) -> float:
        """In seconds since 1970; 0 if it does not say."""
        try:
            return dt.datetime.fromisoformat(self.record.started or "").timestamp()
        except (ValueError, OverflowError):
            return 0.0


def runs_of(identities: Collection[IdentityRecord], *, runs_dir: Path, since: float = 0.0) -> tuple[Known, ...]:
    """The runs of the same spec and code as one of `identities`, the newest first, whoever trained them.

    Args:
        identities: Of runs.
        runs_dir: Where runs are.
        since: Only those that were started from then on, in seconds since 1970.
    """
    sought = {(each.spec, each.code) for each in identities}
    newer = [known for known in _read_runs(sought, runs_dir) if known.started >= since]
    return tuple(sorted(newer, key=lambda known: known.started, reverse=True))


def like(runs: tuple[Known, ...], identity: IdentityRecord) -> tuple[Known, ...]:
    """Those of the same spec and code."""
    return tuple(known for known in runs if (known.spec, known.code) == (identity.spec, identity.code))


def complete(runs: tuple[Known, ...]) -> tuple[Known, ...]:
    """Those with a result that a new run would come to as well."""
    return tuple(
        known
        for known in runs
        if known.record.status == "completed" and known.record.exact and known.record.weights_sha256 is not None
    )


def same_files(runs: tuple[Known, ...], identity: IdentityRecord) -> Known | None:
    """The first whose data was read from the same files, which have not changed since."""
    return next((each for each in runs if each.record.identity and each.record.identity.data == identity.data), None)


def unfinished(runs: tuple[Known, ...], identity: IdentityRecord) -> Known | None:
    """The newest that ended early, and was made here and of the same data."""
    ended = tuple(
        known
        for known in runs
        if known.record.status != "completed"
        and known.folder.held_by() is None
        and known.folder.spec_yaml.exists()
        and is_own(known.folder)
    )
    return same_files(ended, identity)


def _read_runs(sought: set[tuple[str, str]], runs_dir: Path) -> Iterator[Known]:
    with suppress(FileNotFoundError), os.scandir(runs_dir) as entries:
        for entry in entries:
            # Of thousands of runs only those that can be meant are parsed; a damaged one is none of them.
            with suppress(OSError, RunError):
                found = _IDENTITY.search(disk.read_file(Path(entry.path, "run.json"), largest=LARGEST_BYTES))
                if found is not None and (found[1].decode(), found[2].decode()) in sought:
                    folder = RunFolder(Path(entry.path))
                    yield Known(folder, folder.read_record())
