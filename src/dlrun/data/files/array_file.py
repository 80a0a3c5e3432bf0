"""Read arrays from `.npy` and `.npz` files or standard input, a few rows at a time, in bounded memory."""

from __future__ import annotations

import math
import sys
import zipfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import IO, Any

import numpy as np
import numpy.typing as npt
from numpy.lib import format as npy

from dlrun.data.files.foreign import refuse_foreign
from dlrun.data.files.npz import NpzFile
from dlrun.data.mapped import drop_pages
from dlrun.errors import DataError

Array = npt.NDArray[Any]
_DAMAGE = (OSError, ValueError, EOFError, MemoryError, RuntimeError, zipfile.BadZipFile)


class ArrayRows:
    """An array whose rows are read one after another.

    Args:
        name: Name of the array in messages.
        shape: Shape of the array.
        dtype: Data type of the array.
        stream: Stream of the values in row order; None if `whole` contains them.
        whole: The whole array, if it is mapped from a file or cannot be read row by row.
    """

    def __init__(
        self,
        name: str,
        shape: Sequence[int],
        dtype: np.dtype[Any],
        *,
        stream: IO[bytes] | None = None,
        whole: Array | None = None,
    ) -> None:
        self.name = name
        self.shape = (*shape,) or (1,)
        self.dtype = dtype
        self._stream, self._whole = stream, whole
        self._read = 0

    def __len__(self) -> int:
        """Return the number of rows."""
        return self.shape[0]

    def take(self, count: int) -> Array:
        """Return the next rows, at most `count` of them.

        Raises:
            DataError: The file ends before the array does.
        """
        count = min(count, len(self) - self._read)
        self._read += count
        if self._whole is not None:
            drop_pages((self._whole,))
            return np.atleast_1d(self._whole)[self._read - count : self._read]
        size = count * math.prod(self.shape[1:]) * self.dtype.itemsize
        with explained_damage(self.name):
            data = self._stream.read(size) if self._stream is not None else b""
        if len(data) < size:
            raise DataError(f"{self.name} ends in row {self._read - count + len(data) * count // size} of {len(self)}")
        return np.frombuffer(data, self.dtype).reshape(count, *self.shape[1:])


@contextmanager
def opened_arrays(source: str, names: Sequence[str]) -> Iterator[dict[str, ArrayRows]]:
    """Open the arrays of a file.

    Args:
        source: A `.npy` or `.npz` file, or `-` for standard input in the format of a `.npy` file.
        names: Names of arrays of an `.npz` file to open, as far as the file has them.

    Yields:
        The arrays by name; the array of a `.npy` file has the name `""`.

    Raises:
        DataError: The file is missing or is not an array file.
    """
    path = Path(source).expanduser()
    with ExitStack() as stack:
        if source == "-":
            yield {"": _streamed(sys.stdin.buffer, name="standard input")}
        elif path.suffix == ".npz":
            refuse_foreign(path, expected="an .npz file", reads_zip=True)
            file = NpzFile.open(path)
            if not file.headers:
                raise DataError(f"{path} contains no arrays")
            wanted = [name for name in names if name in file.headers] or [*file.headers][: len(file.headers) == 1]
            if not wanted:
                expected = "one called " + " or ".join(names)
                raise DataError(f"{path} has no array of features; it has {', '.join(file.headers)}", expected=expected)
            with explained_damage(str(path)):
                archive = stack.enter_context(zipfile.ZipFile(path))
                members = {name: stack.enter_context(archive.open(f"{name}.npy")) for name in wanted}
            yield {name: _streamed(member, name=file.named(name)) for name, member in members.items()}
        else:
            if path.suffix != ".npy":
                refuse_foreign(path, expected="a .npy or .npz file")
            yield {"": _mapped(path)}


@contextmanager
def explained_damage(name: str) -> Iterator[None]:
    """Turn any exception of a damaged file into an error of one line.

    Raises:
        DataError: The file is damaged or cannot be read.
    """
    try:
        yield
    except _DAMAGE as error:
        problem = getattr(error, "strerror", None) or str(error).strip().partition("\n")[0] or "it is damaged"
        raise DataError(f"{name} cannot be read: {problem}", expected="a .npy or .npz file of numbers") from error


def _mapped(path: Path) -> ArrayRows:
    if path.exists() and not path.is_file():  # opening a pipe would block until somebody writes to it
        raise DataError(f"{path} is not a regular file", expected="a .npy or .npz file")
    with explained_damage(str(path)):
        whole: Any = np.load(path, allow_pickle=False, mmap_mode="r")
        if not isinstance(whole, np.ndarray):
            whole.close()
            raise DataError(f"{path} contains several arrays", expected="a file name that ends in .npz")
    return ArrayRows(str(path), whole.shape, whole.dtype, whole=whole)


def _streamed(stream: IO[bytes], *, name: str) -> ArrayRows:
    with explained_damage(name):
        version = npy.read_magic(stream)
        read = npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0
        shape, fortran_order, dtype = read(stream)
        if dtype.hasobject:
            raise DataError(f"{name} contains Python objects", expected="numbers")
        if fortran_order and len(shape) > 1:  # the values of a row are spread over the whole stream
            data = stream.read(math.prod(shape) * dtype.itemsize)
            whole = np.frombuffer(data, dtype).reshape(shape, order="F")
            return ArrayRows(name, shape, dtype, whole=whole)
    return ArrayRows(name, shape, dtype, stream=stream)
