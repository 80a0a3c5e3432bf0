"""Draft a config that predicts columns of a table from the others."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from dlrun.data.columns import ColumnSurvey, Plan, TableFiles, count_lengths, plan_columns, survey_columns
from dlrun.data.columns.dates import PARTS
from dlrun.data.columns.numbers import LARGEST
from dlrun.data.columns.planned import is_mostly_dates, is_mostly_numbers, layout_of, notation_of
from dlrun.data.columns.texts import MISSING_VALUES, missing_numbers
from dlrun.data.files.data_file import FileFormat
from dlrun.data.table.source import Table
from dlrun.errors import DataError
from dlrun.init_config.draft import ConfigDraft, Key, Remark, Wishes
from dlrun.init_config.first_line import FirstLine
from dlrun.init_config.table_config.codes import CodedNumbers, code_candidates, find_codes
from dlrun.init_config.table_config.example_columns import SplitColumn, weight_messages
from dlrun.init_config.table_config.recipe import TableRecipe
from dlrun.init_config.target import ChosenTarget, check_column, choose_target

_ODD_TEXTS = 5
_IMBALANCE = 10
_ROWS_WHOSE_WORDS_ARE_COUNTED = 100_000
_PART, _LONGEST_TEXT = 0.95, 500
_BYTES_THAT_ARE_LOADED = 1 << 26
"""Files up to this size are loaded to find out which small whole numbers are codes, which takes seconds."""


@dataclass(frozen=True)
class LookedAt:
    """The results of one pass over the rows of a table.

    Args:
        table: The rows.
        surveys: Statistics of each column.
        odd: Texts in numeric columns, which are read as missing values.
        ignored: Columns that cannot be read, each with the reason.
        header: First line of the file.
        split: Column that names the split of each row.
    """

    table: TableFiles
    surveys: Mapping[str, ColumnSurvey]
    odd: tuple[str, ...] = ()
    ignored: Mapping[str, str] | None = None
    header: FirstLine = field(default_factory=FirstLine)
    split: SplitColumn = field(default_factory=SplitColumn)

    @property
    def rows(self) -> int:
        """Number of rows."""
        return next(iter(self.surveys.values())).rows

    @property
    def keys(self) -> dict[str, Any]:
        """Keys that the dataset needs to read every column."""
        keys: dict[str, Any] = self.header.keys
        if self.odd:
            keys["also_missing"] = self.odd
        if self.ignored:
            keys["ignore"] = tuple(self.ignored)
        if self.split.name:
            keys["split"] = self.split.name
        return keys

    @property
    def columns(self) -> Mapping[str, ColumnSurvey]:
        """Statistics of the columns that could be features or targets."""
        return {name: survey for name, survey in self.surveys.items() if name != self.split.name}

    def lines(self) -> Iterator[Key]:
        """Yield these keys as lines of the section."""
        yield from self.header.lines()
        if self.odd:
            yield Key("also_missing", list(self.odd), "texts among numbers, read as missing values")
        if self.ignored:
            why = "; ".join(self.ignored.values())
            yield Key("ignore", list(self.ignored), why)
        yield from self.split.lines()


def look_at(path: str) -> LookedAt:
    """Read a table once and collect statistics of its columns.

    Raises:
        DataError: The table cannot be read, or has no rows.
    """
    header = FirstLine.of(path)
    table = TableFiles.open(path, FileFormat(header=header.header))
    names = [name for name in table.names if name not in table.unreadable]
    surveys = survey_columns(table, names, missing=MISSING_VALUES)
    if not surveys or not next(iter(surveys.values())).rows:
        raise DataError(f"{table.label} has no rows", expected="rows below the line with the names of the columns")
    odd: list[str] = []
    ignored = {}
    for survey in surveys.values():
        if layout_of(survey) is None and survey.known and is_mostly_dates(survey):
            ignored[survey.name] = f"{survey.name}: a column of dates with other values in it"
        elif notation_of(table, survey) is None and survey.known and is_mostly_numbers(survey):
            found = _no_numbers(survey)
            if 0 < len(found) <= _ODD_TEXTS and _is_expressible(found, survey):
                odd += [text for text in found if text not in odd]
            else:
                ignored[survey.name] = f"{survey.name}: a column of numbers with other values in it"
    if odd:
        # Once more, because these columns are numeric only if the odd texts count as missing.
        surveys = survey_columns(table, names, missing=(*MISSING_VALUES, *odd))
    return LookedAt(table, surveys, tuple(odd), ignored, header)


def draft_table(path: str, wishes: Wishes) -> ConfigDraft:
    """Draft a config of the dataset type `table`.

    Raises:
        DataError: The table cannot be read, or has no usable features.
        UsageError: No column can be predicted, or `wishes.target` is none.
    """
    looked = look_at(path)
    wanted = (wishes.target, *wishes.more_targets)
    if wishes.target:
        check_column(wishes.target, looked.table.names, looked.table.label)
        # The user's choice is not ignored silently: if it cannot be predicted, `choose_target` tells why.
        ignored = {name: why for name, why in (looked.ignored or {}).items() if name not in wanted}
        looked = replace(looked, ignored=ignored)
    others = {name: survey for name, survey in looked.surveys.items() if name not in wanted}
    looked = replace(looked, split=SplitColumn.of(others))
    source = Table(path=path, **looked.keys)
    target = choose_target(looked.table, looked.columns, source, wish=wishes.target, more=wishes.more_targets)
    plan = plan_columns(looked.table, looked.surveys, source, without=target.names)
    numbers = sum(column.kind in ("numeric", "date") for column in plan.columns)
    recipe = TableRecipe(looked.rows, numbers, is_classes=target.plan.kind != "values", test=wishes.test)
    codes = _codes(looked, source, target, plan, recipe)
    recipe = replace(recipe, numbers=numbers - len(codes.categories), plain=_plain(looked, source, plan, codes))
    loss, metrics = _loss(looked.surveys[target.name], target)
    names, are = ", ".join(map(repr, target.names)), "is" if len(target.names) == 1 else "are"
    why = f"{target.why} (--target for another)" if not wishes.target else target.why
    return ConfigDraft(
        f"The table {path}: {looked.rows:,} rows; {names} {are} predicted from {_counted(len(plan.columns))}.",
        tuple(_dataset(path, looked, target, plan, recipe, codes)),
        recipe.model,
        loss,
        metrics,
        (*recipe.training, *_class_weight(looked.surveys[target.name], target)),
        (
            *looked.header.messages(),
            f"target: {', '.join(target.names)}, {why}",
            target.plan.note,
            *_missing_target_messages(looked, target),
            *looked.split.messages(),
            *weight_messages({column.name: looked.surveys[column.name] for column in plan.columns}),
            *codes.messages(),
        ),
        recipe.optimizer,
        recipe.schedule,
    )


def _codes(looked: LookedAt, source: Table, target: ChosenTarget, plan: Plan, recipe: TableRecipe) -> CodedNumbers:
    """Decide on the validation rows which small whole numbers are codes."""
    candidates = code_candidates(plan, looked.surveys)
    if not candidates or sum(path.stat().st_size for path in looked.table.paths) > _BYTES_THAT_ARE_LOADED:
        return CodedNumbers({}, candidates)
    held_out = {key.name: key.value for key in recipe.held_out if isinstance(key, Key)}
    drops = "drop" if any(looked.surveys[name].missing for name in target.names) else "error"
    names = target.name if len(target.names) == 1 else target.names
    keys = {"target": names, "missing_target": drops, "unlisted_text": "ignore"}
    if looked.split.name:
        held_out = {"split": looked.split.name}
    return find_codes(source.model_copy(update={**keys, **held_out}).load(), candidates)


def _plain(looked: LookedAt, source: Table, plan: Plan, codes: CodedNumbers) -> int:
    """Return the largest possible number of features without learned vectors."""
    found = 0
    for column in plan.columns:
        kind = "categorical" if column.name in codes.categories else column.kind
        if kind == "categorical":
            survey = looked.surveys[column.name]
            # One more for missing values.
            count = len(survey.counts) + 1
            found += count if not (survey.is_many or source.embeds(count)) else 0
        else:
            # With the mark of a missing value.
            found += {"numeric": 1, "date": len(PARTS)}.get(kind, -1) + 1
    return found


def describe_columns(plan: Plan) -> Iterator[Remark]:
    """Yield comments with the kind of each column and the ignored columns."""
    for kind in ("numeric", "categorical", "date", "text"):
        names = [column.name for column in plan.columns if column.kind == kind]
        if names:
            yield Remark(f"{kind}: {', '.join(names)}")
    yield from (Remark(column.remark) for column in plan.columns if column.remark)
    for name, why in plan.ignored.items():
        yield Remark(f"ignored: {name}, because {why}")
    yield Remark("To change this, list columns under numeric, categorical, date, text or ignore.")


def _dataset(
    path: str, looked: LookedAt, target: ChosenTarget, plan: Plan, recipe: TableRecipe, codes: CodedNumbers
) -> Iterator[Key | Remark]:
    yield Key("type", "table")
    yield Key("path", path)
    yield Key("target", target.name if len(target.names) == 1 else list(target.names), target.why)
    yield Remark(target.plan.note)
    if any(looked.surveys[name].missing for name in target.names):
        yield Key("missing_target", "drop", "ignore rows without a target")
    yield from looked.lines()
    yield from describe_columns(plan)
    yield from _text_length(looked, plan)
    if codes.categories:
        why = "; ".join(f"{name}, {reason}" for name, reason in codes.categories.items())
        yield Key("categorical", list(codes.categories), why)
    if codes.others:
        names = ", ".join(codes.others)
        yield Remark(
            f"Whole numbers with few values, read as numbers: {names}. If they are codes, list them under categorical."
        )
    yield from recipe.scaling
    yield from looked.split.held_out(recipe.held_out)


def _text_length(looked: LookedAt, plan: Plan) -> Iterator[Key]:
    """Yield the number of words to read from text columns, enough for most rows."""
    names = [column.name for column in plan.columns if column.kind == "text"]
    missing = (*MISSING_VALUES, *looked.odd)
    lengths = count_lengths(looked.table, names, missing, most=_ROWS_WHOSE_WORDS_ARE_COUNTED)
    if not lengths:
        return
    found = max(1, *(each.length_of(_PART) for each in lengths.values()))
    longest = max(each.longest for each in lengths.values())
    share = "95 % have at most this many" if found <= _LONGEST_TEXT else f"95 % have at most {found:,}"
    yield Key(
        "text_length", min(found, _LONGEST_TEXT), f"words to read from each text; {share}, the longest has {longest:,}"
    )


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
            why = f"The most frequent class has {ratio:.0f} times as many rows as the rarest"
            yield Remark(f"{why}; class_weight: balanced gives rare classes more weight.")


def _missing_target_messages(looked: LookedAt, target: ChosenTarget) -> Iterator[str]:
    for name in target.names:
        if missing := looked.surveys[name].missing:
            yield f"missing_target: drop, because {missing:,} of {looked.rows:,} rows have no {name}"


def _no_numbers(survey: ColumnSurvey) -> list[str]:
    """Return the texts in a column of numbers that are not numbers."""
    return [text for text in survey.counts if not _is_number(text)]


def _is_number(text: str) -> bool:
    try:
        return abs(float(re.sub("[%$€£¥ ,]", "", text))) <= LARGEST
    except ValueError:
        return False


def _is_expressible(odd: list[str], survey: ColumnSurvey) -> bool:
    """Return whether `also_missing` can express these values: in a typed column, infinity has no text."""
    return not survey.came_as_numbers or len(missing_numbers(odd)) == len(odd)
