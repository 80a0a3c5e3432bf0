"""Read JSON lines files: one object per line, whose keys are the columns."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from dlrun.data.files.data_file import DataFile, FileFormat, shown_value
from dlrun.data.files.encoding import detect_encoding, lines, opened
from dlrun.errors import DataError
from dlrun.names import nearest

_INSPECTED = 100
"""Number of lines whose keys are listed as the columns. Later lines are checked when they are read."""


@dataclass(frozen=True)
class JsonLinesFile(DataFile):
    """A file of JSON objects, one per line; empty lines are skipped.

    Args:
        encoding: Python's name of the encoding.
    """

    encoding: str = "utf-8"

    @classmethod
    def open(cls, path: Path, file_format: FileFormat, *, head_only: bool = False) -> Self:
        """Read the keys of the first objects.

        Raises:
            DataError: A line is not an object, or the file cannot be read.
        """
        detected = [] if file_format.encoding else [detect_encoding(str(path), head_only=head_only)]
        encoding = file_format.encoding or detected[0].name
        first = itertools.islice(_objects(path, encoding), _INSPECTED)
        names = dict.fromkeys(key for _, found in first for key in found)
        return cls(path, tuple(names), detected=tuple(detected), encoding=encoding)

    def records(self, columns: Sequence[str], *, is_ragged: bool = False) -> Iterator[tuple[int, Sequence[Any]]]:
        """Read the line number and values of every object.

        Raises:
            DataError: A line is not an object, or lacks a key.
        """
        for number, found in _objects(self.path, self.encoding):
            yield number, [found.get(key) if is_ragged else self._value(found, key, number) for key in columns]

    def _value(self, found: Mapping[str, Any], key: str, number: int) -> Any:
        if key not in found:
            near = nearest(key, found)
            others = f"it has {', '.join(map(repr, found))}" if found else "it is empty"
            raise DataError(
                f"{self.place(self.path, number)}: the object has no key {key!r}; {others}",
                expected=f"{key!r} in every line",
                hint=f"did you mean {near!r}?" if near else "remove these lines, or add the key to them",
            )
        return found[key]


def _objects(path: Path, encoding: str) -> Iterator[tuple[int, Mapping[str, Any]]]:
    with opened(str(path), encoding, newline="\n") as stream:
        for number, line in enumerate(lines(stream, str(path)), start=1):
            if line.isspace():
                continue
            try:
                found = json.loads(line)
            except (ValueError, RecursionError) as error:
                raise _not_an_object(path, number, f"is not JSON: {error}", line) from error
            if not isinstance(found, dict):
                raise _not_an_object(path, number, f"is {shown_value(found)}", line)
            yield number, found


def _not_an_object(path: Path, number: int, problem: str, line: str) -> DataError:
    is_array = number == 1 and line.lstrip().startswith("[")
    return DataError(
        f"{JsonLinesFile.place(path, number)}: the line {problem}",
        expected="one JSON object per line",
        hint="the file is a JSON array: write each of its objects on its own line" if is_array else "",
    )
