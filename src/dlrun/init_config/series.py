"""Draft a config that forecasts the next values of a series."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np

from dlrun.data.columns import ColumnSurvey, Plan, plan_columns
from dlrun.data.columns.numbers import Floats, parse_numbers
from dlrun.data.columns.planned import notation_of, plan_numbers
from dlrun.data.columns.texts import MISSING_VALUES, known_values
from dlrun.data.series.order import PARTS, TIMES, Times, detect_time
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
        DataError: The file cannot be read, or the column to predict contains values that are not numbers.
        UsageError: No column can be predicted, or `wishes.target` is not a column.
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
    # A difference from the last value can be learned only if the target's past is among the features.
    is_given = any(column.name == target and column.kind == "numeric" for column in plan.columns)
    source = Series.model_validate({**shape, "difference": is_given and wanders(values)})
    # Called for its error: a target with values that are not numbers must not get a config.
    plan_numbers(looked.table, looked.surveys[target], keys=source)
    why_history = "" if wishes.history or season is None else f"; season: {season.why}"
    return ConfigDraft(
        f"The series {path}: {looked.rows:,} rows. Predicts the next {horizon} of {target!r} from {history} rows.",
        tuple(_dataset(source, looked, plan, time, why, sizes)),
        _network(looked.rows, _penalty(values, history, season)),
        "mean_squared_error",
        ("mean_absolute_error", "root_mean_squared_error"),
        sizes.training,
        (
            *looked.header.messages(),
            f"target: {target}, {why}" + ("" if wishes.target else " (--target for another)"),
            f"history: {history} rows predict the next {horizon}{why_history} (--history, --horizon)",
            _time_message(found),
        ),
        learning_rate=1e-2 if looked.rows < _SHORT else 1e-3,
    )


def find_time(looked: LookedAt) -> Times | None:
    """Return the time columns, if there are any. The rows need not be in their order."""
    return detect_time(looked.table, looked.surveys)


def _history(rows: int, season: Season | None) -> int:
    """Return the number of rows of a window: whole seasons of at least a dozen rows, or fewer for a short series."""
    if season is not None:
        periods = -(-_SHORTEST_OF_A_SEASON // season.rows)
        fitting = max(1, min(periods, rows // _ROWS_OF_A_SEASON // season.rows))
        return fitting * season.rows
    return max(_LEAST_HISTORY, min(_HISTORY, rows // _ROWS_OF_A_WINDOW))


def _network(rows: int, l2: float) -> Section:
    """Return the model: for a short series a linear one, which starts as the naive forecast and hardly gets worse."""
    if rows >= _SHORT:
        return (Key("type", "lstm"), Key("units", [64 if rows > _WIDE else 32]))
    why = "few rows, so a linear function of the window; lstm, gru and mlp need more"
    return (
        Key("type", "linear", why),
        Key("kernel_initializer", "zeros", "start as the naive forecast: the last value, or the mean"),
        Key("l2", l2, "stay close to that"),
    )


def _penalty(values: Floats, history: int, season: Season | None) -> float:
    """Return the L2 penalty: small for a strong season, large if the series looks like noise."""
    if is_chance(values, history):
        return 1.0
    return 1e-3 if season is not None and season.is_strong else 3e-2


def _training_values(looked: LookedAt, target: str, sizes: Sizes) -> Floats:
    """Return the target values in the rows before the hold-out, with nan for missing values."""
    # The season and penalty must not be chosen with held-out rows, or their scores would be too good.
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


def _time_message(found: Times | None) -> str:
    if found is None:
        return "time: no time column found; the rows are assumed to be in order"
    names = ", ".join(found.names)
    if found.order == "descending":
        return f"time: {names}, newest row first; reverse the file, since dlrun train needs the oldest row first"
    if found.order == "none":
        return (
            f"time: {names}, not in order; sort the file by it, or remove the key `time` to keep the order of the rows"
        )
    return f"time: {names}, in ascending order"


def _target(looked: LookedAt, wish: str, time: Sequence[str]) -> tuple[str, str]:
    names = looked.table.names
    if wish:
        check_column(wish, names, looked.table.label)
        return wish, "given by --target"
    usable = [name for name in names if name not in time and _is_measured(looked, looked.surveys.get(name))]
    for name in usable:
        if name.lower() in USUAL_NAMES:
            return name, "by its name"
    if usable:
        return usable[0], "the first numeric column that is not a time"
    raise UsageError(f"{looked.table.label} has no column of varying numbers to predict", expected="--target")


def is_series_alone(looked: LookedAt, time: Times | None) -> bool:
    """Return whether a table has only times and one column of numbers, so that only a forecast makes sense."""
    if time is None or time.order == "none":
        return False
    others = [name for name in looked.table.names if name not in time.names]
    return len(others) == 1 and _is_measured(looked, looked.surveys.get(others[0]))


def _is_measured(looked: LookedAt, survey: ColumnSurvey | None) -> bool:
    if survey is None or survey.is_constant or survey.is_permutation or survey.name.lower() in (*PARTS, *TIMES):
        return False
    return notation_of(looked.table, survey) is not None


def _times_of_few_rows(looked: LookedAt, time: Sequence[str]) -> dict[str, str]:
    """Return the time columns of a short series to ignore: the model cannot extrapolate to later times."""
    others = [name for name in looked.table.names if name not in time]
    if looked.rows >= _SHORT or not others:
        return {}
    return {
        name: f"{name}: the time is not a feature, because all predictions are for later times than the training data"
        for name in time
    }


def _dataset(
    source: Series, looked: LookedAt, plan: Plan, time: Sequence[str], why: str, sizes: Sizes
) -> Iterator[Key | Remark]:
    yield Key("type", "series")
    yield Key("path", source.path)
    if time:
        yield Key("time", list(time) if len(time) > 1 else time[0], "must be in ascending order")
    yield Key("target", source.target, f"{why}; a list for several columns")
    yield Key("history", source.history, "number of rows that a prediction is made from")
    yield Key("horizon", source.horizon, "number of rows to predict")
    if source.difference:
        yield Key("difference", value=True, comment="learn the difference from the last value")
    yield from looked.lines()
    yield from describe_columns(plan)
    yield from _held_out(sizes)


def _held_out(sizes: Sizes) -> Section:
    section = sizes.held_out
    return tuple(
        Key(key.name, key.value, "the last rows in time, held out") if isinstance(key, Key) else key for key in section
    )
