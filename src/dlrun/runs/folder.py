"""The folder of one run: its paths, `run.json`, its lock, and its metrics."""

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
from dlrun.runs.lock import Holder, holder, living_holder, locked
from dlrun.runs.record import RunRecord, Status, read_record
from dlrun.runs.sums import check_presence, check_sum, sum_key
from dlrun.system.disk import disk, explained
from dlrun.system.lease.lease import Lease
from dlrun.system.staging import recover

_NAME_BYTES = 80
_ID_ATTEMPTS = 100

SeenStatus = Status | Literal["stale"]


def now() -> str:
    """Return the current time as in `run.json`: ISO 8601, local, with the time zone."""
    return dt.datetime.now(tz=dt.UTC).astimezone().isoformat(timespec="milliseconds")


class RunFolder:
    """A run folder. The only writer is the process that holds `lock()`; anyone may read at any time.

    Args:
        path: An existing folder; `create` and `open` make sure that it exists.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.id = path.name
        self.config_yaml = path / "config.yaml"
        self.bases = path / "bases"
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
        self.lock_folder = path / ".lock"

    def __repr__(self) -> str:
        """Return a readable form such as `RunFolder('runs/...')`."""
        return f"RunFolder({str(self.path)!r})"

    @classmethod
    def create(cls, runs_dir: Path, *, name: str) -> RunFolder:
        """Create the folder of a run with a `run.json`; see `reserve`.

        Args:
            runs_dir: The folder for runs; it is created if missing.
            name: The name of the run.

        Raises:
            RunError: The folder cannot be created.
        """
        folder = cls.reserve(runs_dir, name=name)
        folder.begin_record(name)
        return folder

    @classmethod
    def reserve(cls, runs_dir: Path, *, name: str) -> RunFolder:
        """Create the empty folder `YYYYMMDD-HHMMSS-<name>-<4 hex digits>`, which no other process can have.

        Until it has a `run.json` it does not count as a run, and no command removes it, so that the process that
        created it can take the lock first.

        Args:
            runs_dir: The folder for runs; it is created if missing.
            name: The name of the run. Characters that do not suit a file name become `_` in the id, but stay in the
                record.

        Raises:
            RunError: The folder cannot be created.
        """
        with explained(f"create a run folder in {runs_dir}"):
            disk.make_folders(runs_dir)
            for _ in range(_ID_ATTEMPTS):
                stamp = dt.datetime.now(tz=dt.UTC).astimezone().strftime("%Y%m%d-%H%M%S")
                path = runs_dir / f"{stamp}-{_safe(name)}-{secrets.token_hex(2)}"
                with contextlib.suppress(FileExistsError):
                    disk.mkdir(path)  # fails if the folder exists: of two processes with one id, one tries the next id
                    # Without this, a power failure could lose the name of the folder, and with it all of its files.
                    disk.sync_folder(runs_dir)
                    return cls(path)
        raise RunError(f"{_ID_ATTEMPTS} ids in {runs_dir} were already taken", hint="choose another name")

    @classmethod
    def open(cls, path: Path) -> RunFolder:
        """Return the run in an existing folder.

        Args:
            path: The folder.

        Raises:
            RunError: The folder does not exist.
        """
        if not path.is_dir():
            raise RunError(f"there is no run folder {path}", hint="dlrun runs ls")
        return cls(path if path.name not in {"", ".."} else path.resolve())

    def begin_record(self, name: str, **known: Any) -> None:
        """Write the first `run.json`, with which the folder becomes a run.

        Args:
            name: The name of the run.
            known: Fields of `RunRecord` that are known already.

        Raises:
            RunError: The file cannot be written.
        """
        first = {"id": self.id, "name": name, "started": now()}
        self.write_record(RunRecord.model_validate({**first, **known}))

    def read_record(self) -> RunRecord:
        """Return the content of `run.json`.

        Raises:
            RunError: The file is missing, or not in the format that a run writes.
        """
        return read_record(self.run_json)

    def write_record(self, record: RunRecord) -> None:
        """Replace `run.json`.

        Args:
            record: The new content.

        Raises:
            RunError: The file cannot be written; the old one is unchanged.
        """
        self.write_text(self.run_json, record.model_dump_json(indent=2) + "\n")

    def update_record(self, **changes: Any) -> RunRecord:
        """Change some keys of `run.json` and keep the others, including those that this version does not know.

        Args:
            changes: Fields of `RunRecord`; groups may be objects or dictionaries.

        Returns:
            The new record.

        Raises:
            RunError: The file cannot be read or written.
            pydantic.ValidationError: A value has the wrong type for its key.
        """
        record = RunRecord.model_validate({**self.read_record().model_dump(), **changes})
        self.write_record(record)
        return record

    def record_sums(self, sums: Mapping[Path, str | None]) -> None:
        """Store the sha256 of some of the run's files in `run.json`.

        Args:
            sums: The sha256 by path; None removes it.

        Raises:
            RunError: `run.json` cannot be written.
        """
        kept = dict(self.read_record().files_sha256)
        for path, found in sums.items():
            kept.pop(sum_key(self.path, path), None)
            if found is not None:
                kept[sum_key(self.path, path)] = found
        self.update_record(files_sha256=kept)

    def write_text(self, path: Path, text: str) -> None:
        """Write one of the run's files in one step, so that readers see either the old or the new content.

        Args:
            path: The file.
            text: The new content.

        Raises:
            RunError: The file cannot be written.
        """
        with explained(f"write {path}"):
            disk.write_atomically(path, _encode(text))

    def write_json(self, path: Path, value: Any) -> str:
        """Write a value as JSON in one step.

        Args:
            path: The file.
            value: The value.

        Returns:
            The sha256 of the written text.

        Raises:
            RunError: The file cannot be written.
            ValueError: `value` contains NaN or an infinity, which JSON does not support.
        """
        text = json.dumps(value, indent=2, allow_nan=False, ensure_ascii=False) + "\n"
        self.write_text(path, text)
        return sha256(_encode(text)).hexdigest()

    def make_folder(self, path: Path) -> None:
        """Create one of the run's folders if it is missing; a link to a folder is refused, since it may lead anywhere.

        Args:
            path: The folder.

        Raises:
            RunError: The folder cannot be created.
        """
        with explained(f"write into {path}"):
            if path.is_symlink():
                raise OSError(errno.ELOOP, "it is a symbolic link")
            disk.make_folders(path)

    def append_metrics(self, row: Mapping[str, SupportsFloat], *, sync: bool = True) -> None:
        """Append the row of one epoch to `metrics.jsonl` and `metrics.csv`; NaN and infinities become null.

        Args:
            row: Numbers by column.
            sync: Whether to wait until the row is on the disk.

        Raises:
            RunError: The row cannot be written.
        """
        self.history.append(row, sync=sync)

    def read_metrics(self) -> list[Row]:
        """Return the rows of `metrics.jsonl`, without an incomplete last line.

        Raises:
            RunError: Another line is damaged, or the file is not the one that training ended with.
        """
        check_presence(self.path, self.metrics_jsonl)
        return self.history.read(check=lambda data: check_sum(self.path, self.metrics_jsonl, data))

    @property
    def status(self) -> SeenStatus:
        """The current status of the run.

        Raises:
            RunError: `run.json` cannot be read.
        """
        return self.status_of(self.read_record())

    def status_of(self, record: RunRecord) -> SeenStatus:
        """Return the status in a record, or `stale` if it is `running` but no process holds the run."""
        if record.status != "running" or self.held_by() is not None:
            return record.status
        status = self.read_record().status  # the run may have ended between the two checks
        return "stale" if status == "running" else status

    @contextlib.contextmanager
    def lock(self) -> Iterator[Lease]:
        """Hold the run as its only writer inside the block.

        If this process is paused for so long that another machine takes the run over, every later change of the folder
        through `system/disk.py` is a TakenOverError.

        Yields:
            The lease.

        Raises:
            RunError: Another process holds the run; the error names its process id and machine.
        """
        with locked(self.lock_folder) as lease:
            self._clear_leftovers()
            yield lease

    def _clear_leftovers(self) -> None:
        """Remove the temporary files of killed writers, without following a link in place of a folder."""
        for folder in (self.path, self.evaluation, self.plots, self.checkpoints):
            with contextlib.suppress(OSError):
                if folder.is_symlink() or not folder.is_dir():
                    continue
                for leftover in folder.glob(".*.new"):
                    disk.unlink(leftover)
                for leftover in folder.glob(f"{self.lock_folder.name}-*"):
                    disk.remove_tree(leftover)
                if folder == self.checkpoints:
                    recover(folder)

    def held_by(self) -> Holder | None:
        """Return the process that holds the run; None if none does.

        A holder on another machine counts as living until this process has seen for a whole lease that it does not.
        """
        return holder(self.lock_folder)

    def living_holder(self) -> Holder | None:
        """Return the process that holds the run, after waiting until it is known whether one elsewhere still lives."""
        return living_holder(self.lock_folder)


def _encode(text: str) -> bytes:
    # Paths that are not UTF-8 reach Python with surrogates; this writes their original bytes.
    return text.encode(errors="surrogateescape")


def _safe(name: str) -> str:
    """Return the part of an id that comes from the name: letters and digits of any script, `_`, `.` and `-`."""
    text = re.sub(r"[^\w.-]+", "_", unicodedata.normalize("NFC", name)).strip("._-")
    # File systems limit bytes, not characters; a character that this cuts in two is dropped.
    return text.encode()[:_NAME_BYTES].decode(errors="ignore") or "run"
