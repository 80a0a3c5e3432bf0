"""The folder of one run: where everything lies, `run.json`, who holds it, and its metrics."""

from __future__ import annotations

import contextlib
import datetime as dt
import errno
import json
import re
import secrets
import unicodedata
from collections.abc import Iterator, Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any, Literal, SupportsFloat

from dlrun.errors import RunError
from dlrun.runs.history import History, Row
from dlrun.runs.lock import holder, locked
from dlrun.runs.record import RunRecord, Status, read_record
from dlrun.runs.sums import check_presence, check_sum, sum_key
from dlrun.system.disk import disk, explained
from dlrun.system.staging import recover

_NAME_BYTES = 80
_ID_ATTEMPTS = 100

SeenStatus = Status | Literal["stale"]


def now() -> str:
    """The time as `run.json` has it: ISO 8601, local, with the zone."""
    return dt.datetime.now(tz=dt.UTC).astimezone().isoformat(timespec="milliseconds")


class RunFolder:
    """A run. There is one writer, the holder of `lock()`; anyone may read at any time.

    Args:
        path: An existing folder; `create` and `open` are what makes sure of it.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.id = path.name
        self.config_yaml = path / "config.yaml"
        self.spec_yaml = path / "spec.yaml"
        self.run_json = path / "run.json"
        self.interface_json = path / "interface.json"
        self.log_txt = path / "log.txt"
        self.metrics_jsonl = path / "metrics.jsonl"
        self.metrics_csv = path / "metrics.csv"
        self.packages_txt = path / "packages.txt"
        self.git_diff = path / "git.diff"
        self.checkpoints = path / "checkpoints"
        self.best = self.checkpoints / "best"
        self.evaluation = path / "evaluation"
        self.plots = path / "plots"
        self.report_html = path / "report.html"
        self.tensorboard = path / "tensorboard"
        self.history = History(self.metrics_jsonl, csv=self.metrics_csv)
        self.plugins = path / "plugins"
        self.signature = path / ".signature"
        self._lock_file = path / ".lock"

    def __repr__(self) -> str:
        """For people: `RunFolder('runs/...')`."""
        return f"RunFolder({str(self.path)!r})"

    @classmethod
    def create(cls, runs_dir: Path, *, name: str) -> RunFolder:
        """Make the folder of a run, with a `run.json`; see `reserve`.

        Raises:
            RunError: It cannot be made.
        """
        folder = cls.reserve(runs_dir, name=name)
        folder.begin_record(name)
        return folder

    @classmethod
    def reserve(cls, runs_dir: Path, *, name: str) -> RunFolder:
        """Make the empty folder `YYYYMMDD-HHMMSS-<name>-<4 hex digits>`, which no other process can have.

        It is no run yet, and nobody removes it: its maker takes the lock before there is a `run.json`.

        Args:
            runs_dir: Made if it is missing.
            name: Of the run; what a file name cannot hold becomes `_` in the id, and stays in the record.

        Raises:
            RunError: It cannot be made.
        """
        with explained(f"make a run folder in {runs_dir}"):
            disk.make_folders(runs_dir)
            for _ in range(_ID_ATTEMPTS):
                stamp = dt.datetime.now(tz=dt.UTC).astimezone().strftime("%Y%m%d-%H%M%S")
                path = runs_dir / f"{stamp}-{_safe(name)}-{secrets.token_hex(2)}"
                with contextlib.suppress(FileExistsError):
                    disk.mkdir(path)  # exclusive: of two processes with one id, the other tries the next
                    disk.sync_folder(runs_dir)
                    return cls(path)
        raise RunError(f"{_ID_ATTEMPTS} ids in {runs_dir} were taken", hint="choose another name")

    @classmethod
    def open(cls, path: Path) -> RunFolder:
        """The run in an existing folder.

        Raises:
            RunError: There is no such folder.
        """
        if not path.is_dir():
            raise RunError(f"there is no run folder {path}", hint="dlrun runs ls")
        return cls(path if path.name not in {"", ".."} else path.resolve())

    def begin_record(self, name: str) -> None:
        """Write the first `run.json`.

        Raises:
            RunError: It cannot be written.
        """
        self.write_record(RunRecord(id=self.id, name=name, started=now()))

    def read_record(self) -> RunRecord:
        """What `run.json` says.

        Raises:
            RunError: It is missing, or is not what a run writes.
        """
        return read_record(self.run_json)

    def write_record(self, record: RunRecord) -> None:
        """Replace `run.json`.

        Raises:
            RunError: It cannot be written; the old one is as it was.
        """
        self.write_text(self.run_json, record.model_dump_json(indent=2) + "\n")

    def update_record(self, **changes: Any) -> RunRecord:
        """Change some keys of `run.json` and leave the others, also those this version does not know.

        Args:
            changes: Fields of `RunRecord`; groups as objects or as dictionaries.

        Raises:
            RunError: It cannot be read or written.
            pydantic.ValidationError: A value is not of its key's type.
        """
        record = RunRecord.model_validate({**self.read_record().model_dump(), **changes})
        self.write_record(record)
        return record

    def record_sums(self, sums: Mapping[Path, str | None]) -> None:
        """Put the sha256 of some of the run's files into `run.json`; None takes one out.

        Raises:
            RunError: It cannot be written.
        """
        kept = dict(self.read_record().files_sha256)
        for path, found in sums.items():
            kept.pop(sum_key(self.path, path), None)
            if found is not None:
                kept[sum_key(self.path, path)] = found
        self.update_record(files_sha256=kept)

    def write_text(self, path: Path, text: str) -> None:
        """Write one of the run's files in one step: readers see the old content or the new.

        Raises:
            RunError: It cannot be written.
        """
        with explained(f"write {path}"):
            disk.write_atomically(path, _encoded(text))

    def write_json(self, path: Path, value: Any) -> str:
        """Write `value` as JSON in one step.

        Returns:
            The sha256 of what was written.

        Raises:
            RunError: It cannot be written.
            ValueError: It holds NaN or an infinity, which JSON does not know.
        """
        text = json.dumps(value, indent=2, allow_nan=False, ensure_ascii=False) + "\n"
        self.write_text(path, text)
        return sha256(_encoded(text)).hexdigest()

    def make_folder(self, path: Path) -> None:
        """Make one of the run's folders, unless it is there; a link to a folder is refused, since it may lead anywhere.

        Raises:
            RunError: It cannot be made.
        """
        with explained(f"write into {path}"):
            if path.is_symlink():
                raise OSError(errno.ELOOP, "it is a symbolic link")
            disk.make_folders(path)

    def append_metrics(self, row: Mapping[str, SupportsFloat], *, sync: bool = True) -> None:
        """Add the row of one epoch to `metrics.jsonl` and `metrics.csv`; NaN and infinities become null.

        Args:
            row: Numbers by column.
            sync: Whether to wait until it is on the disk.

        Raises:
            RunError: It cannot be written.
        """
        self.history.append(row, sync=sync)

    def read_metrics(self) -> list[Row]:
        """The rows of `metrics.jsonl`, without a last one that is not whole.

        Raises:
            RunError: Another line is damaged, or the file is not the one that training ended with.
        """
        check_presence(self.path, self.metrics_jsonl)
        return self.history.read(check=lambda data: check_sum(self.path, self.metrics_jsonl, data))

    @property
    def status(self) -> SeenStatus:
        """Where the run stands.

        Raises:
            RunError: `run.json` cannot be read.
        """
        return self.status_of(self.read_record())

    def status_of(self, record: RunRecord) -> SeenStatus:
        """As recorded, and `stale` if it is said to be running and nobody holds it."""
        if record.status != "running" or self.held_by() is not None:
            return record.status
        status = self.read_record().status  # it may have ended between the two looks
        return "stale" if status == "running" else status

    @contextlib.contextmanager
    def lock(self) -> Iterator[None]:
        """Hold the run as its one writer.

        Raises:
            RunError: Another process holds it; its number is told.
        """
        with locked(self._lock_file):
            self._clear_leftovers()
            yield

    def _clear_leftovers(self) -> None:
        """Remove what writers that were killed have left; a link in the place of a folder is not followed."""
        for folder in (self.path, self.evaluation, self.plots, self.checkpoints):
            with contextlib.suppress(OSError):
                if folder.is_symlink() or not folder.is_dir():
                    continue
                for leftover in folder.glob(".*.new"):
                    disk.unlink(leftover)
                if folder == self.checkpoints:
                    recover(folder)

    def held_by(self) -> int | None:
        """Number of the process that holds the run; None if nobody does, 0 if it has not said its number yet."""
        return holder(self._lock_file)


def _encoded(text: str) -> bytes:
    return text.encode(errors="surrogateescape")


def _safe(name: str) -> str:
    """The part of an id that tells the name: letters, digits, `_`, `.` and `-`, of any script."""
    text = re.sub(r"[^\w.-]+", "_", unicodedata.normalize("NFC", name)).strip("._-")
    return text.encode()[:_NAME_BYTES].decode(errors="ignore") or "run"
