"""The base class of raw input from files that are examples."""

from __future__ import annotations

import abc
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Annotated, Any, Literal, Self

from pydantic import Field

from dlrun.data.files.data_file import FileFormat
from dlrun.data.files.header import Header
from dlrun.data.media_files.kind import MediaReader
from dlrun.data.media_files.listing import MediaList
from dlrun.data.media_files.reading import Columns, Masks, read_media
from dlrun.data.raw_input import Examples, RawInput
from dlrun.signature import Target


@dataclass(frozen=True, kw_only=True)
class MediaInput(RawInput, abc.ABC):
    """Files that are examples, in folders, by name, or in a list.

    Args:
        label_column: Column of labels in a CSV file.
        corrupt: How to handle files that cannot be read: `error`, or `skip`.
        header: Form of the first line of a CSV file.
        delimiter: Delimiter of a CSV file; None to detect it.
        encoding: Encoding of a CSV or JSON lines file; None to detect it.
        quoted: Whether values of a CSV file may be enclosed in double quotes.
        weight: Column of a list with the weights of files, which only an evaluation reads; None if all count once.
        keep: Columns of a CSV file to copy to the predictions; never saved.
    """

    label_column: str = "label"
    corrupt: Literal["error", "skip"] = "error"
    header: Header = field(default_factory=Header)
    delimiter: str | None = None
    encoding: str | None = None
    quoted: bool = True
    weight: str | None = None
    keep: Annotated[tuple[str, ...], Field(exclude=True)] = ()

    @property
    @abc.abstractmethod
    def column(self) -> str:
        """Column of paths in a list."""

    @property
    @abc.abstractmethod
    def reader(self) -> MediaReader:
        """The decoder of the files."""

    @property
    def reads_weights(self) -> bool:
        """Whether the run has a column of weights."""
        return self.weight is not None

    @property
    def mask_reader(self) -> MediaReader | None:
        """The decoder of masks, if each file has one that gives a class to each of its pixels."""
        return None

    @property
    def pairing_column(self) -> str:
        """Column of a list with the paths of the masks."""
        return ""

    def paired(self, files: MediaList) -> MediaList:
        """Return files with their masks, if they have any.

        Raises:
            DataError: A mask is missing.
        """
        return files

    def without_targets(self, files: MediaList) -> MediaList:
        """Return the files of a folder without those that are not examples, but the targets of others."""
        return files

    def name_predictions(self, files: MediaList, source: str | Sequence[str]) -> Sequence[str]:  # noqa: ARG002
        """Return the path of the file for the prediction of each file; empty if there will be no such files.

        Args:
            files: The files.
            source: What the user named.
        """
        return ()

    def read(self, source: str, *, at_once: int, target: Target | None = None) -> Iterator[Examples]:
        """Read a file, a folder of files at any depth, a glob, a CSV of paths, or one file from standard input.

        With `target`: class folders, or a CSV with a column of labels.
        """
        return self._read(source, at_once=at_once, target=target)

    def read_several(self, sources: Sequence[str], *, at_once: int, target: Target | None = None) -> Iterator[Examples]:
        """Read several sources as one list of files."""
        return self._read(sources, at_once=at_once, target=target)

    def read_as(self, dataset: Any) -> Self:
        """Return this input with the dataset's settings for corrupt files and for the first line of a list."""
        corrupt, header = getattr(dataset, "corrupt", self.corrupt), getattr(dataset, "first_line", self.header)
        return replace(self, corrupt=corrupt, header=header)

    def keeping(self, columns: Sequence[str]) -> Self:
        """Return this input with other columns of the CSV to keep."""
        return replace(self, keep=tuple(columns))

    def _read(self, source: str | Sequence[str], *, at_once: int, target: Target | None) -> Iterator[Examples]:
        file_format = FileFormat(self.delimiter, self.encoding, self.quoted, self.header)
        masks = None
        if self.mask_reader is not None and target is not None and target.kind == "mask":
            masks = Masks(self.pairing_column, self.mask_reader, self.paired)
        columns = Columns(
            self.column,
            self.label_column,
            file_format,
            self.keep,
            self.weight,
            masks,
            lambda files: self.name_predictions(files, source),
            self.without_targets,
        )
        skip = self.corrupt == "skip"
        return read_media(source, self.reader, at_once=at_once, target=target, columns=columns, skip=skip)
