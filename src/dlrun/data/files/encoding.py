"""Files of text in any character encoding, compressed or not: the encoding is detected from their bytes."""

from __future__ import annotations

import codecs
import functools
import gzip
import io
import re
import sys
import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, BinaryIO, TextIO, cast

from pydantic import AfterValidator
from pydantic_core import PydanticCustomError

from dlrun.errors import DataError
from dlrun.system.paths import no_file

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
_NO_TEXT = re.compile("[\0-\x08]")


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
class Detected:
    """What was detected from the bytes of a file.

    Args:
        key: The key that sets it: encoding, delimiter.
        name: What it is, as the key writes it.
        why: How it was detected, where it is not what everyone expects.
    """

    key: str
    name: str
    why: str = ""


def notes_of(detected: Iterable[tuple[str, Detected]]) -> Iterator[str]:
    """Write a note on whatever is not what everyone expects, one for all files that are alike in it.

    Args:
        detected: Paths of files, with what was detected from them.
    """
    whys: dict[tuple[str, str], dict[str, str]] = {}
    for path, found in detected:
        if found.why:
            whys.setdefault((found.key, found.name), {})[path] = found.why
    for (key, name), of_path in whys.items():
        path, why = next(iter(of_path.items()))
        more = f" and {len(of_path) - 1:,} more" if len(of_path) > 1 else ""
        yield f"{key}: {name} for {path}{more}, {why} (key `{key}`)"


@contextmanager
def opened(source: str, encoding: str | None, *, newline: str | None) -> Iterator[TextIO]:
    """Open a file, which may be compressed with gzip, or standard input, as text.

    Args:
        source: Its path, or `-`.
        encoding: None: detected from its bytes.
        newline: As `open` takes it.

    Raises:
        DataError: It is missing, cannot be read, or is not in that encoding.
    """
    found = encoding or detect_encoding(source).name
    try:
        with opened_bytes(source) as stream, io.TextIOWrapper(stream, encoding=found, newline=newline) as text:
            yield text
    except UnicodeError as error:
        raise undecodable(source, found) from error


@contextmanager
def opened_bytes(source: str) -> Iterator[BinaryIO]:
    """The bytes of a file, unpacked if it is compressed with gzip, or of standard input.

    Raises:
        DataError: It is missing, or cannot be read.
    """
    if source == STANDARD_INPUT:
        yield sys.stdin.buffer
        return
    path = Path(source)
    try:
        if path.exists() and not path.is_file():  # a pipe would keep its reader waiting
            raise DataError(f"{source} is not a regular file", expected="a file of text")
        with path.open("rb") as stream:
            if stream.peek(2)[:2] == b"\x1f\x8b":
                with gzip.open(stream) as unpacked:
                    yield cast("BinaryIO", unpacked)
            else:
                yield stream
    except (OSError, EOFError, zlib.error) as error:
        raise _unreadable(source, error) from error


@contextmanager
def named_standard_input(path: str) -> Iterator[None]:
    """Call the file that keeps standard input by that name in errors: `standard input, line 7`.

    Args:
        path: The file that keeps it.

    Raises:
        DataError: What was raised, in the user's words.
    """
    try:
        yield
    except DataError as error:

        def named(text: str) -> str:
            lines = re.sub(re.escape(path) + r":(?=\d)", "standard input, line ", text)
            return lines.replace(f"{path}: row ", "standard input, row ").replace(path, "standard input")

        raise DataError(named(error.what), expected=named(error.expected), hint=named(error.hint)) from error


def detect_encoding(source: str, *, head_only: bool = False) -> Detected:
    """Detect the encoding of a file: by its byte-order mark, else UTF-8 if all of it is, else Windows' Latin-1.

    Args:
        source: Its path, or `-`.
        head_only: Whether to look at its beginning only, which is enough to know the names of columns.

    Raises:
        DataError: It is missing, cannot be read, or is not text.
    """
    if source == STANDARD_INPUT:  # what has been read is gone
        return Detected("encoding", "utf-8-sig")
    try:
        found = Path(source).stat()
    except OSError as error:
        raise _unreadable(source, error) from error
    return _detect(source, found.st_size, found.st_mtime_ns, head_only=head_only)


