"""How far the rows of a series are apart: the usual step, gaps, repeated times; and windows with nothing in them."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dlrun.data.inspection.check import find_all
from dlrun.data.inspection.finding import Finding
from dlrun.data.inspection.inspected import inspect_source
from dlrun.data.series.order import Times
from dlrun.data.series.source import Series
from dlrun.data.series.steps import Steps, steps_of
from dlrun.data.series.time import TimeColumn, TimeLayout
from dlrun.errors import DataError

HOURS = [f"2024-{month:02d}-{day:02d} {hour:02d}:00" for month in (1, 2) for day in (1, 2, 3) for hour in range(24)]


def write(path: Path, times: list[str], values: list[str] | None = None) -> Path:
    values = values or [f"{np.sin(row / 5):.3f}" for row in range(len(times))]
    rows = [f"{time},{value}" for time, value in zip(times, values, strict=True)]
    path.write_text("\n".join(["at,load", *rows]) + "\n")
    return path


def series(path: Path, **keys: Any) -> Series:
    known = {"path": str(path), "target": "load", "history": 4, "test": 8, "validation": 6, "time": "at"}
    return Series.model_validate({**known, **keys})


def findings(path: Path, **keys: Any) -> dict[str, Finding]:
    return {each.check: each for each in find_all(inspect_source(series(path, **keys)))}


def steps(layouts: tuple[TimeLayout, ...], names: tuple[str, ...], values: Sequence[Sequence[float]]) -> Steps:
    columns = tuple(TimeColumn(name, layout) for name, layout in zip(names, layouts, strict=True))
    return steps_of(Times(columns, np.array(values)))


def test_gaps_and_repeated_times_are_reported_with_the_usual_step(tmp_path: Path) -> None:
    times = [*HOURS[:20], *HOURS[19:40], *HOURS[42:]]
    found = findings(write(tmp_path / "x.csv", times))
    gaps, repeated = found["gaps"], found["repeated times"]
    assert (gaps.status, repeated.status) == ("warning", "warning")
    assert gaps.said == "2 of 143 rows follow a gap: the usual step is 1 hour, the largest 28 days"
    assert "1.5 times" in gaps.threshold
    assert "add the missing rows" in gaps.advice
    assert repeated.said == "1 of 143 rows has the same time as the row above"
    assert "keep the rows of one" in repeated.advice
    notes = " ".join(series(tmp_path / "x.csv").load().notes)
    assert gaps.said in notes
    assert repeated.said in notes


def test_equally_spaced_rows_are_reported_as_such(tmp_path: Path) -> None:
    path = write(tmp_path / "x.csv", HOURS[:72])
    for keys in ({}, {"time": None}):  # a column that looks like the time is looked at too
        found = findings(path, **keys)
        assert (found["gaps"].status, found["repeated times"].status) == ("pass", "pass")
        assert "the usual step is 1 hour" in found["gaps"].said
    assert not any("usual step" in note for note in series(path).load().notes)


def test_steps_are_measured_in_every_notation_of_time() -> None:
    parts = [[2024, 2, 28, 22], [2024, 2, 28, 23], [2024, 2, 29, 0], [2024, 3, 1, 0]]
    assert steps(("number",) * 4, ("year", "month", "day", "hour"), parts) == Steps(4, 0, 3600, 1, 86400, True)
    months = [[2024, month] for month in range(1, 13)]
    assert steps(("number",) * 2, ("Year", "Month"), months).gaps == 0
    digits = [[20240227], [20240228], [20240229], [20240301], [20240305]]
    assert steps(("number",), ("day",), digits) == Steps(5, 0, 86400, 1, 4 * 86400, True)
    numbers = steps(("number",), ("time",), [[0], [5], [10], [10], [30]])
    assert (numbers.usual, numbers.gaps, numbers.repeats, numbers.is_seconds) == (5, 1, 1, False)
    assert numbers.describe_gaps() == "1 of 5 rows follows a gap: the usual step is 5, the largest 20"
    both = steps(("ymd", "clock"), ("date", "clock"), [[0, 82800], [86400, 0], [86400, 3600]])
    assert (both.usual, both.gaps) == (3600, 0)
    assert steps(("number",) * 2, ("a", "b"), [[1, 1], [1, 1], [2, 0]]) == Steps(3, 1)


def test_windows_without_one_value_and_those_left_out_are_counted(tmp_path: Path) -> None:
    trained = series(write(tmp_path / "x.csv", HOURS[:72])).load()
    raw = trained.raw_input()
    values = ["" if 10 <= row < 16 else str(row) for row in range(30)]
    path = str(write(tmp_path / "new.csv", HOURS[:30], values))
    for at_once in (1, 4, 100):
        blocks = list(raw.read(path, at_once=at_once))
        assert sum(map(len, blocks)) == 27
        assert sum(block.blank for block in blocks) == 3
        assert sum(block.unlabelled for block in blocks) == 0
        labelled = list(raw.read(path, at_once=at_once, target=trained.target))
        assert sum(map(len, labelled)) == 20
        assert sum(block.unlabelled for block in labelled) == 6
    late = str(write(tmp_path / "late.csv", HOURS[:10], [*["1"] * 6, *[""] * 4]))
    assert sum(block.unlabelled for block in raw.read(late, at_once=2, target=trained.target)) == 4


def test_a_file_without_any_target_is_an_error_that_says_so(tmp_path: Path) -> None:
    trained = series(write(tmp_path / "x.csv", HOURS[:72]), horizon=2).load()
    path = write(tmp_path / "new.csv", HOURS[:20], ["NA"] * 20)
    with pytest.raises(DataError, match="all targets are missing: no row has a value of load"):
        next(trained.raw_input().read(str(path), at_once=3, target=trained.target))
    write(path, HOURS[:20], ["1", ""] * 10)
    with pytest.raises(
        DataError, match="no window of 4 rows is followed by a value of every target in the next 2 rows"
    ):
        next(trained.raw_input().read(str(path), at_once=3, target=trained.target))


@pytest.mark.tensorflow
def test_predict_and_eval_report_windows_without_values(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from dlrun.evaluation.evaluate import evaluate
    from dlrun.experiment import train as experiment
    from dlrun.prediction.predict import predict
    from dlrun.training.progress.events import Event, Note

    monkeypatch.setenv("DLRUN_STATE", str(tmp_path / "state"))
    config = tmp_path / "x.yaml"
    config.write_text(
        f"dataset: {{type: series, path: {write(tmp_path / 'x.csv', HOURS[:72])}, target: load, history: 4}}\n"
        "model: linear\nloss: mean_squared_error\n"
        "training: {batch_size: 8, epochs: 1, jit: off, tensorboard: false, report: false}\n"
    )
    run = experiment.train(config, runs_dir=tmp_path / "runs").folder.path
    path = write(tmp_path / "new.csv", HOURS[:30], ["" if 10 <= row < 16 else str(row) for row in range(30)])
    events: list[Event] = []
    assert sum(map(len, predict(run, path, listener=events.append).blocks)) == 27
    evaluate(run, data=str(path), listener=events.append)
    said = [event.text for event in events if isinstance(event, Note) and event.subject == "warning"]
    assert said[0] == "every value to predict from is missing in 3 of 27 examples"
    assert said[1] == f"6 of 26 examples of {path} have no target and are ignored"
    write(path, HOURS[:30], [""] * 30)
    with pytest.raises(DataError, match="all targets are missing"):
        evaluate(run, data=str(path))
