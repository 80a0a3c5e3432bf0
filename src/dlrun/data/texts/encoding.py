"""Text files in any character encoding, opened or given line by line: the encoding is told from their bytes."""

from __future__ import annotations

import codecs
import functools
import gzip
import io
import sys
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, BinaryIO, TextIO, cast

from pydantic import AfterValidator
from pydantic_core import PydanticCustomError

from dlrun.errors import DataError

STANDARD_INPUT = "-"
LONGEST_TEXT = 2**24
"""Characters in one text: more is not a text but a file read the wrong way (a quote that never closes)."""

_BLOCK_BYTES = 2**20
_MARKS = {
    codecs.BOM_UTF8: "utf-8-sig",
    codecs.BOM_UTF32_LE: "utf-32",  # begins with the mark of UTF-16
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}
_NOT_IN_CP1252 = b"\x81\x8d\x8f\x90\x9d"


def _check_encoding(name: str) -> str:
    try:
        known = name == "auto" or "text".encode(name) != b""
    except (LookupError, UnicodeError):
        known = False
    if not known:
        raise PydanticCustomError(
            "encoding", "Input should be auto, or an encoding that Python knows: utf-8, latin-1, cp1252, utf-16"
        )
    return name


FileEncoding = Annotated[str, AfterValidator(_check_encoding)]
"""The name of a character encoding, or auto."""


@dataclass(frozen=True)
class Told:
    """The encoding of a file.

    Args:
        name: As Python names it.
        why: What told it, where it is not what everyone expects.
    """

    name: str
    why: str = ""


@contextmanager
def opened(source: str, encoding: str, *, newline: str | None) -> Iterator[TextIO]:
    """A file, which may be compressed with gzip, or standard input, as text.

    Args:
        source: Its path, or `-`.
        encoding: auto: told from its bytes.
        newline: As `open` takes it.

    Raises:
        DataError: It is missing, cannot be read, or is not in that encoding.
    """
    found = encoding
    try:
        found = tell_encoding(source).name if encoding == "auto" else encoding
        with _opened_binary(source) as stream, io.TextIOWrapper(stream, encoding=found, newline=newline) as text:
            yield text
    except UnicodeError as error:
        raise DataError(
            f"{_undecodable_place(source, found)} is not in {found}",
            expected=f"text in {found}",
            hint="encoding: auto" if encoding != "auto" else "a file, whose encoding can be told from its bytes",
        ) from error
    except (OSError, EOFError, zlib.error) as error:
        raise unreadable(source, error) from error


def tell_encoding(source: str) -> Told:
    """The encoding of a file, by its byte-order mark, else UTF-8 if all of it is, else Windows' Latin-1.

    Raises:
        DataError: It is missing, cannot be read, or is no text.
    """
    if source == STANDARD_INPUT:  # what has been read is gone
        return Told("utf-8-sig")
    try:
        found = Path(source).stat()
        return _told(source, found.st_size, found.st_mtime_ns)
    except (OSError, EOFError, zlib.error) as error:
        raise unreadable(source, error) from error


def unreadable(source: str, error: Exception) -> DataError:
    """The error for a file that cannot be opened or read."""
    if isinstance(error, FileNotFoundError):
        where = "" if Path(source).is_absolute() else f" in {Path.cwd()}"
        return DataError(f"there is no file {source}{where}", expected="a file of texts")
    said = getattr(error, "strerror", None) or error
    return DataError(f"{source} cannot be read: {said}", expected="a file of texts that is whole")


def lines(stream: TextIO, source: str) -> Iterator[str]:
    """The lines of an open file with their ends, none without bound.

    Raises:
        DataError: One is longer than any text.
    """
    number = 1
    while line := stream.readline(LONGEST_TEXT + 1):
        if len(line) > LONGEST_TEXT:
            raise DataError(
                f"{source}:{number}: the line has more than {LONGEST_TEXT:,} characters",
                expected="one text or one row in a line",
            )
        yield line
        number += 1


@contextmanager
def _opened_binary(source: str) -> Iterator[BinaryIO]:
    if source == STANDARD_INPUT:
        yield sys.stdin.buffer
        return
    path = Path(source)
    if not path.is_file():  # a pipe would keep its reader waiting
        raise DataError(f"{source} is not a regular file", expected="a file of texts")
    with path.open("rb") as stream:
        if stream.peek(2)[:2] == b"\x1f\x8b":
            with gzip.open(stream) as unpacked:
                yield cast("BinaryIO", unpacked)
        else:
            yield stream


@functools.lru_cache(maxsize=256)
def _told(source: str, size: int, changed: int) -> Told:
    """Of a file as it is: it is asked for again and again."""
    del size, changed
    with _opened_binary(source) as stream:
        head = stream.read(_BLOCK_BYTES)
        for mark, name in _MARKS.items():
            if head.startswith(mark):
                return Told(name, "" if name == "utf-8-sig" else "by its first bytes")
        if head.count(0) > len(head) // 8:
            return _without_mark(source, head)
        line = _first_undecodable_line(head, stream, "utf-8")
        if line == 0:
            return Told("utf-8")
    name = "latin-1" if _has_bytes(source, _NOT_IN_CP1252) else "cp1252"
    return Told(name, f"as line {line} is not UTF-8")


def _without_mark(source: str, head: bytes) -> Told:
    """UTF-16, by which of two bytes is mostly zero; anything else with so many zeros is no text."""
    even, odd = head[0::2].count(0), head[1::2].count(0)
    if even == 0 or odd == 0 or max(even, odd) > 8 * min(even, odd):
        return Told("utf-16-le" if odd > even else "utf-16-be", "by its zero bytes")
    raise DataError(f"{source} is no text: it is full of zero bytes", expected="a file of texts")


def _undecodable_place(source: str, encoding: str) -> str:
    """The file and, where a line ends with one byte, the line that is not in an encoding."""
    if source == STANDARD_INPUT:
        return "standard input"
    if encoding.replace("_", "-").lower().startswith(("utf-16", "utf-32")):
        return source
    with _opened_binary(source) as stream:
        return f"{source}:{_first_undecodable_line(stream.read(_BLOCK_BYTES), stream, encoding)}"


def _first_undecodable_line(head: bytes, stream: BinaryIO, encoding: str) -> int:
    """The first line that is not in an encoding; 0: there is none."""
    decoder = codecs.getincrementaldecoder(encoding)()
    block, line = head, 1
    while True:
        try:
            decoder.decode(block, final=not block)
        except UnicodeDecodeError as error:
            return line + block[: error.start].count(b"\n")
        if not block:
            return 0
        line += block.count(b"\n")
        block = stream.read(_BLOCK_BYTES)


def _has_bytes(source: str, wanted: bytes) -> bool:
    with _opened_binary(source) as stream:
        while block := stream.read(_BLOCK_BYTES):
            if len(block.translate(None, wanted)) < len(block):
                return True
    return False
