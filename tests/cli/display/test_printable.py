"""No text reaches the terminal with a character that the terminal would obey."""

import unicodedata

import pytest

from dlrun.cli.display.printable import printable, printable_cell, printable_text


@pytest.mark.parametrize("char", ["\x1b", "\x9b", "\x07", "\u202e", "\u200b", "\udce9", "\u2028"])
def test_control_and_invisible_characters_are_escaped(char: str) -> None:
    for written in (printable(char), printable_cell(char), printable_text(char)):
        assert written == ascii(char)[1:-1]


def test_lines_stay_lines_and_a_cell_is_one_line() -> None:
    assert printable("a\tb\nc") == "a\tb\nc"
    assert printable_cell("a\tb\nc") == r"a\tb\nc"


def test_letters_of_every_language_stay() -> None:
    text = "Zürich 東京 Ελλάδα 😀"
    assert all(unicodedata.category(char) != "Cc" for char in text)
    assert printable(text) == printable_cell(text) == printable_text(text) == text


def test_long_lines_and_cells_are_cut_and_values_are_not() -> None:
    assert printable("a" * 5000 + "\nb") == "a" * 4000 + "...\nb"
    assert printable_cell("a" * 400) == "a" * 300 + "..."
    assert printable_text("a" * 5000) == "a" * 5000
