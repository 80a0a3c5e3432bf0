"""Rows in time order in; a draft of a config that predicts what comes next out."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from dlrun.data.columns import ColumnSurvey, Plan, plan_columns
from dlrun.data.columns.planned import notation_of, plan_numbers
from dlrun.data.series import Series
from dlrun.data.series_candidates import PARTS, TIMES, told_time
from dlrun.data.series_order import Times
from dlrun.errors import DataError, UsageError
from dlrun.first_config.draft import Draft, Key, Remark, Section, Sizes, Wishes
from dlrun.first_config.table import LookedAt, describe_columns, look_at
from dlrun.first_config.target import USUAL_NAMES, check_column

_HISTORY, _LEAST_HISTORY, _ROWS_OF_A_WINDOW = 24, 2, 20
_WIDE = 5_000


def draft_series(path: str, wishes: Wishes) -> Draft:
    """Draft a config of the dataset type `series`.

    Raises:
        DataError: The file cannot be read, or the column to predict has something else than numbers in it.
        UsageError: No column can be predicted, or `wishes.target` is none.
    """
    looked = look_at(path)
    found = find_time(looked)
    time = found.names if found else ()
    target, why = _target(looked, wishes.target, time)
    history = wishes.history or max(_LEAST_HISTORY, min(_HISTORY, looked.rows // _ROWS_OF_A_WINDOW))
    horizon = wishes.horizon or 1
    ignored = {**(looked.ignored or {}), **_texts(looked)}
    looked = replace(looked, ignored={name: why for name, why in ignored.items() if name != target})
    source = Series(path=path, target=target, history=history, horizon=horizon, **looked.keys)
    plan = plan_columns(looked.table, looked.surveys, source)
    plan_numbers(looked.table, looked.surveys[target], keys=source)
    sizes = Sizes(looked.rows, passes=300_000)
    return Draft(
        f"The series {path}: {looked.rows:,} rows. The next {horizon} of {target!r} from the {history} rows before.",
        tuple(_dataset(source, looked, plan, time, why, sizes)),
        (Key("type", "lstm"), Key("units", [64 if looked.rows > _WIDE else 32])),
        "mean_squared_error",
        ("mean_absolute_error", "root_mean_squared_error"),
        sizes.training,
        (
            *looked.header.told(),
            f"target: {target}, {why}" + ("" if wishes.target else " (--target for another)"),
            f"history: {history} rows predict the next {horizon} (--history, --horizon)",
            _time_told(found),
        ),
    )


def find_time(looked: LookedAt) -> Times | None:
    """The columns that tell the time, if there are some; the rows may be in another order."""
    return told_time(looked.table, looked.surveys)


def _time_told(found: Times | None) -> str:
    if found is None:
        return "time: no column tells it; rows count as in order"
    names = ", ".join(found.names)
    if found.order == "descending":
        return f"time: {names}, the newest row first: turn the file round, or dlrun train refuses it"
    if found.order == "none":
        return (
            f"time: {names}, not in order: sort the file by it, or dlrun train refuses it (no time: take it as it is)"
        )
    return f"time: {names}, never going back"


def _target(looked: LookedAt, wish: str, time: Sequence[str]) -> tuple[str, str]:
    names = looked.table.names
    if wish:
        check_column(wish, names, looked.table.label)
        return wish, "as --target says"
    usable = [name for name in names if name not in time and _is_measured(looked, looked.surveys.get(name))]
    for name in usable:
        if name.lower() in USUAL_NAMES:
            return name, "by its name"
    if usable:
        return usable[0], "the first column of numbers that is no time"
    raise UsageError(f"no column of {looked.table.label} is one of numbers that change", expected="--target")


def _is_measured(looked: LookedAt, survey: ColumnSurvey | None) -> bool:
    if survey is None or survey.is_constant or survey.is_permutation or survey.name.lower() in (*PARTS, *TIMES):
        return False
    return notation_of(looked.table, survey) is not None


def _texts(looked: LookedAt) -> dict[str, str]:
    """Columns of free text, which a series does not take."""
    try:
        plan = plan_columns(looked.table, looked.surveys, Series(path="", target="", history=1, **looked.keys))
    except DataError:
        return {}
    return {column.name: f"{column.name}: free text" for column in plan.columns if column.kind == "text"}


def _dataset(
    source: Series, looked: LookedAt, plan: Plan, time: Sequence[str], why: str, sizes: Sizes
) -> Iterator[Key | Remark]:
    yield Key("type", "series")
    yield Key("path", source.path)
    if time:
        yield Key("time", list(time) if len(time) > 1 else time[0], "checked to never go back")
    yield Key("target", source.target, f"chosen {why}; a list for several")
    yield Key("history", source.history, "rows that a prediction is made from")
    yield Key("horizon", source.horizon, "rows that are predicted")
    yield from looked.lines()
    yield from describe_columns(plan)
    yield from _held_out(sizes)


def _held_out(sizes: Sizes) -> Section:
    section = sizes.held_out
    return tuple(
        Key(key.name, key.value, "the last part, held out by time") if isinstance(key, Key) else key for key in section
    )
