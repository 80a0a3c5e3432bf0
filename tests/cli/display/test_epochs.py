"""The lines about epochs in terminals of any width, and the number of lines."""

import io
import itertools
from typing import Any

import pytest
from rich.console import Console as RichConsole

from dlrun.cli.display.epochs import LONGEST_SILENCE, EpochPace, LiveLine, TrainingLines
from dlrun.training.progress.events import EpochDone, StepsDone

ROW = {"step": 8, "examples_per_second": 1_234_567.0, "data_wait": 0.35, "learning_rate": 0.1}
LONG = "val_mean_absolute_percentage_error_of_the_second_target"
SCORES: dict[str, dict[str, Any]] = {
    "short": {"loss": 0.25, "accuracy": 0.5, "val_loss": 0.75, "val_accuracy": 0.5},
    "long": {"loss": 2.595e4, LONG.removeprefix("val_"): 161.0891, "val_loss": 1.5, LONG: 3e-9},
    "several targets": {
        "loss": 1.0,
        **{
            f"{split}r2_of_{name}": -3.5
            for split in ("", "val_")
            for name in ("price", "wear", "$x", "\x1b[2J", "東京")
        },
        "val_loss": 2.0,
    },
    "undefined": {"loss": None, "auc": float("nan"), "val_loss": None, "val_auc": None},
}
MONITORS = {"short": "val_loss", "long": LONG, "several targets": "val_loss", "undefined": "val_auc"}


@pytest.mark.parametrize("width", [60, 80, 120])
@pytest.mark.parametrize("kind", SCORES)
@pytest.mark.parametrize("epochs", [3, 1000])
def test_every_line_fits_and_keeps_the_epoch_the_loss_and_the_monitored_score(
    kind: str, epochs: int, width: int
) -> None:
    lines, monitor = TrainingLines(MONITORS[kind]), MONITORS[kind]
    for epoch in (1, 2, epochs):
        done = EpochDone(epoch, epochs, {"epoch": epoch, "seconds": 7e4, **ROW, **SCORES[kind]}, is_best=epoch != 2)
        line = lines.epoch_line(done, width)
        assert (len(console(width).render_lines(line)), "\x1b" in line) == (1, False)
        assert line.startswith(f"epoch {epoch:>{len(str(epochs))}}/{epochs}  loss ")
        assert monitor[:6] in line
        assert line.endswith("best") == (epoch == epochs)
        live = LiveLine(lines, epochs)
        live.event = StepsDone(epoch, 123_456, 999_999, SCORES[kind], 1e6, 4000.0)
        [drawn] = console(width).render_lines(live, pad=False)
        text = "".join(segment.text for segment in drawn)
        assert text.startswith(f"epoch {epoch}/{epochs}  ")
        assert "  loss " in text
        assert monitor[:6] in text
        assert "\x1b" not in text


def test_the_live_line_shows_only_the_monitored_validation_score() -> None:
    lines = TrainingLines("val_accuracy")
    lines.epoch_line(EpochDone(1, 3, {"epoch": 1, "seconds": 1.0, **ROW, **SCORES["short"]}, is_best=True), 120)
    line = lines.live_line(StepsDone(2, 41, 41, SCORES["short"], 12_345.0, 1.2), 3, 120).plain
    assert line == (
        "epoch 2/3  ━━━━━━━━━━  41/41  1.2 s left  loss 0.2500  accuracy 0.5000  val_accuracy 0.5000  12,345/s  "
        "best: epoch 1"
    )


def test_a_wide_terminal_has_everything_and_a_narrow_one_loses_speed_first_and_loss_last() -> None:
    done = EpochDone(1, 1000, {"epoch": 1, "seconds": 1.0, **ROW, **SCORES["short"]}, is_best=False)
    told = []
    for width in (150, 100, 92, 84, 70, 55, 44, 36, 24):
        line = TrainingLines("val_accuracy").epoch_line(done, width)
        told.append([name for name in ("1,234,567/s", "data wait", "1.0 s", " accuracy", "val_loss", "val_acc", " loss")
                     if name in line])  # fmt: skip
        assert line.startswith("epoch    1/1000")
    assert [len(names) for names in told] == sorted((len(names) for names in told), reverse=True)
    assert all(names == told[0][-len(names) :] for names in told if names)
    assert (len(told[0]), told[-2]) == (7, [" loss"])


@pytest.mark.parametrize("epochs", [1, 2, 29, 30, 31, 60, 99, 100, 101, 1000, 9999, 10_000, 123_456])
def test_a_training_of_any_length_has_about_thirty_lines_with_the_first_and_the_last(epochs: int) -> None:
    assert 1 <= len(printed := printed_epochs(epochs, seconds=0.01)) <= 31
    assert (printed[0], printed[-1]) == (1, epochs)
    assert len(printed) >= min(epochs, 10)


def test_a_log_of_a_slow_training_is_never_silent_for_long() -> None:
    printed = printed_epochs(1000, seconds=600.0)
    assert max(late - early for early, late in itertools.pairwise(printed)) * 600 <= LONGEST_SILENCE
    now = [0.0]
    pace = EpochPace(lambda: now[0])
    assert not pace.was_silent_long()
    now[0] = LONGEST_SILENCE
    assert pace.was_silent_long()
    event = StepsDone(1, 50, 200, {"loss": 0.5}, 10.0, 7200.0)
    assert TrainingLines().steps_line(event, 3) == "epoch 1/3  50/200  2:00 h left  loss 0.5000"


def test_best_is_marked_only_after_an_epoch_was_worse() -> None:
    lines, told = TrainingLines("loss"), []
    for epoch, is_best in enumerate([True, True, True, False, True, False], start=1):
        row = {"epoch": epoch, "seconds": 1.0, **ROW, "loss": 1.0}
        told.append(lines.epoch_line(EpochDone(epoch, 6, row, is_best), None).endswith("best"))
    assert told == [False, False, False, False, True, False]
    assert lines.best_epoch == 5


def printed_epochs(epochs: int, *, seconds: float) -> list[int]:
    now = [0.0]
    pace, printed = EpochPace(lambda: now[0]), []
    for epoch in range(1, epochs + 1):
        now[0] += seconds
        if pace.is_due(epoch, epochs):
            pace.printed()
            printed.append(epoch)
    return printed


def console(width: int) -> RichConsole:
    return RichConsole(file=io.StringIO(), width=width, force_terminal=True, legacy_windows=False)
