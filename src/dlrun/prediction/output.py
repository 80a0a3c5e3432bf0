"""Write predictions to a stream, or atomically to a file, which then exists completely or not at all."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, TextIO

import numpy as np
import numpy.typing as npt
from numpy.lib import format as npy

from dlrun.errors import UsageError
from dlrun.prediction.formats import FORMATS, WRITERS, Format, Writer
from dlrun.prediction.masks import MaskFolder
from dlrun.prediction.predict import Predictions
from dlrun.system.disk import disk, explained, staged_name
from dlrun.system.spreadsheet import is_formula


@dataclass(frozen=True)
class WrittenPredictions:
    """Summary of written predictions.

    Args:
        rows: Number of predictions.
        formula: First text in a CSV that a spreadsheet would evaluate as a formula; empty if there is none.
    """

    rows: int
    formula: str = ""


def choose_format(path: Path | None, wanted: str | None) -> Format:
    """Return the requested format, or else the format for the suffix of a file.

    Raises:
        UsageError: The format or the suffix is unknown, or Parquet is requested for standard output.
    """
    known = tuple(dict.fromkeys(FORMATS.values()))
    found = wanted or (FORMATS.get(path.suffix.lower()) if path is not None else "csv")
    for name in known:
        if found == name and (path is not None or name != "parquet"):
            return name
    if found == "parquet":
        raise UsageError("Parquet cannot be written to standard output", expected="--output FILE.parquet")
    if wanted is not None:
        raise UsageError(f"there is no format {wanted!r}", expected="one of " + ", ".join(known))
    raise UsageError(
        f"the suffix of {path} is not a known format", expected="one of " + ", ".join(FORMATS), hint="--format csv"
    )


def check_place(path: Path, *, sources: Sequence[str]) -> None:
    """Reject an output path that cannot be written, before any computation.

    Raises:
        UsageError: Its folder does not exist, it is not a regular file, or it is the input.
    """
    if not path.parent.is_dir():
        raise UsageError(f"there is no folder {path.parent} to write {path.name} to", hint=f"mkdir -p {path.parent}")
    if path.exists() and not path.is_file():
        raise UsageError(f"{path} is not a regular file", expected="the name of a file to write")
    for source in sources:
        if path.exists() and source != "-" and Path(source).exists() and path.samefile(source):
            raise UsageError(f"{path} is the input file", expected="another file to write to")


def write_predictions(
    predictions: Predictions,
    to: str | Path | TextIO,
    *,
    kind: str | None = None,
    reconstructions: str | Path | None = None,
    masks: str | Path | None = None,
) -> WrittenPredictions:
    """Write predictions while they are made.

    Args:
        predictions: What `predict` returned; its blocks can be read only once.
        to: File, which is created or replaced only when it is complete, or a text stream.
        kind: `csv`, `jsonl` or `parquet`; None for the suffix of the file, or `csv` for a stream.
        reconstructions: `.npy` file for the reconstructions of an autoencoder.
        masks: Folder for a PNG file with the mask of each image, which `predict` must have returned. It has the size of
            the image, and the pixel values of the masks of the training data.

    Returns:
        Summary of the written predictions.

    Raises:
        UsageError: The format or the suffix of the file is unknown, or a mask exists already.
        RunError: A file cannot be written; what was there before is unchanged.
        DataError: An example cannot be read.
    """
    to = Path(to) if isinstance(to, str) else to
    format_ = choose_format(to if isinstance(to, Path) else None, kind)
    reconstructions = Path(reconstructions) if reconstructions is not None else None
    folder = MaskFolder(Path(masks), predictions.mask_files) if masks is not None else None
    with contextlib.ExitStack() as stack:
        arrays = None
        if reconstructions is not None:
            arrays = _ArrayFile(stack.enter_context(new_file(reconstructions)), reconstructions)
        stream: Any = stack.enter_context(new_file(to, text=format_ != "parquet")) if isinstance(to, Path) else to
        with _explained(to):
            writer = WRITERS[format_](stream, predictions.columns)
        try:
            written = _write(predictions, writer, to, arrays, folder)
            with _explained(to):
                writer.close()
        except BaseException:
            with contextlib.suppress(OSError, ValueError):
                writer.close()  # otherwise garbage collection would close the writer after its file is gone
            raise
        if arrays is not None:
            arrays.close()
    return written


def _write(
    predictions: Predictions, writer: Writer, to: Path | TextIO, arrays: _ArrayFile | None, folder: MaskFolder | None
) -> WrittenPredictions:
    rows, formula = 0, ""
    texts = [index for index, column in enumerate(predictions.columns) if column.is_text]
    for block in predictions.blocks:
        with _explained(to):
            writer.write(block.cells)
        if arrays is not None and block.reconstructions is not None:
            arrays.write(block.reconstructions)
        if folder is not None:
            folder.write(block.masks)
        rows += len(block)
        formula = formula or next((cell for index in texts for cell in block.cells[index] if is_formula(cell)), "")
    return WrittenPredictions(rows, formula)


def _explained(to: Path | TextIO) -> contextlib.AbstractContextManager[None]:
    """Return a context that explains errors of a file. The command line handles those of standard output."""
    return explained(f"write {to}") if isinstance(to, Path) else contextlib.nullcontext()


class _ArrayFile:
    """A `.npy` file of float32 that is written in blocks. The number of rows is filled in at the end."""

    def __init__(self, file: IO[bytes], path: Path) -> None:
        self._file, self._path = file, path
        self._rows, self._shape = 0, ()  # type: int, tuple[int, ...]

    def write(self, rows: npt.NDArray[Any]) -> None:
        with explained(f"write {self._path}"):
            if not self._rows:
                self._shape = rows.shape[1:]
                self._write_header()
            self._file.write(np.ascontiguousarray(rows, "<f4").data)
            self._rows += len(rows)

    def close(self) -> None:
        with explained(f"write {self._path}"):
            self._file.seek(0)
            self._write_header()

    def _write_header(self) -> None:
        # NumPy pads the header so that the number of rows can grow, so the header keeps its length.
        header = {"descr": "<f4", "fortran_order": False, "shape": (self._rows, *self._shape)}
        npy.write_array_header_1_0(self._file, header)


@contextlib.contextmanager
def new_file(path: Path, *, text: bool = False) -> Iterator[IO[Any]]:
    """Open a temporary file that replaces `path` at the end of the `with` block.

    Raises:
        RunError: The file cannot be written. After this and any other error in the block, `path` is unchanged.
    """
    # The rename would otherwise replace a symbolic link instead of the file that it leads to.
    path = Path(os.path.realpath(path))
    staged = staged_name(path)
    file: IO[Any] | None = None
    try:
        with explained(f"write {path}"):
            handle = disk.open(staged, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW)
            file = os.fdopen(handle, "w", encoding="utf-8", newline="") if text else os.fdopen(handle, "wb")
        yield file
        # After a crash at any point, `path` is the old file or the complete new one:
        # 1. write the data to disk, 2. rename the file, 3. write the folder entry to disk.
        with explained(f"write {path}"):
            file.flush()
            disk.wait(file.fileno())
            file.close()
            disk.rename(staged, path)
            disk.sync_folder(path.parent)
    except BaseException:
        with contextlib.suppress(OSError):
            if file is not None:
                file.close()
        with contextlib.suppress(OSError):
            disk.unlink(staged)
        raise
