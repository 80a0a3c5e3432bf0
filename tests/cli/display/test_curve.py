"""Curves drawn with characters."""

import io
import math
from pathlib import Path

import pytest

from dlrun.cli.display.console import Console
from dlrun.cli.display.curve import draw_curves, learning_curve, takes_braille
from dlrun.cli.display.display import Display
from dlrun.runs.folder import RunFolder
from dlrun.training.progress.events import RunCreated, TrainingDone

FALLING = [(float(epoch), 1.0 - epoch / 20) for epoch in range(1, 11)]
FLAT = [(float(epoch), 0.5) for epoch in range(1, 11)]


def test_a_falling_curve_goes_from_the_top_left_to_the_bottom_right() -> None:
    lines = draw_curves({"loss": FALLING}, braille=False, width=10, height=5)
    assert [line[13:23].rstrip() for line in lines[:5]] == ["**", "  **", "    **", "      **", "        **"]
    assert lines[0].startswith("     0.9500 |*")
    assert lines[4].startswith("     0.5000 |")
    assert lines[4].endswith("* loss 0.5000")
    assert lines[5].split() == ["1", "epoch", "10"]


def test_braille_has_the_same_shape_in_finer_dots() -> None:
    lines = draw_curves({"loss": FALLING}, braille=True, width=10, height=5)
    cells = [line[13:23] for line in lines[:5]]
    assert all(char == " " or 0x2801 <= ord(char) <= 0x28FF for cell in cells for char in cell)
    starts = [len(cell) - len(cell.lstrip()) for cell in cells]
    assert starts == sorted(starts)
    assert (starts[0], cells[4].rstrip()[-1]) == (0, "⢄")


def test_two_curves_differ_without_colour() -> None:
    ascii_lines = draw_curves({"loss": FALLING, "val_loss": FLAT}, braille=False)
    assert any("* loss" in line for line in ascii_lines)
    assert any("+ val_loss" in line for line in ascii_lines)
    assert "".join(ascii_lines).count("+") > 30
    solid = draw_curves({"a": FLAT}, braille=True)[5]
    dotted = draw_curves({"b": [], "a": FLAT}, braille=True)[5]
    assert solid.count("⠉") == 60
    assert 0 < sum(char != " " for char in dotted[13:73]) < 60


def test_labels_that_end_at_one_height_all_stay() -> None:
    lines = draw_curves(dict.fromkeys("abcdef", FLAT), braille=False, height=6)
    assert sorted(line.split()[-2] for line in lines[:6]) == list("abcdef")


@pytest.mark.parametrize(
    "curve",
    [
        [(1.0, 1e308), (2.0, -1e308), (3.0, 0.0)],
        [(1.0, 5e-324), (2.0, 1e308)],
        [(1.0, None), (2.0, 3.0), (3.0, None)],
        [(1.0, 2.0), (1.0, 3.0), (1.0, 1.0)],
        [(1e308, 1.0), (-1e308, 2.0)],
        [(float(n), math.sin(n)) for n in range(5000)],
        [(0.0, 0.0)],
    ],
)
@pytest.mark.parametrize("braille", [True, False])
def test_any_numbers_are_drawn_in_one_frame(curve: list[tuple[float, float | None]], *, braille: bool) -> None:
    lines = draw_curves({"x": curve}, braille=braille)
    assert len(lines) == 11
    assert max(map(len, lines)) < 120


@pytest.mark.parametrize("braille", [True, False])
@pytest.mark.parametrize("columns", [60, 80, 120])
def test_a_curve_and_its_labels_fit_the_terminal(columns: int, *, braille: bool) -> None:
    rows = [{"epoch": epoch, "loss": 1e-30 * epoch, "val_loss": 0.5} for epoch in range(1, 1001)]
    lines = [
        *learning_curve(rows, encoding="utf-8" if braille else "ascii", columns=columns),
        *draw_curves({"20261128-114727-a_long_name-db43": FALLING}, braille=braille, columns=columns),
    ]
    assert max(map(len, lines)) <= columns
    assert any(line.endswith(" val_loss 0.5000") for line in lines)
    assert any(line.endswith(" 0.5000") and " 20261128" in line for line in lines[11:])
    assert max(len(line) for line in lines) > columns - 8 or columns == 120


def test_nothing_is_drawn_of_nothing() -> None:
    assert draw_curves({}, braille=True) == []
    assert draw_curves({"x": [(1.0, None)], "y": []}, braille=True) == []


def test_a_scale_of_many_powers_is_logarithmic() -> None:
    lines = draw_curves({"loss": [(float(n), 10.0**-n) for n in range(5)]}, braille=False, width=9, height=5)
    assert lines[-1].endswith("logarithmic")
    assert [line[13:22][2 * row] for row, line in enumerate(lines[:5])] == ["*"] * 5


def test_fewer_than_three_epochs_make_no_curve() -> None:
    rows = [{"epoch": epoch, "loss": 1.0 / epoch} for epoch in (1, 2, 3)]
    assert learning_curve(rows[:2], encoding="utf-8") == []
    assert len(learning_curve(rows, encoding="utf-8")) == 11
    assert learning_curve([{"epoch": epoch} for epoch in (1, 2, 3)], encoding="utf-8") == []


def test_a_terminal_without_braille_gets_ascii(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    assert [takes_braille(name) for name in ("utf-8", "ascii", "latin-1", "no such", None)] == [True, *[False] * 4]
    monkeypatch.setenv("TERM", "linux")
    assert not takes_braille("utf-8")
    rows = [{"epoch": epoch, "loss": 1.0 / epoch} for epoch in (1, 2, 3)]
    assert "\n".join(learning_curve(rows, encoding="utf-8")).isascii()


class Terminal(io.StringIO):
    """A stream that claims to be a terminal."""

    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("stream", "quiet", "epochs", "drawn"),
    [
        (Terminal, False, 3, True),
        (Terminal, False, 2, False),
        (Terminal, True, 3, False),
        (io.StringIO, False, 3, False),
    ],
)
def test_a_person_sees_the_curve_when_training_ends(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stream: type[io.StringIO], epochs: int, *, quiet: bool, drawn: bool
) -> None:
    monkeypatch.setenv("TERM", "xterm")
    folder = RunFolder.create(tmp_path, name="x")
    for epoch in range(1, epochs + 1):
        folder.append_metrics({"epoch": epoch, "loss": 1 / epoch, "val_loss": 2 / epoch})
    display = Display(Console(quiet=quiet))
    display.console.terminal = stream()
    monkeypatch.setattr(display.console, "open_log", lambda _path: None)
    display(RunCreated(folder.id, folder.path, folder.log_txt))
    display(TrainingDone("", 12.0, 0.0))
    assert (" val_loss 0.6667" in display.console.terminal.getvalue()) == drawn
    folder.metrics_jsonl.write_bytes(b"damaged\n{}\n")
    display(TrainingDone("", 12.0, 0.0))
