"""The top of a report: the verdict, and the scores of the main split next to naive scores and other splits."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence

from dlrun.report.content import Content
from dlrun.report.findings import Findings, Score
from dlrun.report.markup import Markup, number, table, tag
from dlrun.report.verdict import verdicts
from dlrun.runs.compare.baseline import main_split, naive_method
from dlrun.runs.compare.length import longer_command, read_length
from dlrun.runs.record import RunRecord

_TITLES = {
    "test": "Result on the test split",
    "validation": "Scores on the validation split",
    "train": "Scores on the training split: no data was held out",
}
_ARROWS = {"max": "higher is better", "min": "lower is better"}
_MARKS = {"good": "✓", "bad": "✗", "open": "–"}  # noqa: RUF001  a dash is intended
_ROLES = {"validation": "validation (chose the epoch)", "train": "training"}
_NAIVE_PREFIX = "naive: "


def headline(content: Content, findings: Mapping[str, Findings]) -> Iterator[Markup]:
    """Yield the top of a report.

    Args:
        content: Content of the report.
        findings: Results from the stored predictions, by split.
    """
    record, split = content.record, main_split(content.record)
    found = findings.get(split)
    intervals = found.scores if found is not None else ()
    found_verdicts = verdicts(
        record,
        intervals=intervals,
        directions=content.directions,
        longer=_longer(content),
        breakdown=found.breakdown if found is not None else None,
    )
    for verdict in found_verdicts:
        mark = tag("span", _MARKS[verdict.mood], class_="mark")
        command = tag("code", verdict.command) if verdict.command else Markup()
        yield tag("p", mark, " ", verdict.text, command, class_=f"verdict {verdict.mood}")
    if not split:
        return
    yield tag("h2", _TITLES[split])
    boxes = (_box(name, value, content.directions.get(name, "")) for name, value in record.result[split].items())
    yield tag("div", *boxes, class_="scores")
    rows = list(_rows(record, split, intervals))
    header = _header(content, split)
    # The first two columns only repeat the boxes above.
    if any(cell for row in rows for cell in row[2:]):
        filled = [place for place in range(len(header)) if place < 2 or any(row[place] for row in rows)]
        cells = [[row[place] for place in filled] for row in rows]
        yield table([header[place] for place in filled], cells, is_stacked=True)
    if found is not None and found.scores:
        sample = f", a sample of {found.examples:,}" if found.count < found.examples else ""
        yield tag("p", f"95 % bootstrap intervals from {found.count:,} examples{sample}.", class_="soft")


def _longer(content: Content) -> str:
    length, folder = read_length(content.folder), content.folder
    if length is None or content.record.status != "completed":
        return ""
    resume, anew = f"dlrun resume {folder.id}", f"dlrun train {folder.spec_yaml}"
    return longer_command(content.record, content.rows, length, resume=resume, anew=anew)


def _box(name: str, value: float | None, direction: str) -> Markup:
    arrow = {"max": " ↑", "min": " ↓"}.get(direction, "")
    title = {"title": _ARROWS[direction]} if direction in _ARROWS else {}
    return tag("div", tag("b", number(value)), tag("span", name + arrow, **title), class_="score")


def _header(content: Content, split: str) -> list[str]:
    others = [other for other in content.record.result if other != split]
    return [
        "score",
        split,
        "95 % interval",
        naive_method(content.record),
        *(_ROLES.get(each, each) for each in others),
    ]


def _rows(record: RunRecord, split: str, intervals: Sequence[Score]) -> Iterator[list[str]]:
    """Yield a row for each score of the spec, with its interval if known, and for each other score with an interval."""
    others = [record.result[other] for other in record.result if other != split]
    naive = record.naive.get(split, {})
    left = {score.name: score for score in intervals}
    for name, value in record.result[split].items():
        own = next((score for score in left.values() if _is_same(score, value, name)), None)
        if own is not None:
            left.pop(own.name)
            # This row has the naive score of the run already.
            left.pop(_NAIVE_PREFIX + own.name, None)
        yield [
            name,
            number(value),
            _interval(own),
            number(naive[name]) if name in naive else "",
            *(number(scores.get(name)) for scores in others),
        ]
    for name, score in left.items():
        if not name.startswith(_NAIVE_PREFIX):
            base = left.get(_NAIVE_PREFIX + name)
            yield [
                name,
                number(score.value),
                _interval(score),
                number(base.value) if base else "",
                *("" for _ in others),
            ]


def _is_same(score: Score, value: float | None, name: str) -> bool:
    """Return whether a score of the stored predictions is a score of the spec under another name."""
    if value is None or name == "loss" or score.name.startswith(_NAIVE_PREFIX):
        return False
    # The run computed its score in float32 batches, so the two agree only in the first digits.
    return math.isclose(score.value, value, rel_tol=1e-4)


def _interval(score: Score | None) -> str:
    return f"{number(score.low)} to {number(score.high)}" if score is not None else ""
