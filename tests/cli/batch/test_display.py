import io
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console as RichConsole

from dlrun.batching.grid import combine
from dlrun.batching.plan import plan_batch
from dlrun.batching.state import BatchStarted, RunChanged, RunState, RunWarned, Stopping
from dlrun.batching.table import make_table
from dlrun.cli.batch.display import BatchDisplay
from dlrun.cli.batch.table import show_table
from dlrun.cli.display.console import Console

SPEC = """\
name: small
dataset: {type: builtin, name: digits}
model: linear
loss: sparse_categorical_crossentropy
metrics: [accuracy]
"""


@pytest.fixture
def states(tmp_path: Path) -> list[RunState]:
    (tmp_path / "small.yaml").write_text(SPEC)
    planned = plan_batch(combine([tmp_path / "small.yaml"], [], ["training.batch_size=32,64"], "2"))
    return [RunState(each) for each in planned]


@pytest.fixture
def written(states: list[RunState]) -> tuple[BatchDisplay, io.StringIO]:
    console, stream = Console(), io.StringIO()
    console.terminal = stream
    display = BatchDisplay(console)
    display(BatchStarted(tuple(states), "2 on the CPU", total=len(states)))
    return display, stream


def test_without_a_terminal_each_start_and_end_is_one_plain_line(
    written: tuple[BatchDisplay, io.StringIO], states: list[RunState]
) -> None:
    display, stream = written
    running = replace(states[0], stage="running", folder=Path("runs/a"))
    display(RunChanged(running, noteworthy=True))
    display(RunChanged(replace(running, epoch=3, epochs=5), noteworthy=False))
    display(RunChanged(replace(running, stage="failed", reason="no luck\033[2J", seconds=2.0), noteworthy=True))
    display(Stopping(1))
    assert stream.getvalue().splitlines() == [
        "batch      4 runs; 2 on the CPU at a time",
        "[1/4] running     small batch_size=32 seed=0  runs/a",
        "[1/4] failed      small batch_size=32 seed=0  2.0 s: no luck\\x1b[2J",
        "stopping   1 runs, at their next step; again to kill them",
    ]


def test_a_warning_that_all_runs_have_is_shown_once_also_with_quiet(
    written: tuple[BatchDisplay, io.StringIO], states: list[RunState]
) -> None:
    display, stream = written
    display.console.quiet = True
    for state in states:
        display(RunWarned(state, "columns are missing"))
    assert stream.getvalue().splitlines()[1:] == ["warning    columns are missing (small batch_size=32 seed=0)"]


def shown(display: BatchDisplay, *, height: int, width: int = 120) -> str:
    console = RichConsole(file=io.StringIO(), width=width, height=height)
    with console.capture() as capture:
        console.print(display._table(height=height, width=width))
    return capture.get()


def test_the_live_table_has_a_line_for_every_run(
    written: tuple[BatchDisplay, io.StringIO], states: list[RunState]
) -> None:
    display, _ = written
    running = replace(states[1], stage="running", resumed=True, epoch=3, epochs=5, seconds_left=61.0)
    display(RunChanged(replace(running, scores={"loss": 0.25}), noteworthy=True))
    text = shown(display, height=40)
    assert [line.split()[:3] for line in text.splitlines()[1:3]] == [
        ["small", "batch_size=32", "seed=0"],
        ["small", "batch_size=32", "seed=1"],
    ]
    assert text.splitlines()[2].split()[3:] == ["resumed", "3/5", "1:01", "min", "loss", "0.2500"]
    assert "0/4 ended: 1 running, 3 waiting" in text


def test_a_narrow_terminal_cuts_the_scores_and_nothing_else(
    written: tuple[BatchDisplay, io.StringIO], states: list[RunState]
) -> None:
    display, _ = written
    scores = {f"val_score_{index}": 0.5 for index in range(9)}
    display(RunChanged(replace(states[0], stage="running", epoch=3, epochs=5, scores=scores), noteworthy=True))
    line = shown(display, height=40, width=80).splitlines()[1]
    assert line.split()[:6] == ["small", "batch_size=32", "seed=0", "running", "3/5", "val_score_0"]
    assert len(line.rstrip()) <= 80


@pytest.mark.parametrize("width", [60, 80, 120])
@pytest.mark.parametrize("name", ["small", "a_config_of_a_long_name_that_all_runs_share"])
def test_the_live_table_fits_and_labels_differ(
    written: tuple[BatchDisplay, io.StringIO], states: list[RunState], width: int, name: str
) -> None:
    display, _ = written
    for state in states:
        planned = replace(state.planned, spec=replace(state.planned.spec, name=name))
        scores = {"loss": float("nan"), "root_mean_squared_error_of_it": 0.5, "val_loss": 0.25}
        going = replace(state, planned=planned, stage="running", epoch=1000, epochs=1000, scores=scores)
        display(RunChanged(replace(going, seconds_left=7300.0), noteworthy=False))
    lines = shown(display, height=40, width=width).splitlines()
    assert max(map(len, lines)) <= width
    for state, line in zip(states, lines[1:], strict=False):
        assert "seed={seed}".format(**dict(state.planned.combination.values)) in line
        assert "  1000/1000  " in line
        assert "loss -" in line
    assert "..." not in "".join(lines)


