"""Load a dataset together with facts about its files: missing values, columns left out, and corrupt files."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping
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
from dlrun.data.images.lenient import LenientImages, MaskFiles
from dlrun.data.images.source import Images
from dlrun.data.media.source import MediaSource
from dlrun.data.media_files.listing import shown
from dlrun.data.series.order import Times, describe_order, detect_time, read_times
from dlrun.data.series.source import Series
from dlrun.data.splits import Split
from dlrun.data.table.source import Table
from dlrun.data.target_transform import transform_target

Array = npt.NDArray[Any]
_SAMPLE_VALUES = 20_000_000
MOST_SAMPLED = 20_000
"""Maximum number of examples in a sample, used if all would take long."""


@dataclass(frozen=True)
class FileColumns:
    """The columns of the training file of a table or series.

    Args:
        surveys: Surveys by column.
        left_out: Reasons why columns are not features, by column.
        lengths: Numbers of words of texts, by text column.
    """

    surveys: Mapping[str, ColumnSurvey]
    left_out: Mapping[str, str]
    lengths: Mapping[str, TextLengths] = field(default_factory=dict)

    def missing(self, name: str) -> float | None:
        """Return the fraction of rows without a value; None for an unknown column."""
        survey = self.surveys.get(name)
        return survey.missing / survey.rows if survey is not None and survey.rows else None

    def distinct(self, name: str) -> int | None:
        """Return the number of distinct values; None if they are too many to count."""
        survey = self.surveys.get(name)
        return None if survey is None or survey.is_many else len(survey.counts)


@dataclass(frozen=True)
class SeriesRows:
    """The times of the rows of a series.

    Args:
        times: The time columns of the spec, or the detected ones, with their values.
        problem: A problem of their order; empty if there is none.
    """

    times: Times
    problem: str = ""


@dataclass(frozen=True)
class MediaFiles:
    """The headers of files that are examples, such as images and recordings.

    Args:
        rows: Headers of the readable files, with fields that depend on the kind of files.
        corrupt: Reasons why files cannot be read, by name.
    """

    rows: npt.NDArray[np.void]
    corrupt: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Inspected:
    """A loaded dataset with facts about its files.

    Args:
        source: The dataset of the spec.
        dataset: The loaded dataset.
        columns: Facts about the columns of a table or series.
        files: Facts about files that are examples.
        series: Times of a series, if they are known.
        masks: What is wrong with the masks of images, if they have any.
    """

    source: Source
    dataset: Dataset
    columns: FileColumns | None = None
    files: MediaFiles | None = None
    series: SeriesRows | None = None
    masks: MaskFiles | None = None


def distinct_splits(inspected: Inspected) -> Mapping[str, Split]:
    """Return each split once. With `validation: test`, one split has two names, and is checked only once."""
    splits, validation = inspected.dataset.splits, inspected.source.validation
    is_doubled = isinstance(validation, str) and validation in splits
    return {name: split for name, split in splits.items() if not (is_doubled and name == "validation")}


def inspect_source(source: Source) -> Inspected:
    """Load a dataset without its unreadable files, and inspect its files.

    Raises:
        DataError: The dataset cannot be loaded.
    """
    if isinstance(source, Images) and source.has_masks:
        lenient = LenientImages.of(source)
        dataset = lenient.load()
        masks = lenient.mask_files(dataset)
        return Inspected(source, dataset, files=_media_files(lenient, dataset, masks.left_out), masks=masks)
    if isinstance(source, MediaSource):
        # A corrupt file must not end the check here: `check_corrupt` reports it, with all others.
        dataset = transform_target(source.model_copy(update={"corrupt": "skip"}).load(), source.target_transform)
        return Inspected(source, dataset, files=_media_files(source, dataset))
    dataset = transform_target(source.load(), source.target_transform)
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


def _media_files(source: MediaSource, dataset: Dataset, left_out: Collection[str] = ()) -> MediaFiles:
    rows = []
    corrupt: dict[str, str] = {}
    # Counted, because several splits may contain a file of the same name.
    read = Counter(name for split in dataset.splits.values() if split.origins is not None for name in split.origins)
    for files in source.lists().values():
        scanned = source.kind.scan(files.paths())
        for place, name in enumerate(map(shown, files.names)):
            full = str(Path(files.folder.name) / name)
            if place in scanned.unreadable:
                corrupt[full] = scanned.unreadable[place]
            elif read[name]:
                read[name] -= 1
            elif full not in left_out:  # its header is valid, but its content is not
                corrupt[full] = "it cannot be decoded"
        rows.append(scanned.readable())
    return MediaFiles(np.concatenate(rows), corrupt)


def sampled_places(array: Array, *, most: int = MOST_SAMPLED) -> npt.NDArray[np.int64]:
    """Return the indices of an evenly spaced sample: all of few examples, and fewer if examples are large."""
    size = max(1, int(np.prod(array.shape[1:])))
    count = min(len(array), most, max(100, _SAMPLE_VALUES // size))
    return np.unique(np.linspace(0, len(array) - 1, count).astype(np.int64)) if len(array) else np.zeros(0, np.int64)


def sampled(array: Array, *, most: int = MOST_SAMPLED) -> Array:
    """Return the examples at `sampled_places`."""
    return np.asarray(array[sampled_places(array, most=most)])
