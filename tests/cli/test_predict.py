"""`dlrun predict` as a person runs it."""

import io
import sys

import pytest

from dlrun.cli.predict import standard_output


def test_a_terminal_gets_no_control_characters_of_a_name_and_a_program_gets_them_all(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    for stream, said in ((Terminal(), "a\\x1b[31m,b\n"), (io.StringIO(), "a\x1b[31m,b\n")):
        monkeypatch.setattr(sys, "stdout", stream)
        standard_output().write("a\x1b[31m,b\n")
        assert stream.getvalue() == said
