"""Detect the character encoding of text files, and open them as text, also when compressed with gzip.

The encoding is found in this order:

1. A byte-order mark: UTF-8, UTF-16 or UTF-32.
2. Zero bytes in every other place: UTF-16 without a mark. Other zero bytes mean that the file is not text.
3. All bytes are valid UTF-8. Text in another encoding rarely is, apart from plain ASCII.
4. Otherwise Windows-1252, or Latin-1 if a byte has no meaning in Windows-1252. Every byte is valid in Latin-1, so this
   is a guess, and a note reports it.
"""

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
"""Largest number of characters of one text. A longer one is a file read the wrong way (a quote that never closes)."""

_BLOCK_BYTES = 2**20
_MARKS = {
    codecs.BOM_UTF8: "utf-8-sig",
    codecs.BOM_UTF32_LE: "utf-32",  # before UTF-16, whose mark is the beginning of this one
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}
_NOT_IN_CP1252 = b"\x81\x8d\x8f\x90\x9d"
_NO_TEXT = re.compile("[\0-\x08]")


def _check_encoding(name: str) -> str:
    try:
        # Python also has codecs from bytes to bytes, such as base64, which a look-up by name would accept.
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
    """A property of a file that was detected from its bytes.

    Args:
        key: YAML key that sets it: `encoding` or `delimiter`.
        name: Value, as written in the YAML key.
        why: How it was detected; empty for an ordinary value that needs no note.
    """

    key: str
    name: str
    why: str = ""


