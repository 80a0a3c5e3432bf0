"""Lines that fit a terminal."""

import pytest
from rich.cells import cell_len

from dlrun.cli.display.lines import ALWAYS, LineFitter, LinePart, join, wrap_line


@pytest.mark.parametrize("width", [40, 60, 80, 120])
def test_a_line_is_wrapped_between_words_and_keeps_its_text(width: int) -> None:
    text = (
        "data       validation: 36 of 353 training examples held out, at random, seed 0; 東京 is " + "x" * 9 + " wide"
    )
    lines = wrap_line(text, width, indent=11).split("\n")
    assert all(cell_len(line) <= width for line in lines)
    assert all(line.startswith(" " * 11) for line in lines[1:])
    assert " ".join(lines).split() == text.split()


def test_statements_separated_by_two_spaces_stay_whole() -> None:
    assert wrap_line("test       loss 0.5  accuracy 0.91  auc 0.5", 30, indent=11) == (
        "test       loss 0.5\n           accuracy 0.91\n           auc 0.5"
    )


def test_a_path_without_spaces_stays_whole() -> None:
    assert wrap_line("run        /" + "a" * 80, 40, indent=11).split("\n")[-1].endswith("a" * 80)


def test_a_word_that_needs_the_room_is_not_indented_and_a_command_stays_in_one_line() -> None:
    assert wrap_line("best       loss: " + "a" * 38, 40, indent=11) == "best       loss:\n  " + "a" * 38
    command = "look       dlrun runs show 20261128-11"
    assert wrap_line(command, 30, indent=11, is_command=True) == "look\n   dlrun runs show 20261128-11"


def test_a_command_at_the_end_of_a_sentence_stays_in_one_line() -> None:
    command = "dlrun resume 20261128-11 --set training.epochs=24"
    lines = wrap_line(f"longer     the last epoch is the best so far, and more may be better: {command}", 60, indent=11)
    assert lines.split("\n") == [
        "longer     the last epoch is the best so far, and more may",
        "           be better:",
        " " * 11 + command,
    ]


@pytest.mark.parametrize(
    "command",
    [
        "dlrun train /tmp/x/spec.yaml",
        "dlrun runs ls --where loss<0.1",
        "dlrun resume last",
        "dlrun predict best:val_loss rows.csv",
        "dlrun batch CONFIG --grid KEY=VALUE",
        "--set training.epochs=20",
    ],
)
def test_a_command_inside_a_sentence_stays_in_one_line_and_the_words_after_it_do_not_count(command: str) -> None:
    words = "goes on with what was trained before the machine was switched off"
    for width in range(30, 100, 7):
        lines = wrap_line(f"  hint: look at it, {command} {words}", width, indent=4).split("\n")
        assert any(command in line for line in lines)
        assert all(len(line) <= max(width, len(command) + 4) for line in lines)
        assert " ".join(map(str.strip, lines)) == f"hint: look at it, {command} {words}"


def test_a_part_left_out_of_one_line_stays_out_until_the_terminal_is_wider() -> None:
    fitter, wide, small = LineFitter(), LinePart("b", "x" * 30, 10), LinePart("b", "x", 10)
    kept = LinePart("a", "epoch", ALWAYS)
    assert fitter.fit([kept, wide], 20) == [kept]
    assert fitter.fit([kept, small], 20) == [kept]
    assert fitter.fit([kept, small], 80) == [kept, small]


def test_a_name_is_shortened_before_its_score_is_left_out() -> None:
    fitted = LineFitter().fit(
        [LinePart("e", "epoch 1", ALWAYS), LinePart("m", "0.5000", 85, name="much_too_long_a_name")], 26
    )
    assert join(fitted) == "epoch 1  much_too.. 0.5000"
