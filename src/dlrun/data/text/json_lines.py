"""JSONL files: one object with a text and a label in each line."""

from __future__ import annotations

import itertools
import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from dlrun.data.files.encoding import lines, opened
from dlrun.data.text.rows import Row, TextFile, absent_label
from dlrun.errors import DataError
from dlrun.registry import nearest

_LOOKED_AT = 100  # lines whose keys are the file's columns; each line is checked by itself all the same


@dataclass(frozen=True)
class JsonLinesFile(TextFile):
    """A file of JSON objects, one a line."""

    def names(self) -> tuple[str, ...]:
        """The keys of the first objects."""
        return tuple(dict.fromkeys(key for _, found in itertools.islice(self._objects(), _LOOKED_AT) for key in found))

    def rows(self, *, labelled: bool) -> Iterator[Row]:
        """Its objects; lines with nothing in them are none, and a text of null is empty."""
        for number, found in self._objects():
            text = self._value(found, self.reading.text, number)
            if text is not None and not isinstance(text, str):
                raise DataError(f"{self.place(number)}: the text is {_shown(text)}", expected="text in quotes")
            label = self._label(found, number) if labelled else None
            kept = tuple(written_value(self._value(found, name, number)) for name in self.reading.keep)
            yield Row(number, clean(text or ""), label, kept)

    def _objects(self) -> Iterator[tuple[int, Mapping[str, Any]]]:
        with opened(self.path, self.reading.known_encoding, newline="\n") as stream:
            for number, line in enumerate(lines(stream, self.path), start=1):
                if line.isspace():
                    continue
                try:
                    found = json.loads(line)
                except (ValueError, RecursionError) as error:
                    raise self._no_object(number, f"is no JSON: {error}", line) from error
                if not isinstance(found, dict):
                    raise self._no_object(number, f"is {_shown(found)}", line)
                yield number, found

    def _value(self, found: Mapping[str, Any], key: str, number: int) -> Any:
        if key not in found:
            near = nearest(key, found)
            raise DataError(
                f"{self.place(number)}: the object has no key {key!r}: {', '.join(map(repr, found)) or 'it is empty'}",
                expected=f"{key!r} in every line",
                hint=f"did you mean {near!r}?" if near else "drop such lines, or give them the key",
            )
        return found[key]

    def _label(self, found: Mapping[str, Any], number: int) -> str:
        value = self._value(found, self.reading.label, number)
        label = written_label(value)
        if label is None:
            said = f"{self.place(number)}: the label is {_shown(value)}"
            raise DataError(said, expected="one name or one number")
        if not label:
            raise absent_label(self.place(number), self.reading)
        return label

    def _no_object(self, number: int, said: str, line: str) -> DataError:
        is_array = number == 1 and line.lstrip().startswith("[")
        return DataError(
            f"{self.place(number)}: the line {said}",
            expected="one JSON object in each line",
            hint="the file is one array: write each of its objects in a line of its own" if is_array else "",
        )


def written_label(value: Any) -> str | None:
    """A label as text: true and false in small letters, numbers as Python writes them, empty for null; else None."""
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str | int | float):
        return clean(str(value)).strip()
    return None


def written_value(value: Any) -> str | None:
    """Any value as text; None for null, and JSON for what holds other values."""
    label = written_label(value)
    if label is not None:
        return label if label or isinstance(value, str) else None
    return clean(json.dumps(value, ensure_ascii=False, default=str) if isinstance(value, list | dict) else str(value))


def clean(text: str) -> str:
    """The text with each lone surrogate, which is half of a character and nothing in UTF-8, marked as unreadable."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return text


def _shown(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 60 else text[:60] + "..."  # noqa: PLR2004  what fits a line
