"""Store the metrics of a run, one row per epoch, in `metrics.jsonl`, and the same rows in `metrics.csv`."""

from __future__ import annotations

import json
import math
import numbers
from collections.abc import Callable, Iterable, Mapping
from hashlib import sha256
from pathlib import Path
from typing import SupportsFloat

from dlrun.errors import RunError
from dlrun.system.disk import disk, explained
from dlrun.system.spreadsheet import csv_text

Row = dict[str, float | int | None]

NOT_SCORES = ("epoch", "step", "seconds", "examples_per_second", "data_wait", "learning_rate")
"""The columns of a row besides its scores; no score may have one of these names."""

_LARGEST_BYTES = 1 << 26
# Far more than dlrun would write into a file of that size: each row has all columns, of ten bytes or more.
_LARGEST_LINE_BYTES, _MOST_ROWS, _MOST_CELLS = 1 << 20, 1 << 19, 1 << 23
_LARGEST_NUMBER = 2**63


class History:
    """The metrics of a run. `metrics.jsonl` is authoritative; `metrics.csv` is written from it if they may differ.

    JSON has no NaN and no infinity: such a value is written as null, and as an empty cell in the CSV. An incomplete
    last line, left by a killed writer, does not count, and the next `append` overwrites it.

    Args:
        jsonl: The path of `metrics.jsonl`.
        csv: The path of `metrics.csv`.
    """

    def __init__(self, jsonl: Path, *, csv: Path) -> None:
        self.jsonl = jsonl
        self.csv = csv
        self._length: int | None = None  # of the valid part of metrics.jsonl; None if it has to be read from the files
        self._digest = sha256()  # of that part
        self._csv_length = 0
        self._columns: tuple[str, ...] = ()

    def read(self, *, check: Callable[[bytes], None] | None = None) -> list[Row]:
        """Return all rows, oldest first; none if there is no file yet.

        Args:
            check: A function that is called with the content of the file before it is used.

        Raises:
            RunError: A line before the last is damaged.
        """
        if not disk.exists(self.jsonl):
            return []
        data = self._data()
        if check is not None:
            check(data)
        return self._parse(data)[0]

    def append(self, row: Mapping[str, SupportsFloat], *, sync: bool = True) -> None:
        """Append a row to both files.

        Args:
            row: Numbers by column. If it has a column that no earlier row had, the CSV is rewritten with that column at
                its end.
            sync: Whether to wait until the row is on the disk. If not, call `sync` before anything relies on the row.

        Raises:
            RunError: The row cannot be written; earlier rows are unchanged.
        """
        plain = {name: _plain(value) for name, value in row.items()}
        with explained(f"write {self.jsonl}"):
            length = self._settle()
            self._length = None  # until both files are written: the next append repairs a failure in between
            data = json.dumps(plain, allow_nan=False).encode() + b"\n"
            # Writing at the end of the valid part overwrites an incomplete line of a killed writer.
            disk.append(self.jsonl, data, at=length, sync=sync)
            if set(plain) <= set(self._columns) and disk.exists(self.csv):
                line = _csv_text(self._columns, [plain])
                disk.append(self.csv, line, at=self._csv_length, sync=sync)
                self._csv_length += len(line)
            else:
                self._rewrite_csv(self.read())
            self._length = length + len(data)
            self._digest.update(data)

    def sync(self) -> None:
        """Wait until all rows are on the disk.

        Raises:
            RunError: They cannot be written to the disk.
        """
        for path in (self.jsonl, self.csv):
            with explained(f"write {path}"):
                # A checkpoint is about to count these rows, so a missing metrics.jsonl has to be an error here.
                if disk.exists(path) or (path == self.jsonl and self._length):
                    disk.sync_file(path)

    def mark(self) -> tuple[int, str]:
        """Return the length and sha256 of the complete lines of `metrics.jsonl`, for a checkpoint to store."""
        if self._length is None:
            data = self._data()
            length = self._parse(data)[1]
            return length, sha256(data[:length]).hexdigest()
        return self._length, self._digest.hexdigest()

    def cut(self, length: int, *, digest: str | None = None) -> None:
        """Remove the rows that were added after `metrics.jsonl` had `length` bytes.

        Args:
            length: The length that `mark` returned.
            digest: The sha256 that `mark` returned; None accepts any content of that length.

        Raises:
            RunError: The file is shorter than that, its start has changed, or it cannot be written.
        """
        data = self._data()
        found = len(data)
        # Later rows may be incomplete after a power failure, and are not even parsed.
        if not 0 <= length <= found:
            raise RunError(f"{self.jsonl} has {found} bytes", expected=f"at least {max(length, 0)} bytes")
        if digest is not None and sha256(data[:length]).hexdigest() != digest:
            raise RunError(
                f"{self.jsonl} was changed: its first {length} bytes differ from those at the checkpoint",
                expected=f"the sha256 {digest}",
                hint="restore the file from a copy, or train the model again",
            )
        with explained(f"write {self.jsonl}"):
            self._length = None
            if found or disk.exists(self.jsonl):
                disk.append(self.jsonl, b"", at=length)
            self._settle()

    def _settle(self) -> int:
        """Return the length of the valid part of `metrics.jsonl`, after rewriting the CSV if it may differ."""
        if self._length is None:
            data = self._data()
            rows, self._length = self._parse(data)
            self._digest = sha256(data[: self._length])
            self._rewrite_csv(rows)
        return self._length

    def _data(self) -> bytes:
        if not disk.exists(self.jsonl):
            return b""
        with explained(f"read {self.jsonl}"):
            return disk.read_file(self.jsonl, largest=_LARGEST_BYTES)

    def _parse(self, data: bytes) -> tuple[list[Row], int]:
        if (count := data.count(b"\n") + data.count(b"\r")) > _MOST_ROWS:
            raise RunError(f"{self.jsonl} is damaged: it has {count:,} lines", expected=f"at most {_MOST_ROWS:,}")
        lines = data.splitlines(keepends=True)
        rows: list[Row] = []
        columns = set[str]()
        for number, line in enumerate(lines, start=1):
            row = parse_row(line)
            if row is not None:
                if row.get("epoch") is None:  # curves and listings need a position for each row
                    row = {**row, "epoch": number}
                columns.update(row)
                rows.append(row)
            # A killed writer leaves only its last line incomplete; any other such line is damage.
            elif number < len(lines):
                raise RunError(f"{self.jsonl}:{number} is damaged", expected="one JSON object per line")
            if number * len(columns) > _MOST_CELLS:
                raise RunError(f"{self.jsonl} is damaged: its {number:,} rows have {len(columns):,} columns")
        return rows, sum(map(len, lines[: len(rows)]))

    def _rewrite_csv(self, rows: list[Row]) -> None:
        self._columns = tuple(dict.fromkeys(name for row in rows for name in row))
        header = csv_text([self._columns]).encode() if rows else b""
        data = header + _csv_text(self._columns, rows)
        self._csv_length = len(data)
        if rows or disk.exists(self.csv):
            disk.write_atomically(self.csv, data)


