"""The record of a batch in `runs/.batches/ID.json`: its command line, its runs, and whether it has ended.

The id is a digest of the runs. So the same command line, run again after the batch was killed, finds the same record.
"""

from __future__ import annotations

import datetime as dt
import math
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from hashlib import sha256
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from dlrun.batching.plan import Planned
from dlrun.batching.state import RunState
from dlrun.runs.folder import now
from dlrun.system.disk import disk, explained

FOLDER = ".batches"
_LARGEST_BYTES = 1 << 26
_PAUSES = 20
"""After each update none follows for so many times as long as it took."""


class MemberRecord(BaseModel):
    """One run of the batch.

    Args:
        config: The path of its YAML file.
        values: The values that distinguish it from the others.
        run: The id of its run; null if it has none yet.
        stage: Its stage, as in the live table.
        reason: Why it failed.
    """

    model_config = ConfigDict(frozen=True)

    config: str
    values: dict[str, str]
    run: str | None = None
    stage: str = "waiting"
    reason: str = ""


class BatchRecord(BaseModel):
    """The content of the file.

    Args:
        id: A digest of the identities of the runs.
        command: The command line, one item per argument.
        again: Whether runs that were complete before are trained again.
        started: When it started, in ISO 8601 with the time zone; of a continued batch, when it first started.
        finished: When it ended, in the same format; null until every run is complete or has failed.
        engine: Where the runs are trained, and who chose it.
        runs: The runs, in the order of the command line.
    """

    model_config = ConfigDict(frozen=True)

    id: str
    command: tuple[str, ...]
    again: bool
    started: str
    finished: str | None = None
    engine: str = "local"
    runs: tuple[MemberRecord, ...] = ()

    @property
    def since(self) -> float:
        """When it started, in seconds since 1970."""
        return dt.datetime.fromisoformat(self.started).timestamp()


class BatchFile:
    """The file of one batch.

    Args:
        runs_dir: The folder for runs.
        planned: The runs of the batch.
        command: The command line.
        again: Whether to train runs again that were complete before.
        engine: Where the runs are trained, and who chose it.

    Raises:
        RunError: The file cannot be written.
    """

    def __init__(
        self,
        runs_dir: Path,
        planned: Sequence[Planned],
        *,
        command: tuple[str, ...],
        again: bool,
        engine: str = "local",
    ) -> None:
        # Sorted, so that the order of configs and grids on the command line does not matter.
        identities = sorted(each.identity.model_dump_json() for each in planned)
        self.id = sha256("\n".join(identities).encode()).hexdigest()[:12]
        self.path = runs_dir / FOLDER / f"{self.id}.json"
        before = self._read()
        goes_on = before is not None and before.finished is None and before.again == again
        started = before.started if goes_on and before is not None else now()
        self._record = BatchRecord(id=self.id, command=command, again=again, started=started, engine=engine)
        self._written_at, self._write_seconds = -math.inf, 0.0
        self.since = self._record.since if again else 0.0
        """Only runs that started then or later count as runs of this batch; in seconds since 1970."""
        with explained(f"create {self.path.parent}"):
            disk.make_folders(self.path.parent)

    def update(self, states: Mapping[int, RunState]) -> None:
        """Record the states of the runs while the batch goes on, unless that would take too much of its time.

        The file has a line for each run. With thousands of runs, writing it whenever one has ended would take longer
        than the runs. Nothing depends on it: which runs are complete follows from the runs themselves.

        Args:
            states: The states by number.

        Raises:
            RunError: The file cannot be written.
        """
        began = time.monotonic()
        if began - self._written_at < _PAUSES * self._write_seconds:
            return
        self.write(states, finished=False)
        self._written_at = time.monotonic()
        self._write_seconds = self._written_at - began

    def write(self, states: Mapping[int, RunState], *, finished: bool) -> None:
        """Record the states of the runs.

        Args:
            states: The states by number.
            finished: Whether the batch has ended.

        Raises:
            RunError: The file cannot be written.
        """
        runs = tuple(_member(state) for state in states.values())
        self._record = self._record.model_copy(update={"runs": runs, "finished": now() if finished else None})
        with explained(f"write {self.path}"):
            disk.write_atomically(self.path, self._record.model_dump_json(indent=2).encode() + b"\n")

    def _read(self) -> BatchRecord | None:
        # If the record cannot be read, start a new one: which runs are complete follows from the runs themselves.
        with suppress(OSError, ValidationError, ValueError):
            record = BatchRecord.model_validate_json(disk.read_file(self.path, largest=_LARGEST_BYTES))
            return record if record.since <= time.time() else None
        return None


def _member(state: RunState) -> MemberRecord:
    combination = state.planned.combination
    return MemberRecord(
        config=str(combination.config),
        values=dict(combination.values),
        run=state.folder.name if state.folder else None,
        stage=state.stage,
        reason=state.reason,
    )
