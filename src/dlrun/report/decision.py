"""The decision of a classifier in a report: what was chosen, why, and the scores before and after it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

from dlrun.report.markup import Markup, facts, number, table, tag
from dlrun.runs.record import RunRecord

_TITLES: dict[Literal["before", "after"], str] = {"before": "as trained, at 0.5", "after": "with the decision"}


def decision_section(record: RunRecord) -> Iterator[Markup]:
    """Yield the markup of the decision of a run; nothing if it has none."""
    decision = record.decision
    if decision is None or not decision.wanted:
        return
    yield facts(
        (
            ("decision", decision.summary),
            *decision.reasons.items(),
            ("chosen", f"{decision.finished[:16].replace('T', ' ')}, for {decision.checkpoint}"),
        )
    )
    scores = {name: None for both in decision.scores.values() for each in both.values() for name in each}
    header = ["split", "", *(name.replace("_", " ") for name in scores)]
    rows = [
        [split, title, *(number(both.get(when, {}).get(name)) for name in scores)]
        for split, both in decision.scores.items()
        for when, title in _TITLES.items()
    ]
    if rows:
        yield table(header, rows)
    yield tag(
        "p",
        "It was chosen on the validation split alone. Loss and metrics elsewhere in this report are those of the "
        "training, before the decision; predicted classes, confusion matrix and the scores of each class follow it.",
        class_="soft",
    )
