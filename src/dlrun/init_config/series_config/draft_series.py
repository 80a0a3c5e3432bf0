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
from dlrun.data.splits import held_out_count
from dlrun.errors import UsageError
from dlrun.init_config.draft import ConfigDraft, Key, Remark, Sizes, Wishes
from dlrun.init_config.series_config.backtest import backtest
from dlrun.init_config.series_config.forecast_choice import ForecastChoice
from dlrun.init_config.series_config.season import find_seasons
from dlrun.init_config.table_config.draft_table import LookedAt, describe_columns, look_at
from dlrun.init_config.target import USUAL_NAMES, check_column

_LEAST_ROWS, _SHORT, _FEW = 2, 1_000, 30
_TEST = 0.2
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
    ignored = {**(looked.ignored or {}), **_unused_times(looked, time)}
    looked = replace(looked, ignored={name: why for name, why in ignored.items() if name != target})
    horizon = wishes.horizon or 1
    test = _test_fraction(looked.rows, wishes.test)
    keys = {"path": path, "target": target, "horizon": horizon, "test": test}
    # A difference, and a function of the past of the target, need that past among the features.
    given = plan_columns(looked.table, looked.surveys, Series.model_validate({**keys, "history": 1, **looked.keys}))
    is_given = any(column.name == target and column.kind == "numeric" for column in given.columns)
    others = _others(looked, target, time) if is_given else ()
    # Nothing must be chosen with rows of the test split, or its scores would be too good.
    columns = _measured_columns(looked, (target, *others), rows=_rows_before(test, looked.rows, horizon=horizon))
    seasons = find_seasons(columns[:, 0], found)
    measured = None
    if is_given:
        measured = backtest(columns, seasons=[each.rows for each in seasons], horizon=horizon, history=wishes.history)
    if measured is not None and others and not measured.best.uses_others and not measured.suggests_network:
        looked = _without_others(looked, (target, *time))
    choice = ForecastChoice.of(measured, seasons, rows=looked.rows, history=wishes.history, columns=len(given.columns))
    gaps = {"missing": {"numeric": "last"}} if looked.surveys[target].missing else {}
    source = Series.model_validate({**keys, "history": choice.history, **looked.keys, **choice.keys, **gaps})
    plan = plan_columns(looked.table, looked.surveys, source)
    # Called for its error: a target with values that are not numbers must not get a config.
    plan_numbers(looked.table, looked.surveys[target], keys=source)
    return ConfigDraft(
        f"The series {path}: {looked.rows:,} rows. Predicts the next {horizon} of {target!r} from {choice.history} "
        "rows.",
        tuple(_dataset(source, looked, plan, time, why, choice)),
        choice.model,
        "mean_squared_error",
        ("mean_absolute_error", "root_mean_squared_error"),
        choice.training(Sizes(looked.rows)),
        (
            *looked.header.messages(),
            f"target: {target}, {why}" + ("" if wishes.target else " (--target for another)"),
            f"history: {choice.history} rows predict the next {horizon} (--history, --horizon)",
            *choice.messages,
            _time_message(found),
        ),
        optimizer=choice.learning_rate,
        schedule="cosine" if choice.is_network else "constant",
    )


def find_time(looked: LookedAt) -> Times | None:
    """Return the time columns, if there are any. The rows need not be in their order."""
    return detect_time(looked.table, looked.surveys)


def _others(looked: LookedAt, target: str, time: Sequence[str]) -> tuple[str, ...]:
    """Return the other numeric columns of a short series, whose use is measured; a long one keeps them all."""
    if looked.rows >= _SHORT:
        return ()
    left_out = {target, *time, *(looked.ignored or {})}
    return tuple(
        name for name in looked.table.names if name not in left_out and _is_measured(looked, looked.surveys.get(name))
    )


def _without_others(looked: LookedAt, kept: Sequence[str]) -> LookedAt:
    """Return the series with every column ignored that did not improve the forecast."""
    why = "not used, because its history did not improve the forecast of the training span"
    others = {name: f"{name}: {why}" for name in looked.table.names if name not in kept}
    return replace(looked, ignored={**others, **(looked.ignored or {})})


def _test_fraction(rows: int, wish: float | None) -> float:
    """Return the fraction to hold out for the test split; 0 for none."""
    if wish is not None:
        return wish
    return 0.0 if rows < _FEW else _TEST


def _rows_before(test: float, rows: int, *, horizon: int) -> int:
    """Return the number of rows before the first one that the test split predicts, for a window of any length."""
    return rows - held_out_count(test, rows) - (horizon - 1) if test else rows


def _measured_columns(looked: LookedAt, names: Sequence[str], *, rows: int) -> Floats:
    """Return columns in the first rows, with NaN for missing values.

    Shape:
        Returns: `(rows, columns)`.
    """
    rows = min(_LOOKED_AT, max(_LEAST_ROWS, rows))
    missing = looked.keys.get("missing_values", MISSING_VALUES)
    notations = {name: notation_of(looked.table, looked.surveys[name]) or "plain" for name in names}
    found: list[Floats] = []
    for block in looked.table.blocks(list(names)):
        parts = [
            parse_numbers(known_values(block.columns[name], missing), notation)[0]
            for name, notation in notations.items()
        ]
        found.append(np.stack(parts, axis=1).astype(np.float64))
        if sum(map(len, found)) >= rows:
            break
    return np.concatenate(found)[:rows]


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


def _unused_times(looked: LookedAt, time: Sequence[str]) -> dict[str, str]:
    """Return the time columns to ignore: the model cannot extrapolate to later times, and the window shows the rest."""
    others = [name for name in looked.table.names if name not in time]
    if not others:
        return {}
    return {
        name: f"{name}: the time is not a feature, because all predictions are for later times than the training data"
        for name in time
    }


def _dataset(
    source: Series, looked: LookedAt, plan: Plan, time: Sequence[str], why: str, choice: ForecastChoice
) -> Iterator[Key | Remark]:
    yield Key("type", "series")
    yield Key("path", source.path)
    if time:
        yield Key("time", list(time) if len(time) > 1 else time[0], "must be in ascending order")
    yield Key("target", source.target, f"{why}; a list for several columns")
    if choice.remark:
        yield Remark(choice.remark)
    yield Key("history", source.history, "number of rows that a prediction is made from")
    yield Key("horizon", source.horizon, "number of rows to predict")
    if source.season:
        yield Key("season", source.season, choice.why_season)
    if source.difference:
        what = "the value one season before" if source.difference == "seasonal" else "the last value"
        yield Key("difference", source.difference, f"learn the difference from {what}")
    if source.missing.numeric == "last":
        yield Key("missing", {"numeric": "last"}, "a missing number becomes the last known one in the window")
    yield from looked.lines()
    yield from describe_columns(plan)
    yield from _held_out(source, looked.rows, choice)


def _held_out(source: Series, rows: int, choice: ForecastChoice) -> Iterator[Key | Remark]:
    if source.test:
        yield Key("test", source.test, "the last rows in time, held out")
    if rows >= _FEW:
        yield Key("validation", choice.validation, f"the {'rows before them' if source.test else 'last rows in time'}")
    elif source.test:
        yield Remark("Too few rows to hold out more of them; to do so anyway: validation: 0.1.")
    else:
        yield Remark("Too few rows to hold some out; to do so anyway: test: 0.2 and validation: 0.1.")
