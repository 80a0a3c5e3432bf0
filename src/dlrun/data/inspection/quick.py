"""The checks that take well under a second and whose findings make scores mislead: what a training tells unasked."""

from __future__ import annotations

from collections.abc import Iterator

from dlrun.data.dataset import Dataset, Source
from dlrun.data.inspection.duplicates import check_duplicates
from dlrun.data.inspection.finding import Finding
from dlrun.data.inspection.giveaway import GIVEAWAY, check_giveaway
from dlrun.data.inspection.inspected import Inspected, distinct_splits
from dlrun.data.series.input import SeriesInput

_MOST_VALUES, _FEWEST_ROWS, _MOST_ROWS = 2_000_000, 1_000, 20_000
_MOST_HASHED, _MOST_HASHED_BYTES = 60_000, 1 << 26


def quick_warnings(source: Source, dataset: Dataset) -> Iterator[str]:
    """Yield what is wrong with data that a training is about to use, each with the key that mends it.

    Args:
        source: What the spec says of it.
        dataset: The same, loaded.
    """
    inspected = Inspected(source, dataset)
    for finding in _findings(inspected):
        # Short texts and rows repeat by chance, so a few duplicates are left to `dlrun data check`.
        told = ("warning", "failure") if finding.check == GIVEAWAY else ("failure",)
        if finding.status in told:
            yield f"{finding.said}; {finding.advice} (dlrun data check tells more)"


def _findings(inspected: Inspected) -> Iterator[Finding]:
    dataset = inspected.dataset
    width = max(1, dataset.splits["train"].features[:1].size)
    rows = min(_MOST_ROWS, _MOST_VALUES // width)
    if rows >= _FEWEST_ROWS:
        yield from check_giveaway(inspected, most=rows)
    splits = distinct_splits(inspected).values()
    is_small = sum(split.features.nbytes for split in splits) <= _MOST_HASHED_BYTES
    # The windows of a series overlap, and are held out by time.
    if is_small and sum(map(len, splits)) <= _MOST_HASHED and not isinstance(dataset.raw_input(), SeriesInput):
        yield from check_duplicates(inspected)
