"""Everything that is checked about a dataset, in the order in which it is told."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from dlrun.data.inspection.column_checks import check_constant, check_ids, check_missing
from dlrun.data.inspection.duplicates import check_duplicates
from dlrun.data.inspection.finding import Finding
from dlrun.data.inspection.giveaway import check_giveaway
from dlrun.data.inspection.image_checks import check_blank, check_corrupt, check_sizes
from dlrun.data.inspection.inspected import Inspected
from dlrun.data.inspection.label_checks import (
    check_few_examples,
    check_imbalance,
    check_missing_classes,
    check_target_scale,
)
from dlrun.data.inspection.reading_check import check_reading
from dlrun.data.inspection.series_checks import check_gaps, check_repeated_times, check_time_order
from dlrun.data.inspection.text_checks import check_text_columns, check_texts
from dlrun.data.inspection.value_checks import check_drift, check_far_off, check_nan, check_range

CHECKS: tuple[Callable[[Inspected], Iterator[Finding]], ...] = (
    check_reading, check_corrupt, check_time_order, check_gaps, check_repeated_times, check_duplicates, check_giveaway,
    check_few_examples, check_missing_classes, check_imbalance, check_target_scale, check_missing, check_constant,
    check_ids, check_nan, check_range, check_far_off, check_drift, check_texts, check_text_columns, check_sizes,
    check_blank,
)  # fmt: skip
"""Each gives a finding or more, or none where it does not apply."""


def find_all(inspected: Inspected) -> tuple[Finding, ...]:
    """The findings of every check."""
    return tuple(finding for check in CHECKS for finding in check(inspected))
