"""Read the headers or the values of arrays in `.npz` files, but never a pickled object."""

from __future__ import annotations

import io
import math
import struct
import sys
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from numpy.lib import format as npy

from dlrun.errors import DataError
from dlrun.names import nearest
from dlrun.system.paths import no_file

_NUMERIC = "biuf"
_PLAIN = _NUMERIC + "U"
_MOST_ARRAYS = 100
# Exceptions of zipfile and numpy for damaged files. A flipped bit may look like a password (RuntimeError) or like an
# array of terabytes (MemoryError, OverflowError).
_DAMAGE = (
    OSError,
    ValueError,
    EOFError,
    KeyError,
    RuntimeError,
    MemoryError,
    OverflowError,
    zipfile.BadZipFile,
    zlib.error,
    struct.error,
)


@dataclass(frozen=True)
class ArrayHeader:
    """Shape and data type of an array, from its header."""

    shape: tuple[int, ...]
    dtype: np.dtype[Any]

    def __len__(self) -> int:
        """Return the number of examples."""
        return self.shape[0] if self.shape else 0


@dataclass(frozen=True)
class NpzFile:
    """An `.npz` file whose headers have been read; its arrays are read one by one.

    Args:
        path: Path of the file.
        headers: Headers of the arrays, by name.
    """

    path: Path
    headers: Mapping[str, ArrayHeader]

    @classmethod
    def open(cls, path: Path) -> NpzFile:
        """Open a file and read the headers of its arrays.

        Raises:
            DataError: The file is missing, or is not an `.npz` file.
        """
        if path.exists() and not path.is_file():  # opening a pipe would block until somebody writes to it
            raise DataError(f"{path} is not a regular file", expected="an .npz file as numpy.savez writes it")
        with _file_errors(path), zipfile.ZipFile(path) as archive:
            members = [name for name in archive.namelist() if name.endswith(".npy")]
            return cls(path, {name.removesuffix(".npy"): _read_header(archive, name) for name in members})

    def header(self, key: str) -> ArrayHeader:
        """Return the header of the array `key`.

        Raises:
            DataError: There is no such array, it is empty, or it does not contain numbers.
        """
        header = self.headers.get(key)
        if header is None:
            near = nearest(key, self.headers)
            raise DataError(
                f"{self.path} has no array {key!r}",
                expected="one of " + ", ".join(self.headers) if self.headers else "a file that contains arrays",
                hint=f"did you mean {near!r}?" if near else "",
            )
        if header.dtype.kind not in _NUMERIC:
            is_object = header.dtype.kind == "O"
            found = "Python objects, which are never unpickled" if is_object else f"values of dtype {header.dtype}"
            hint = "save it again with a numeric dtype"
            raise DataError(f"{self.named(key)} contains {found}", expected="numbers", hint=hint)
        if len(header) == 0:
            raise DataError(f"{self.named(key)} is empty: its shape is {header.shape}", expected="some examples")
        return header

    def array(self, key: str) -> npt.NDArray[Any]:
        """Return the values of the array `key`, in C order.

        Raises:
            DataError: As for `header`, or the file is damaged.
        """
        self.header(key)
        with _file_errors(self.path), np.load(self.path, allow_pickle=False) as file:
            return np.ascontiguousarray(file[key])

    def named(self, key: str) -> str:
        """Return the name of an array for messages."""
        return f"{key} in {self.path}"


def read_arrays(data: bytes, *, origin: str, largest: int) -> dict[str, npt.NDArray[Any]]:
    """Read the arrays of a small `.npz` file from an untrusted source: numbers and texts, but no objects.

    The sizes in the headers are checked before anything is unpacked, because a few bytes can expand to gigabytes.

    Args:
        data: Content of the file.
        origin: Path of the file, for messages.
        largest: Largest total size of the arrays, in bytes.

    Raises:
        DataError: The file is damaged, too large, or contains something else.
    """
    with _file_errors(Path(origin)), zipfile.ZipFile(io.BytesIO(data)) as archive:
        names = archive.namelist()
        if len(names) > _MOST_ARRAYS:
            raise ValueError(f"it contains {len(names):,} arrays")
        headers = {name: _read_header(archive, name) for name in names}
        if strange := next((name for name, header in headers.items() if header.dtype.kind not in _PLAIN), None):
            raise ValueError(f"the array {strange} has dtype {headers[strange].dtype}")
        size = sum(math.prod(header.shape) * header.dtype.itemsize for header in headers.values())
        if size > largest:
            raise ValueError(f"its arrays have {size:,} bytes, more than the limit of {largest:,}")
        arrays = {}
        for name in names:
            with archive.open(name) as member:
                arrays[name.removesuffix(".npy")] = npy.read_array(member, allow_pickle=False)
        return arrays


def _read_header(archive: zipfile.ZipFile, name: str) -> ArrayHeader:
    with archive.open(name) as member:
        version = npy.read_magic(member)
        # Version 3.0 differs from 2.0 only in the encoding of field names of structured arrays, which are not read.
        read = npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0
        shape, _, dtype = read(member)
    # A negative length in a damaged file would make the total size small, and so pass the limit of `read_arrays`.
    if not all(0 <= length <= sys.maxsize for length in shape):
        raise ValueError(f"the array {name} claims the shape {shape}")
    return ArrayHeader(shape, dtype)


@contextmanager
def _file_errors(path: Path) -> Iterator[None]:
    try:
        yield
    except FileNotFoundError as error:
        raise no_file(path, expected="an .npz file as numpy.savez writes it") from error
    except _DAMAGE as error:
        problem = " ".join(str(error).split()) or type(error).__name__
        raise DataError(
            f"{path} cannot be read: {problem}", expected="an undamaged .npz file as numpy.savez writes it"
        ) from error
