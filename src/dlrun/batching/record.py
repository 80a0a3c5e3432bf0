"""What a batch says of itself in `runs/.batches/ID.json`: its command line, its runs, and whether it has ended.

The id follows from the runs, so the same command line, given again after a kill, finds its batch.
"""

from __future__ import annotations

import datetime as dt
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


class MemberRecord(BaseModel):
    """One run of the batch.

    Args:
        config: Its YAML file.
        values: What tells it from the others.
        run: Its id; null as long as it has none.
        stage: As in the live table.
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
        id: From the identities of the runs.
        command: The command line, one item for each argument.
        again: Whether what was complete before it started is trained again.
        started: ISO 8601 with the zone; of a batch that was killed and goes on, the first time.
        finished: As `started`; null until every run has been trained or has failed.
        runs: In the order of the command line.
    """

    model_config = ConfigDict(frozen=True)

    id: str
    command: tuple[str, ...]
    again: bool
    started: str
    finished: str | None = None
    runs: tuple[MemberRecord, ...] = ()

    @property
    def since(self) -> float:
        """The start, in seconds since 1970."""
        return dt.datetime.fromisoformat(self.started).timestamp()


class BatchFile:
    """The file of one batch.

    Args:
        runs_dir: Where the runs are.
        planned: Its runs.
        command: The command line.
        again: Whether what was complete before is trained again.

    Raises:
        RunError: It cannot be written.
    """

    def __init__(self, runs_dir: Path, planned: Sequence[Planned], *, command: tuple[str, ...], again: bool) -> None:
        identities = sorted(each.identity.model_dump_json() for each in planned)
        self.id = sha256("\n".join(identities).encode()).hexdigest()[:12]
        self.path = runs_dir / FOLDER / f"{self.id}.json"
        before = self._read()
        goes_on = before is not None and before.finished is None and before.again == again
        started = before.started if goes_on and before is not None else now()
        self._record = BatchRecord(id=self.id, command=command, again=again, started=started)
        self.since = self._record.since if again else 0.0
        """Only runs that were started from then on count as runs of this batch; in seconds since 1970."""
        with explained(f"make {self.path.parent}"):
            disk.make_folders(self.path.parent)

    def write(self, states: Mapping[int, RunState], *, finished: bool) -> None:
        """Record where the runs stand.

        Raises:
            RunError: It cannot be written.
        """
        runs = tuple(_member(state) for state in states.values())
        self._record = self._record.model_copy(update={"runs": runs, "finished": now() if finished else None})
        with explained(f"write {self.path}"):
            disk.write_atomically(self.path, self._record.model_dump_json(indent=2).encode() + b"\n")

    def _read(self) -> BatchRecord | None:
        # What cannot be read is no batch to go on with: the runs themselves tell what is complete.
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
