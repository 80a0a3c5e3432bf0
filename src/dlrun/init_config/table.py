"""A table's rows in; a draft of a config that predicts one of its columns from the others out."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from dlrun.data.columns import ColumnSurvey, Plan, TableFiles, count_lengths, plan_columns, survey_columns
from dlrun.data.columns.numbers import LARGEST
from dlrun.data.columns.planned import is_mostly_dates, is_mostly_numbers, layout_of, notation_of
from dlrun.data.columns.texts import MISSING_VALUES, missing_numbers
from dlrun.data.files.data_file import FileFormat
from dlrun.data.table.source import Table
from dlrun.errors import DataError
from dlrun.init_config.draft import ConfigDraft, Key, Remark, Section, Sizes, Wishes
from dlrun.init_config.first_line import FirstLine
from dlrun.init_config.target import ChosenTarget, check_column, choose_target

_ODD_TEXTS = 5
_IMBALANCE = 10
_ROWS_WHOSE_WORDS_ARE_COUNTED = 100_000
_PART, _LONGEST_TEXT = 0.95, 500
_NETWORKS = (
    (1_000, [32], 0.1),
    (10_000, [64, 32], 0.2),
    (200_000, [128, 64], 0.2),
    (float("inf"), [256, 128, 64], 0.2),
)


@dataclass(frozen=True)
class LookedAt:
    """A table after one pass over its rows.

    Args:
        table: The rows.
        surveys: What was counted of each column.
        odd: Texts in columns of numbers that are read as missing.
        ignored: Columns that cannot be read, and why.
        header: What the first line is.
    """

    table: TableFiles
    surveys: Mapping[str, ColumnSurvey]
    odd: tuple[str, ...] = ()
    ignored: Mapping[str, str] | None = None
    header: FirstLine = field(default_factory=FirstLine)

    @property
    def rows(self) -> int:
        """How many there are."""
        return next(iter(self.surveys.values())).rows

    @property
    def keys(self) -> dict[str, Any]:
        """What the dataset has to be told so that every column can be read."""
        keys: dict[str, Any] = self.header.keys
        if self.odd:
            keys["also_missing"] = self.odd
        if self.ignored:
            keys["ignore"] = tuple(self.ignored)
        return keys

    def lines(self) -> Iterator[Key]:
        """The same as keys of the section."""
        yield from self.header.lines()
        if self.odd:
            yield Key("also_missing", list(self.odd), "texts among numbers are read as missing")
        if self.ignored:
            why = "; ".join(self.ignored.values())
            yield Key("ignore", list(self.ignored), why)


def look_at(path: str) -> LookedAt:
    """Count what the columns of a table are like.

    Raises:
        DataError: It cannot be read, or has no rows.
    """
    header = FirstLine.of(path)
    table = TableFiles.open(path, FileFormat(header=header.header))
    names = [name for name in table.names if name not in table.unreadable]
    surveys = survey_columns(table, names, missing=MISSING_VALUES)
    if not surveys or not next(iter(surveys.values())).rows:
        raise DataError(f"{table.label} has no rows", expected="rows under the line of names")
    odd: list[str] = []
    ignored = {}
    for survey in surveys.values():
        if layout_of(survey) is None and survey.known and is_mostly_dates(survey):
            ignored[survey.name] = f"{survey.name}: dates among which other things stand"
        elif notation_of(table, survey) is None and survey.known and is_mostly_numbers(survey):
            found = _no_numbers(survey)
            if 0 < len(found) <= _ODD_TEXTS and _can_be_said(found, survey):
                odd += [text for text in found if text not in odd]
            else:
                ignored[survey.name] = f"{survey.name}: numbers among which other things stand"
    if odd:
        surveys = survey_columns(table, names, missing=(*MISSING_VALUES, *odd))
    return LookedAt(table, surveys, tuple(odd), ignored, header)


def draft_table(path: str, wishes: Wishes) -> ConfigDraft:
    """Draft a config of the dataset type `table`.

    Raises:
        DataError: The table cannot be read, or has nothing to learn from.
        UsageError: No column can be predicted, or `wishes.target` is none.
    """
    looked = look_at(path)
    if wishes.target:
        check_column(wishes.target, looked.table.names, looked.table.label)
        wanted = (wishes.target, *wishes.more_targets)
        ignored = {name: why for name, why in (looked.ignored or {}).items() if name not in wanted}
        looked = replace(looked, ignored=ignored)
    source = Table(path=path, **looked.keys)
    target = choose_target(looked.table, looked.surveys, source, wish=wishes.target, more=wishes.more_targets)
    plan = plan_columns(looked.table, looked.surveys, source, without=target.names)
    sizes = Sizes(looked.rows)
    loss, metrics = _loss(looked.surveys[target.name], target)
    named, are = ", ".join(map(repr, target.names)), "is" if len(target.names) == 1 else "are"
    said = f"{target.why} (--target for another)" if not wishes.target else target.why
    return ConfigDraft(
        f"The table {path}: {looked.rows:,} rows; {named} {are} predicted from {_counted(len(plan.columns))}.",
        tuple(_dataset(path, looked, target, plan, sizes)),
        _network(looked.rows),
        loss,
        metrics,
        (*sizes.training, *_class_weight(looked.surveys[target.name], target)),
        (
            *looked.header.told(),
            f"target: {', '.join(target.names)}, {said}",
            target.plan.note,
            *_missing_told(looked, target),
        ),
    )


def describe_columns(plan: Plan) -> Iterator[Remark]:
    """What each column is read as, and what is left out, as comments."""
    for kind in ("numeric", "categorical", "date", "text"):
        names = [column.name for column in plan.columns if column.kind == kind]
        if names:
            yield Remark(f"{kind}: {', '.join(names)}")
    yield from (Remark(column.remark) for column in plan.columns if column.remark)
    for name, why in plan.ignored.items():
        yield Remark(f"left out: {name}, as {why}")
    yield Remark("To change that: numeric, categorical, date, text or ignore, each a list of columns.")


def _dataset(path: str, looked: LookedAt, target: ChosenTarget, plan: Plan, sizes: Sizes) -> Iterator[Key | Remark]:
    yield Key("type", "table")
    yield Key("path", path)
    yield Key("target", target.name if len(target.names) == 1 else list(target.names), f"chosen {target.why}")
    yield Remark(target.plan.note)
    if any(looked.surveys[name].missing for name in target.names):
        yield Key("missing_target", "drop", "rows without a target are left out")
    yield from looked.lines()
    yield from describe_columns(plan)
    yield from _text_length(looked, plan)
    yield from sizes.held_out


def _text_length(looked: LookedAt, plan: Plan) -> Iterator[Key]:
    """How many words are read, where there are columns of text: as many as most rows have."""
    names = [column.name for column in plan.columns if column.kind == "text"]
    missing = (*MISSING_VALUES, *looked.odd)
    lengths = count_lengths(looked.table, names, missing, most=_ROWS_WHOSE_WORDS_ARE_COUNTED)
    if not lengths:
        return
    found = max(1, *(each.length_of(_PART) for each in lengths.values()))
    longest = max(each.longest for each in lengths.values())
    said = "as 95 of 100 have no more" if found <= _LONGEST_TEXT else f"where 95 of 100 have up to {found:,}"
    yield Key(
        "text_length", min(found, _LONGEST_TEXT), f"words of a text that are read, {said}; the longest: {longest:,}"
    )


def _network(rows: int) -> Section:
    units, dropout = next((units, dropout) for most, units, dropout in _NETWORKS if rows < most)
    return (Key("type", "mlp"), Key("units", units, "width of each hidden layer"), Key("dropout", dropout))


def _counted(columns: int) -> str:
    return "1 column" if columns == 1 else f"{columns:,} columns"


def _loss(survey: ColumnSurvey, target: ChosenTarget) -> tuple[str, tuple[str, ...]]:
    if target.plan.kind == "values":
        return "mean_squared_error", ("mean_absolute_error", "r2_score")
    if target.plan.kind == "class_columns":
        return "sparse_categorical_crossentropy", ("accuracy",)
    if not survey.is_many and len(survey.counts) == 2:
        return "binary_crossentropy", ("accuracy", "auc")
    return "sparse_categorical_crossentropy", ("accuracy",)


def _class_weight(survey: ColumnSurvey, target: ChosenTarget) -> Iterator[Remark]:
    if target.plan.kind == "classes" and not survey.is_many:
        ratio = max(survey.counts.values()) / min(survey.counts.values())
        if ratio >= _IMBALANCE:
            said = f"The most frequent class has {ratio:.0f} times as many rows as the rarest"
            yield Remark(f"{said}: class_weight: balanced makes the rare ones count more.")


def _missing_told(looked: LookedAt, target: ChosenTarget) -> Iterator[str]:
    for name in target.names:
        if missing := looked.surveys[name].missing:
            yield f"missing_target: drop, as {missing:,} of {looked.rows:,} rows have no {name}"


def _no_numbers(survey: ColumnSurvey) -> list[str]:
    """The texts of a column of numbers that are none."""
    return [text for text in survey.counts if not _is_number(text)]


def _is_number(text: str) -> bool:
    try:
        return abs(float(re.sub("[%$€£¥ ,]", "", text))) <= LARGEST
    except ValueError:
        return False


def _can_be_said(odd: list[str], survey: ColumnSurvey) -> bool:
    """Whether `missing_values` can name them: among numbers that came as numbers, infinity has no text."""
    return not survey.came_as_numbers or len(missing_numbers(odd)) == len(odd)
