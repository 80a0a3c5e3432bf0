"""Rows in time order in; a draft of a config that predicts what comes next out."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np

from dlrun.data.columns import ColumnSurvey, Plan, plan_columns
from dlrun.data.columns.numbers import Floats, parse_numbers
from dlrun.data.columns.planned import notation_of, plan_numbers
from dlrun.data.columns.texts import MISSING_VALUES, known_values
from dlrun.data.series.order import PARTS, TIMES, Times, told_time
from dlrun.data.series.source import Series
from dlrun.errors import UsageError
from dlrun.init_config.draft import ConfigDraft, Key, Remark, Section, Sizes, Wishes
from dlrun.init_config.season import Season, find_season, is_chance, wanders
from dlrun.init_config.table import LookedAt, describe_columns, look_at
from dlrun.init_config.target import USUAL_NAMES, check_column

_HISTORY, _LEAST_HISTORY, _ROWS_OF_A_WINDOW = 24, 2, 20
_SHORTEST_OF_A_SEASON, _ROWS_OF_A_SEASON = 12, 6
_SHORT, _WIDE = 1_000, 5_000
_LOOKED_AT = 200_000


def draft_series(path: str, wishes: Wishes) -> ConfigDraft:
    """Draft a config of the dataset type `series`.

    Raises:
        DataError: The file cannot be read, or the column to predict has something else than numbers in it.
        UsageError: No column can be predicted, or `wishes.target` is none.
    """
    looked = look_at(path)
    found = find_time(looked)
    time = found.names if found else ()
    target, why = _target(looked, wishes.target, time)
    sizes = Sizes(looked.rows, passes=300_000)
    values = _training_values(looked, target, sizes)
    season = find_season(values, found)
    history = wishes.history or _history(looked.rows, season)
    horizon = wishes.horizon or 1
    ignored = {**(looked.ignored or {}), **_times_of_few_rows(looked, time)}
    looked = replace(looked, ignored={name: why for name, why in ignored.items() if name != target})
    shape = {"path": path, "target": target, "history": history, "horizon": horizon, **looked.keys}
    plan = plan_columns(looked.table, looked.surveys, Series.model_validate(shape))
    is_given = any(column.name == target and column.kind == "numeric" for column in plan.columns)
    source = Series.model_validate({**shape, "difference": is_given and wanders(values)})
    plan_numbers(looked.table, looked.surveys[target], keys=source)
    why_history = "" if wishes.history or season is None else f", as {season.why}"
    return ConfigDraft(
        f"The series {path}: {looked.rows:,} rows. The next {horizon} of {target!r} from the {history} rows before.",
        tuple(_dataset(source, looked, plan, time, why, sizes)),
        _network(looked.rows, _penalty(values, history, season)),
        "mean_squared_error",
        ("mean_absolute_error", "root_mean_squared_error"),
        sizes.training,
        (
            *looked.header.told(),
            f"target: {target}, {why}" + ("" if wishes.target else " (--target for another)"),
            f"history: {history} rows predict the next {horizon}{why_history} (--history, --horizon)",
            _time_told(found),
        ),
        learning_rate=1e-2 if looked.rows < _SHORT else 1e-3,
    )


def find_time(looked: LookedAt) -> Times | None:
    """The columns that tell the time, if there are some; the rows may be in another order."""
    return told_time(looked.table, looked.surveys)


def _history(rows: int, season: Season | None) -> int:
    """Rows of a window: whole periods, a dozen rows at least; of few rows, or without a period, few."""
    if season is not None:
        periods = -(-_SHORTEST_OF_A_SEASON // season.rows)
        fitting = max(1, min(periods, rows // _ROWS_OF_A_SEASON // season.rows))
        return fitting * season.rows
    return max(_LEAST_HISTORY, min(_HISTORY, rows // _ROWS_OF_A_WINDOW))


def _network(rows: int, l2: float) -> Section:
    """Of a short series a linear model, which begins as a forecast without a model and can hardly become worse."""
    if rows >= _SHORT:
        return (Key("type", "lstm"), Key("units", [64 if rows > _WIDE else 32]))
    said = "few rows: an affine function of the window; lstm, gru and mlp need more"
    return (
        Key("type", "linear", said),
        Key("kernel_initializer", "zeros", "it begins as the last value, or the mean"),
        Key("l2", l2, "keeps it near that"),
    )


def _penalty(values: Floats, history: int, season: Season | None) -> float:
    """What large weights cost: little where the season is plain to see, much where there is nothing but chance."""
    if is_chance(values, history):
        return 1.0
    return 1e-3 if season is not None and season.is_strong else 3e-2


def _training_values(looked: LookedAt, target: str, sizes: Sizes) -> Floats:
    """What is to be predicted, in the rows before those that are held out; NaN where it is missing."""
    held_out = sum(float(key.value) for key in sizes.held_out if isinstance(key, Key))
    rows = min(_LOOKED_AT, max(_LEAST_HISTORY, int(looked.rows * (1 - held_out))))
    notation = notation_of(looked.table, looked.surveys[target]) or "plain"
    missing = looked.keys.get("missing_values", MISSING_VALUES)
    found: list[Floats] = []
    for block in looked.table.blocks([target]):
        found.append(parse_numbers(known_values(block.columns[target], missing), notation)[0])
        if sum(map(len, found)) >= rows:
            break
    return np.asarray(np.concatenate(found)[:rows], np.float64)


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
        return usable[0], "as the first column of numbers that is not a time"
    raise UsageError(f"no column of {looked.table.label} is one of numbers that change", expected="--target")


def is_series_alone(looked: LookedAt, time: Times | None) -> bool:
    """Whether a table is a time and one number in each row: what is there to predict is the next number."""
    if time is None or time.order == "none":
        return False
    others = [name for name in looked.table.names if name not in time.names]
    return len(others) == 1 and _is_measured(looked, looked.surveys.get(others[0]))


def _is_measured(looked: LookedAt, survey: ColumnSurvey | None) -> bool:
    if survey is None or survey.is_constant or survey.is_permutation or survey.name.lower() in (*PARTS, *TIMES):
        return False
    return notation_of(looked.table, survey) is not None


def _times_of_few_rows(looked: LookedAt, time: Sequence[str]) -> dict[str, str]:
    """The time of a short series: the rows to predict are later than all that are learnt from, and lead astray."""
    others = [name for name in looked.table.names if name not in time]
    if looked.rows >= _SHORT or not others:
        return {}
    return {
        name: f"{name}: the time is not a feature, as what is predicted lies later than all that is learnt from"
        for name in time
    }


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
    if source.difference:
        yield Key("difference", value=True, comment="to the last value: the model learns that, and gives the value")
    yield from looked.lines()
    yield from describe_columns(plan)
    yield from _held_out(sizes)


def _held_out(sizes: Sizes) -> Section:
    section = sizes.held_out
    return tuple(
        Key(key.name, key.value, "the last part, held out by time") if isinstance(key, Key) else key for key in section
    )