def parse_row(line: bytes) -> Row | None:
    """Return the row of a line with its line end; None if it is incomplete, or not in dlrun's format."""
    if not line.endswith(b"\n"):
        return None
    if len(line) > _LARGEST_LINE_BYTES:
        return None
    try:
        row = json.loads(line)
    except (ValueError, RecursionError):
        return None
    # Other code computes with these values, and the file may come from someone else.
    if not isinstance(row, dict) or not all(map(_is_sound, row.values())):
        return None
    return {_text(name): _finite(value) for name, value in row.items()}


def _is_sound(value: object) -> bool:
    return value is None or isinstance(value, float) or (isinstance(value, int) and abs(value) <= _LARGEST_NUMBER)


def _finite(value: float | None) -> float | int | None:
    return value if value is not None and math.isfinite(value) else None


def _text(name: str) -> str:
    """Return a name without lone surrogates, which neither files nor plots can encode."""
    return name if name.isascii() else name.encode(errors="replace").decode()


def _plain(value: SupportsFloat) -> float | int | None:
    if isinstance(value, numbers.Integral):
        return int(value)
    number = float(value)
    return number if math.isfinite(number) else None


def _csv_text(columns: tuple[str, ...], rows: Iterable[Mapping[str, object]]) -> bytes:
    return csv_text([row.get(column) for column in columns] for row in rows).encode()
