"""Arrays out of a `.npy` or `.npz` file, or from standard input, some rows at a time, in memory that does not grow."""

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
        name: What to call it in a message.
        shape: Its shape.
        dtype: Its dtype.
        stream: Where its values come from, in the order of rows; None if `whole` has them.
        whole: The array, where the file has it in memory's order or another.
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
        """Number of rows."""
        return self.shape[0]

    def take(self, count: int) -> Array:
        """The next rows, at most `count` of them.

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
        source: A `.npy` or `.npz` file, or `-` for standard input, which is as a `.npy` file.
        names: The arrays wanted from an `.npz` file: those of them that it has are opened.

    Yields:
        The arrays by name; that of a `.npy` file is called `""`.

    Raises:
        DataError: It is missing, or is of another kind.
    """
    path = Path(source).expanduser()
    with ExitStack() as stack:
        if source == "-":
            yield {"": _streamed(sys.stdin.buffer, name="standard input")}
        elif path.suffix == ".npz":
            refuse_foreign(path, expected="an .npz file", reads_zip=True)
            file = NpzFile.open(path)
            if not file.headers:
                raise DataError(f"{path} has no arrays in it")
            wanted = [name for name in names if name in file.headers] or [*file.headers][: len(file.headers) == 1]
            if not wanted:
                expected = "one called " + " or ".join(names)
                raise DataError(f"{path} has no array of features: {', '.join(file.headers)}", expected=expected)
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
    """Turn what a damaged file raises into an error of one line.

    Raises:
        DataError: For all of it.
    """
    try:
        yield
    except _DAMAGE as error:
        said = getattr(error, "strerror", None) or str(error).strip().partition("\n")[0] or "it is damaged"
        raise DataError(f"{name} cannot be read: {said}", expected="a .npy or .npz file of numbers") from error


def _mapped(path: Path) -> ArrayRows:
    if path.exists() and not path.is_file():  # a pipe would keep its reader waiting
        raise DataError(f"{path} is not a regular file", expected="a .npy or .npz file")
    with explained_damage(str(path)):
        whole: Any = np.load(path, allow_pickle=False, mmap_mode="r")
        if not isinstance(whole, np.ndarray):
            whole.close()
            raise DataError(f"{path} holds several arrays", expected="a name that ends in .npz")
    return ArrayRows(str(path), whole.shape, whole.dtype, whole=whole)


def _streamed(stream: IO[bytes], *, name: str) -> ArrayRows:
    with explained_damage(name):
        version = npy.read_magic(stream)
        read = npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0
        shape, fortran_order, dtype = read(stream)
        if dtype.hasobject:
            raise DataError(f"{name} holds Python objects", expected="numbers")
        if fortran_order and len(shape) > 1:  # its rows are scattered over all of it
            data = stream.read(math.prod(shape) * dtype.itemsize)
            whole = np.frombuffer(data, dtype).reshape(shape, order="F")
            return ArrayRows(name, shape, dtype, whole=whole)
    return ArrayRows(name, shape, dtype, stream=stream)
