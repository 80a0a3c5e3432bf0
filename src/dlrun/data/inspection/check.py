"""Run all checks of a dataset for a report, or the quick checks before a training."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from dlrun.data.dataset import Dataset, Source
from dlrun.data.inspection.column_checks import check_constant, check_ids, check_missing
from dlrun.data.inspection.duplicates import check_duplicates
from dlrun.data.inspection.finding import Finding
from dlrun.data.inspection.giveaway import GIVEAWAY, check_giveaway
from dlrun.data.inspection.inspected import Inspected, distinct_splits
from dlrun.data.inspection.label_checks import (
    check_few_examples,
    check_imbalance,
    check_missing_classes,
    check_target_scale,
)
from dlrun.data.inspection.media.audio_checks import check_clipping, check_durations, check_rates, check_silence
from dlrun.data.inspection.media.mask_checks import check_mask_classes, check_mask_files, check_pixel_imbalance
from dlrun.data.inspection.media.media_checks import check_blank, check_corrupt, check_sizes
from dlrun.data.inspection.series_checks import check_gaps, check_repeated_times, check_time_order
from dlrun.data.inspection.text_checks import check_text_columns, check_texts
from dlrun.data.inspection.value_checks import check_drift, check_far_off, check_nan, check_range
from dlrun.data.series.input import SeriesInput

_MOST_VALUES, _FEWEST_ROWS, _MOST_ROWS = 2_000_000, 1_000, 20_000
_MOST_HASHED, _MOST_HASHED_BYTES = 60_000, 1 << 26


def check_reading(inspected: Inspected) -> Iterator[Finding]:
    """Yield the warnings of loading the files."""
    for warning in inspected.dataset.warnings:
        found, _, advice = warning.partition(": ")
        yield Finding("warning", "reading", found, "nothing ambiguous", advice)


CHECKS: tuple[Callable[[Inspected], Iterator[Finding]], ...] = (
    check_reading, check_corrupt, check_mask_files, check_time_order, check_gaps, check_repeated_times,
    check_duplicates, check_giveaway, check_few_examples, check_missing_classes, check_imbalance, check_target_scale,
    check_missing, check_constant, check_ids, check_nan, check_range, check_far_off, check_drift, check_texts,
    check_text_columns, check_sizes, check_blank, check_mask_classes, check_pixel_imbalance, check_rates,
    check_durations, check_silence, check_clipping,
)  # fmt: skip
"""The checks in the order of the report. A check yields no finding if it does not apply."""


def find_all(inspected: Inspected) -> tuple[Finding, ...]:
    """Return the findings of all checks."""
    return tuple(finding for check in CHECKS for finding in check(inspected))


def quick_warnings(source: Source, dataset: Dataset) -> Iterator[str]:
    """Yield the serious problems of the data of a training, each with the key that solves it.

    Args:
        source: The dataset of the spec.
        dataset: The loaded dataset.
    """
    inspected = Inspected(source, dataset)
    for finding in _findings(inspected):
        # Short texts and rows repeat by chance, so a few duplicates are left to `dlrun data check`.
        reported = ("warning", "failure") if finding.check == GIVEAWAY else ("failure",)
        if finding.status in reported:
            yield f"{finding.said}; {finding.advice} (dlrun data check shows more)"


def _findings(inspected: Inspected) -> Iterator[Finding]:
    dataset = inspected.dataset
    width = max(1, dataset.splits["train"].features[:1].size)
    rows = min(_MOST_ROWS, _MOST_VALUES // width)
    if rows >= _FEWEST_ROWS:
        yield from check_giveaway(inspected, most=rows)
    splits = distinct_splits(inspected).values()
    is_small = sum(split.features.nbytes for split in splits) <= _MOST_HASHED_BYTES
    # Windows of a series overlap, so they are not checked for duplicates. Their splits are separated by time.
    if is_small and sum(map(len, splits)) <= _MOST_HASHED and not isinstance(dataset.raw_input(), SeriesInput):
        yield from check_duplicates(inspected)
