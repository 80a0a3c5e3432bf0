"""A source in, its dataset out with what its files say besides: missing values, columns left out, corrupt images."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from dlrun.data.columns import (
    ColumnSurvey,
    TableFiles,
    TextLengths,
    count_lengths,
    plan_columns,
    survey_columns,
)
from dlrun.data.dataset import Dataset, Source
from dlrun.data.image_files.headers import scan
from dlrun.data.image_files.listing import shown
from dlrun.data.images.source import Images
from dlrun.data.mapped import drop_pages
from dlrun.data.series.order import Times, describe_order, detect_time, read_times
from dlrun.data.series.source import Series
from dlrun.data.splits import Split
from dlrun.data.table.source import Table

Array = npt.NDArray[Any]
_BLOCK_BYTES = 1 << 24
_SAMPLE_VALUES = 20_000_000
MOST_SAMPLED = 20_000
"""Examples that are looked at where looking at all would take long."""


@dataclass(frozen=True)
class FileColumns:
    """What the training file of a table or a series says of its columns.

    Args:
        surveys: What was counted, by name.
        left_out: Why a column is no feature, by name.
        lengths: How many words the texts of a column of text have, by name.
    """

    surveys: Mapping[str, ColumnSurvey]
    left_out: Mapping[str, str]
    lengths: Mapping[str, TextLengths] = field(default_factory=dict)

    def missing(self, name: str) -> float | None:
        """Part of the rows without a value."""
        survey = self.surveys.get(name)
        return survey.missing / survey.rows if survey is not None and survey.rows else None

    def distinct(self, name: str) -> int | None:
        """Number of different values; None if they are too many to be counted."""
        survey = self.surveys.get(name)
        return None if survey is None or survey.is_many else len(survey.counts)


@dataclass(frozen=True)
class SeriesRows:
    """What is known of the time of a series' rows.

    Args:
        times: The columns that tell it, by the spec or by their looks, and their values.
        said: What is wrong with their order; empty: nothing.
    """

    times: Times
    said: str = ""


@dataclass(frozen=True)
class ImageFiles:
    """What the headers of image files say.

    Args:
        height: Of each file that can be read.
        width: The same.
        corrupt: Why files cannot be read, by name.
    """

    height: npt.NDArray[np.int32]
    width: npt.NDArray[np.int32]
    corrupt: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Inspected:
    """A dataset to look at.

    Args:
        source: What it was loaded from.
        dataset: The splits.
        columns: Of a table or a series.
        images: Of image files.
        series: Of a series whose time is told.
    """

    source: Source
    dataset: Dataset
    columns: FileColumns | None = None
    images: ImageFiles | None = None
    series: SeriesRows | None = None


def distinct_splits(inspected: Inspected) -> Mapping[str, Split]:
    """The splits, each once: with `validation: test` there is one under two names, and nothing is said twice."""
    splits, validation = inspected.dataset.splits, inspected.source.validation
    is_doubled = isinstance(validation, str) and validation in splits
    return {name: split for name, split in splits.items() if not (is_doubled and name == "validation")}


def inspect_source(source: Source) -> Inspected:
    """Load a dataset, without the image files that cannot be read, and look at its files.

    Raises:
        DataError: It cannot be loaded at all.
    """
    if isinstance(source, Images):
        dataset = source.model_copy(update={"corrupt": "skip"}).load()
        return Inspected(source, dataset, images=_image_files(source, dataset))
    dataset = source.load()
    if not isinstance(source, Table | Series):
        return Inspected(source, dataset)
    table = source.open_table(source.path)
    columns = _file_columns(source, table)
    series = _series_rows(source, table, columns) if isinstance(source, Series) else None
    return Inspected(source, dataset, columns=columns, series=series)


def _series_rows(source: Series, table: TableFiles, columns: FileColumns) -> SeriesRows | None:
    if source.times:
        return SeriesRows(read_times(table, source.times, missing=source.missing_texts))
    times = detect_time(table, columns.surveys, missing=source.missing_texts)
    return None if times is None else SeriesRows(times, describe_order(table, times))


def _file_columns(source: Table | Series, table: TableFiles) -> FileColumns:
    names = [name for name in table.names if name not in table.unreadable]
    surveys = survey_columns(table, names, missing=source.missing_texts)
    targets = source.targets if isinstance(source, Table) else ()
    plan = plan_columns(table, surveys, source, without=targets)
    texts = [column.name for column in plan.columns if column.kind == "text"]
    return FileColumns(surveys, plan.ignored, count_lengths(table, texts, source.missing_texts))


def _image_files(source: Images, dataset: Dataset) -> ImageFiles:
    height, width = [], []
    corrupt: dict[str, str] = {}
    read = Counter(name for split in dataset.splits.values() if split.origins is not None for name in split.origins)
    for images in source.lists().values():
        scanned = scan(images.paths())
        for place, name in enumerate(map(shown, images.names)):
            if place in scanned.unreadable:
                corrupt[str(Path(images.folder.name) / name)] = scanned.unreadable[place]
            elif read[name]:
                read[name] -= 1
            else:  # its header is whole and its pixels are not
                corrupt[str(Path(images.folder.name) / name)] = "its pixels cannot be decoded"
        height.append(scanned.readable()["height"])
        width.append(scanned.readable()["width"])
    return ImageFiles(np.concatenate(height), np.concatenate(width), corrupt)


def blocks(array: Array) -> Iterator[Array]:
    """All examples, some at a time; pages of files that were read are given back."""
    rows = max(1, _BLOCK_BYTES // max(1, array[:1].nbytes))
    for start in range(0, len(array), rows):
        yield np.ascontiguousarray(array[start : start + rows])
        drop_pages((array,))


def sampled_places(array: Array, *, most: int = MOST_SAMPLED) -> npt.NDArray[np.int64]:
    """The places of a sample, evenly spread: everything of an array with few examples, and few of large ones."""
    size = max(1, int(np.prod(array.shape[1:])))
    count = min(len(array), most, max(100, _SAMPLE_VALUES // size))
    return np.unique(np.linspace(0, len(array) - 1, count).astype(np.int64)) if len(array) else np.zeros(0, np.int64)


def sampled(array: Array, *, most: int = MOST_SAMPLED) -> Array:
    """The examples at `sampled_places`."""
    return np.asarray(array[sampled_places(array, most=most)])