def test_the_log_of_a_slow_batch_is_not_silent_for_long(
    written: tuple[BatchDisplay, io.StringIO], states: list[RunState], monkeypatch: pytest.MonkeyPatch
) -> None:
    display, stream = written
    running = replace(states[0], stage="running", epoch=3, epochs=5, scores={"loss": 0.25})
    display(RunChanged(running, noteworthy=False))
    monkeypatch.setattr(display._pace, "was_silent_long", lambda: True)
    display(RunChanged(running, noteworthy=False))
    assert stream.getvalue().splitlines()[1:] == [
        "batch      0/4 ended: 1 running, 3 waiting",
        "[1/4] running     small batch_size=32 seed=0  epoch 3/5  loss 0.2500",
    ]


def test_a_low_terminal_shows_the_most_interesting_runs(
    written: tuple[BatchDisplay, io.StringIO], states: list[RunState]
) -> None:
    display, _ = written
    display(RunChanged(replace(states[0], stage="completed"), noteworthy=True))
    display(RunChanged(replace(states[2], stage="running"), noteworthy=True))
    display(RunChanged(replace(states[3], stage="failed", reason="no luck"), noteworthy=True))
    lines = shown(display, height=6).splitlines()
    assert len(lines) == 4
    assert "batch_size=64 seed=0" in lines[1]
    assert "no luck" in lines[2]
    assert lines[3].startswith("2/4 ended: 1 failed, 1 running, 1 waiting, 1 completed")


def test_a_search_shows_its_trials_as_they_come_and_its_headline(states: list[RunState]) -> None:
    console, stream = Console(), io.StringIO()
    console.terminal = stream
    display = BatchDisplay(console)
    display(BatchStarted((), "2 on the CPU", what="search", total=500, headline=lambda: "best 0.981 (trial 7)"))
    trial = replace(states[0], stage="running", epoch=2, epochs=18, scores={"loss": 0.25})
    display(RunChanged(trial, noteworthy=True))
    display(RunChanged(replace(trial, stage="paused", reason="paused after epoch 2 of 18"), noteworthy=True))
    display(Stopping(1, is_late=True))
    assert stream.getvalue().splitlines() == [
        "search     2 on the CPU at a time",
        "[  1/500] running     small batch_size=32 seed=0  epoch 2/18  loss 0.2500",
        "[  1/500] paused      small batch_size=32 seed=0  epoch 2/18  loss 0.2500",
        "stopping   1 runs, at their next step; the time is up",
    ]
    lines = shown(display, height=40).splitlines()
    assert lines[1].split()[3:] == ["paused", "2/18", "loss", "0.2500"]
    assert [line.strip() for line in lines[2:]] == ["best 0.981 (trial 7)", "0/500 ended: 1 paused"]


def test_of_thousands_of_trials_the_display_keeps_those_that_run_and_the_latest(states: list[RunState]) -> None:
    display = BatchDisplay(Console(quiet=True))
    display(BatchStarted((), "2 on the CPU", what="search"))
    for number in range(1, 401):
        state = replace(states[0], planned=replace(states[0].planned, number=number), stage="running")
        display(RunChanged(state, noteworthy=True))
        if number > 3:
            display(RunChanged(replace(state, stage="completed"), noteworthy=True))
    assert len(display._states) < 150
    assert [*display._states][:4] == [1, 2, 3, 301]
    assert shown(display, height=8).splitlines()[-1].strip() == "397 ended: 3 running, 397 completed"


def test_the_final_table_names_the_failed_runs(
    states: list[RunState], capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    ended = [replace(state, stage="failed", reason="was killed by signal 9 (SIGKILL)") for state in states]
    show_table(make_table(ended), csv=tmp_path / "table.csv", as_json=False)
    out = capsys.readouterr().out
    assert out.splitlines()[0].split() == ["batch_size", "seed", "val_loss", "status", "run"]
    assert out.count("failed: was killed by signal 9 (SIGKILL)") == 4
    assert out.splitlines()[-1].split() == ["64", "0", "of", "2", "-", "-"]
    assert (tmp_path / "table.csv").read_text().count("\n") == 5


@pytest.mark.parametrize("width", [60, 80, 120])
def test_the_final_table_fits_the_terminal_and_shows_every_reason_in_full(
    states: list[RunState], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, width: int
) -> None:
    monkeypatch.setattr("dlrun.cli.batch.table.output_width", lambda: width)
    reason = "the loss became nan after step 12 of epoch 3, " * 3
    ended = [
        replace(
            state, stage="failed", reason=reason, folder=Path(f"runs/20261128-114727-{'long_name' * 3}-db4{number}")
        )
        for number, state in enumerate(states)
    ]
    show_table(make_table(ended), csv=None, as_json=False)
    out = capsys.readouterr().out
    assert max(map(len, out.partition("\nfailed ")[0].split("\n"))) <= width
    assert all(f"db4{number}" in out for number in range(4))
    assert out.count(reason.strip()) == 4
