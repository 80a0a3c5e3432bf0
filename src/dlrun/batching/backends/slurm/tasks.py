"""The folder through which a driver and its tasks talk, on storage that both see.

    slurm/
      token             a random word; a task that cannot read it does not see the folder
      001.sh            the script of the first array
      001.jsonl         what its tasks train, one `Request` on each line
      001/7-0.jsonl     what task 7 reports, one message on each line; 7-1 once it was requeued, and so on
      001/7.log         what it prints
      heard.txt         the tasks whose end the driver has taken note of

Every file has one writer. The driver reads again and again: a line counts once its end has arrived.
"""

from __future__ import annotations

import json
import os
import secrets
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

from dlrun.batching.messages import Request
from dlrun.errors import RunError
from dlrun.system.disk import disk, explained

_LARGEST_BYTES = 1 << 28
_NOT_COMPARED = ("number", "gpu", "anew")
"""What may differ between two requests of one run."""


@dataclass(frozen=True)
class TaskPlace:
    """Which task of which array of a folder.

    Args:
        array: The number of the array, from 1.
        index: The index of the task, from 0.
    """

    array: int
    index: int


class TaskFolder:
    """The folder of one driver.

    Args:
        path: The folder.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.token = path / "token"
        self._heard = path / "heard.txt"

    def begin(self) -> str:
        """Create the folder if it is missing, and return its token.

        Raises:
            RunError: It cannot be written.
        """
        with explained(f"write {self.token}"):
            disk.make_folders(self.path)
            if not self.token.exists():
                disk.write_atomically(self.token, f"{secrets.token_hex(8)}\n".encode())
            return self.token.read_text().strip()

    def script(self, array: int) -> Path:
        """Return the path of the script of an array."""
        return self.path / f"{array:03}.sh"

    def messages(self, array: int) -> Path:
        """Return the folder of what the tasks of an array report and print."""
        return self.path / f"{array:03}"

    def arrays(self) -> list[int]:
        """Return the numbers of all arrays, the oldest first."""
        return sorted(int(path.stem) for path in self.path.glob("*.jsonl") if path.stem.isdecimal())

    def add_array(self, requests: Sequence[Request]) -> int:
        """Write down what the tasks of a new array train.

        Args:
            requests: The requests, in the order of their indices.

        Returns:
            The number of the array.

        Raises:
            RunError: The file cannot be written.
        """
        array = (self.arrays() or [0])[-1] + 1
        with explained(f"write into {self.path}"):
            disk.make_folders(self.messages(array))
            disk.write_atomically(self._requests(array), b"".join(request.line() for request in requests))
        return array

    def drop_array(self, array: int) -> None:
        """Remove the files of an array that was not submitted.

        Args:
            array: Its number.
        """
        for path in (self._requests(array), self.script(array)):
            with suppress(OSError):
                disk.unlink(path)
        with suppress(OSError):
            disk.rmdir(self.messages(array))

    def requests(self, array: int) -> list[Request]:
        """Return what the tasks of an array train.

        Args:
            array: The number of the array.

        Raises:
            RunError: The file is missing or damaged.
        """
        path = self._requests(array)
        with explained(f"read {path}"):
            data = disk.read_file(path, largest=_LARGEST_BYTES)
        try:
            return [Request.read(json.loads(line)) for line in data.splitlines()]
        except (ValueError, TypeError, KeyError) as error:
            raise RunError(f"{path} is damaged: {error}", hint=f"remove {self.path} when no job uses it") from error

    def mark_heard(self, place: TaskPlace) -> None:
        """Take note that the end of a task was handed over.

        Args:
            place: The task.

        Raises:
            RunError: The file cannot be written.
        """
        with explained(f"write {self._heard}"), self._heard.open("a") as file:
            file.write(f"{place.array} {place.index}\n")

    def heard(self) -> set[TaskPlace]:
        """Return the tasks whose ends were handed over."""
        found = set()
        with suppress(OSError):
            for line in self._heard.read_text().splitlines():
                with suppress(ValueError):
                    array, index = map(int, line.split())
                    found.add(TaskPlace(array, index))
        return found

    def attempts(self, array: int) -> dict[int, int]:
        """Return how often each task of an array that has begun was requeued.

        Args:
            array: The number of the array.
        """
        latest: dict[int, int] = {}
        with suppress(OSError), os.scandir(self.messages(array)) as entries:
            for entry in entries:
                index, _, restart = entry.name.removesuffix(".jsonl").partition("-")
                if index.isdecimal() and restart.isdecimal():
                    latest[int(index)] = max(latest.get(int(index), 0), int(restart))
        return latest

    def messages_file(self, place: TaskPlace, *, restart: int) -> Path:
        """Return the file in which a task reports.

        Args:
            place: The task.
            restart: How often it was requeued.
        """
        return self.messages(place.array) / f"{place.index}-{restart}.jsonl"

    def _requests(self, array: int) -> Path:
        return self.path / f"{array:03}.jsonl"


def request_key(request: Request) -> str:
    """Return a digest that is equal for two requests of the same run in the same role.

    Args:
        request: The request.
    """
    content = {key: value for key, value in asdict(request).items() if key not in _NOT_COMPARED}
    return sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


class MessageTail:
    """Follows what a task reports, over all of its attempts.

    Args:
        folder: The folder.
        place: The task.
    """

    def __init__(self, folder: TaskFolder, place: TaskPlace) -> None:
        self.restart = -1
        """How often the task was requeued before its present attempt; -1 if it has not begun."""
        self._folder = folder
        self._place = place
        self._offset = 0
        self._rest = b""

    def read(self, restart: int) -> Iterator[dict[str, Any]]:
        """Yield the messages that have arrived; before those of a further attempt, a message `attempt`.

        Args:
            restart: The latest attempt, from `TaskFolder.attempts`.
        """
        yield from self._new()
        if restart > self.restart:
            # What a killed attempt has left of its last line belongs to no message.
            self.restart, self._offset, self._rest = restart, 0, b""
            yield {"event": "attempt"}
            yield from self._new()

    def _new(self) -> Iterator[dict[str, Any]]:
        if self.restart < 0:
            return
        data = b""
        # Opened again each time: on NFS, a file that is kept open may keep its old end.
        with suppress(OSError), self._folder.messages_file(self._place, restart=self.restart).open("rb") as file:
            file.seek(self._offset)
            data = file.read()
        self._offset += len(data)
        *lines, self._rest = (self._rest + data).split(b"\n")
        for line in lines:
            # After a crash of its storage a file may have bytes that nobody has written.
            with suppress(ValueError):
                message = json.loads(line)
                if isinstance(message, Mapping) and isinstance(message.get("event"), str):
                    yield dict(message)