def undecodable(source: str, encoding: str) -> DataError:
    """The error for a file that is not in an encoding."""
    return DataError(
        f"{_undecodable_place(source, encoding)} is not in {encoding}",
        expected=f"text in {encoding}",
        hint="`encoding: auto`, which detects it from a file's bytes, or the name of the one that it is in",
    )


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


def _unreadable(source: str, error: Exception) -> DataError:
    if isinstance(error, FileNotFoundError):
        return no_file(source, expected="a file of text")
    problem = getattr(error, "strerror", None) or error
    return DataError(f"{source} cannot be read: {problem}", expected="a file of text that is whole")


@functools.lru_cache(maxsize=256)
def _detect(source: str, size: int, changed: int, *, head_only: bool) -> Detected:
    """Detect the encoding of a file; remembered until it changes, as it is asked for again and again."""
    del size, changed
    with opened_bytes(source) as stream:
        head = stream.read(_BLOCK_BYTES)
        for mark, name in _MARKS.items():
            if head.startswith(mark):
                return Detected("encoding", name, "" if name == "utf-8-sig" else "by its first bytes")
        zeros = head.count(0)
        if zeros and (wide := _wide_without_mark(head)):
            return Detected("encoding", wide, "by its zero bytes")
        if zeros > len(head) // 8:
            raise _no_text(source)
        stream.seek(0)
        line = _first_undecodable_line(_blocks(stream, head_only=head_only), "utf-8")
    if line == 0:
        return Detected("encoding", "utf-8")
    if zeros:  # what would be read as Latin-1 may well be the UTF-16 of an alphabet with few zeros
        raise _no_text(source)
    with opened_bytes(source) as stream:
        found = any(len(block.translate(None, _NOT_IN_CP1252)) < len(block) for block in _blocks(stream))
    return Detected("encoding", "latin-1" if found else "cp1252", f"as line {line} is not UTF-8")


def _wide_without_mark(head: bytes) -> str:
    """UTF-16, by which of two bytes is often zero, and by what is read then; empty: it is not."""
    even, odd = head[0::2].count(0), head[1::2].count(0)
    name = "utf-16-le" if odd > even else "utf-16-be"
    # In alphabets other than the Latin one, spaces and line ends alone have a zero byte.
    is_lopsided = even + odd > len(head) // 16 and max(even, odd) > 8 * min(even, odd)
    return name if is_lopsided and not _NO_TEXT.search(head.decode(name, "replace")) else ""


def _no_text(source: str) -> DataError:
    return DataError(
        f"{source} is not text: it holds zero bytes",
        expected="a file of text, such as CSV",
        hint="if it is UTF-16 nevertheless, `encoding: utf-16-le` or `encoding: utf-16-be`",
    )


def _undecodable_place(source: str, encoding: str) -> str:
    """The file and, where a line ends with one byte, the line that is not in an encoding."""
    if source == STANDARD_INPUT:
        return "standard input"
    if encoding.replace("_", "-").lower().startswith(("utf-16", "utf-32")):
        return source
    with opened_bytes(source) as stream:
        line = _first_undecodable_line(_blocks(stream), encoding)
    return f"{source}:{line}" if line else source


def _blocks(stream: BinaryIO, *, head_only: bool = False) -> Iterator[bytes]:
    """A file block by block, an empty one at its end; or the first block alone."""
    while True:
        block = stream.read(_BLOCK_BYTES)
        yield block
        if not block or (head_only and len(block) == _BLOCK_BYTES):
            return


def _first_undecodable_line(blocks: Iterable[bytes], encoding: str) -> int:
    """The first line that is not in an encoding; 0: there is none."""
    decoder = codecs.getincrementaldecoder(encoding)()
    line = 1
    for block in blocks:
        try:
            decoder.decode(block, final=not block)
        except UnicodeDecodeError as error:
            return line + block[: error.start].count(b"\n")
        line += block.count(b"\n")
    return 0