def notes_of(detected: Iterable[tuple[str, Detected]]) -> Iterator[str]:
    """Yield a note on each unusual property, one for all files that share it.

    Args:
        detected: Pairs of a file's path and a detected property.
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
    """Open a file (also compressed with gzip) or standard input as text.

    Args:
        source: Path of the file, or `-`.
        encoding: Encoding of the file; None to detect it from the bytes.
        newline: As in `open`.

    Raises:
        DataError: The file is missing, cannot be read, or is not valid in that encoding.
    """
    found = encoding or detect_encoding(source).name
    try:
        with opened_bytes(source) as stream, io.TextIOWrapper(stream, encoding=found, newline=newline) as text:
            yield text
    except UnicodeError as error:
        raise undecodable(source, found) from error


@contextmanager
def opened_bytes(source: str) -> Iterator[BinaryIO]:
    """Open a file (decompressed if it is a gzip file) or standard input as bytes.

    Raises:
        DataError: The file is missing or cannot be read.
    """
    if source == STANDARD_INPUT:
        yield sys.stdin.buffer
        return
    path = Path(source)
    try:
        if path.exists() and not path.is_file():  # opening a pipe would block until somebody writes to it
            raise DataError(f"{source} is not a regular file", expected="a text file")
        with path.open("rb") as stream:
            # By its bytes, since a compressed file may have any name. peek() leaves them in the stream.
            if stream.peek(2)[:2] == b"\x1f\x8b":
                with gzip.open(stream) as unpacked:
                    yield cast("BinaryIO", unpacked)
            else:
                yield stream
    except (OSError, EOFError, zlib.error) as error:
        raise _unreadable(source, error) from error


@contextmanager
def named_standard_input(path: str) -> Iterator[None]:
    """Replace the path of the temporary copy of standard input in errors: `standard input, line 7`.

    Args:
        path: Path of the temporary copy.

    Raises:
        DataError: The error that was raised, with `standard input` in place of the path.
    """
    try:
        yield
    except DataError as error:

        def named(text: str) -> str:
            # `people.csv:18` names a line, and `people.csv: row 17` a row.
            lines = re.sub(re.escape(path) + r":(?=\d)", "standard input, line ", text)
            return lines.replace(f"{path}: row ", "standard input, row ").replace(path, "standard input")

        raise DataError(named(error.what), expected=named(error.expected), hint=named(error.hint)) from error


def detect_encoding(source: str, *, head_only: bool = False) -> Detected:
    """Detect the encoding of a file in the order that the module describes.

    Args:
        source: Path of the file, or `-`.
        head_only: Whether to look at the beginning only, which is enough for the column names.

    Raises:
        DataError: The file is missing, cannot be read, or is not text.
    """
    if source == STANDARD_INPUT:  # it cannot be read twice
        return Detected("encoding", "utf-8-sig")
    try:
        found = Path(source).stat()
    except OSError as error:
        raise _unreadable(source, error) from error
    return _detect(source, found.st_size, found.st_mtime_ns, head_only=head_only)


def undecodable(source: str, encoding: str) -> DataError:
    """Return the error for a file that is not valid in an encoding."""
    return DataError(
        f"{_undecodable_place(source, encoding)} is not encoded in {encoding}",
        expected=f"text in {encoding}",
        hint="set `encoding: auto` to detect it from the bytes, or set the name of the file's encoding",
    )


def lines(stream: TextIO, source: str) -> Iterator[str]:
    """Read the lines of an open file, with their line ends, in bounded memory.

    Raises:
        DataError: A line has more than `LONGEST_TEXT` characters.
    """
    number = 1
    while line := stream.readline(LONGEST_TEXT + 1):
        if len(line) > LONGEST_TEXT:
            raise DataError(
                f"{source}:{number}: the line has more than {LONGEST_TEXT:,} characters",
                expected="one text or one row per line",
            )
        yield line
        number += 1


def _unreadable(source: str, error: Exception) -> DataError:
    if isinstance(error, FileNotFoundError):
        return no_file(source, expected="a text file")
    problem = getattr(error, "strerror", None) or error
    return DataError(f"{source} cannot be read: {problem}", expected="an undamaged text file")


@functools.lru_cache(maxsize=256)
def _detect(source: str, size: int, changed: int, *, head_only: bool) -> Detected:
    """Detect the encoding of a file. The result is cached until the size or time of change is another one."""
    del size, changed  # only part of the key of the cache
    with opened_bytes(source) as stream:
        head = stream.read(_BLOCK_BYTES)
        for mark, name in _MARKS.items():
            if head.startswith(mark):
                return Detected("encoding", name, "" if name == "utf-8-sig" else "detected from its first bytes")
        zeros = head.count(0)
        if zeros and (wide := _wide_without_mark(head)):
            return Detected("encoding", wide, "detected from its zero bytes")
        if zeros > len(head) // 8:
            raise _no_text(source)
        stream.seek(0)
        line = _first_undecodable_line(_blocks(stream, head_only=head_only), "utf-8")
    if line == 0:
        return Detected("encoding", "utf-8")
    if zeros:  # probably UTF-16 in a script with few zero bytes, which Latin-1 would turn into wrong characters
        raise _no_text(source)
    with opened_bytes(source) as stream:
        found = any(len(block.translate(None, _NOT_IN_CP1252)) < len(block) for block in _blocks(stream))
    return Detected("encoding", "latin-1" if found else "cp1252", f"because line {line} is not UTF-8")


def _wide_without_mark(head: bytes) -> str:
    """Return the name of UTF-16 without a byte-order mark; empty if the file is something else.

    The zero bytes are nearly all the first, or nearly all the second byte of each pair, and the decoded text has no
    control characters.
    """
    even, odd = head[0::2].count(0), head[1::2].count(0)
    name = "utf-16-le" if odd > even else "utf-16-be"
    # Outside of the Latin script only spaces, digits, punctuation and line ends have a zero byte: 1 in 16 is enough.
    is_lopsided = even + odd > len(head) // 16 and max(even, odd) > 8 * min(even, odd)
    return name if is_lopsided and not _NO_TEXT.search(head.decode(name, "replace")) else ""


def _no_text(source: str) -> DataError:
    return DataError(
        f"{source} is not text: it contains zero bytes",
        expected="a text file, such as CSV",
        hint="if it is UTF-16, set `encoding: utf-16-le` or `encoding: utf-16-be`",
    )


def _undecodable_place(source: str, encoding: str) -> str:
    """Return the file and, if lines can be counted in its bytes, the first line that is not valid in the encoding."""
    if source == STANDARD_INPUT:
        return "standard input"
    if encoding.replace("_", "-").lower().startswith(("utf-16", "utf-32")):
        return source
    with opened_bytes(source) as stream:
        line = _first_undecodable_line(_blocks(stream), encoding)
    return f"{source}:{line}" if line else source


def _blocks(stream: BinaryIO, *, head_only: bool = False) -> Iterator[bytes]:
    """Read a file block by block, with an empty block at its end; or only its first block."""
    while True:
        block = stream.read(_BLOCK_BYTES)
        yield block
        if not block or (head_only and len(block) == _BLOCK_BYTES):
            return


def _first_undecodable_line(blocks: Iterable[bytes], encoding: str) -> int:
    """Return the number of the first line that is not valid in an encoding; 0 if there is none."""
    # A block may end within a character, whose bytes the decoder keeps. The empty block at the end of a file makes a
    # character that stays incomplete an error.
    decoder = codecs.getincrementaldecoder(encoding)()
    line = 1
    for block in blocks:
        try:
            decoder.decode(block, final=not block)
        except UnicodeDecodeError as error:
            return line + block[: error.start].count(b"\n")
        line += block.count(b"\n")
    return 0
