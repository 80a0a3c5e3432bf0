"""Messages on a terminal."""

import io

import pytest

from dlrun.cli.display.terminal import tell, wrapped_message

MESSAGE = """cfg.yaml:3:9: the model has no layer of this type, as far as is known here
    type: cmn_of_a_kind_that_nobody_has_heard_of_so_far_and_that_is_long
          ^
  expected: one of a list that takes more cells than there are in a line of a terminal
  hint: dlrun components model"""


def test_messages_wrap_between_words_and_quoted_lines_stay_above_their_mark() -> None:
    assert wrapped_message(MESSAGE, 60).split("\n") == [
        "cfg.yaml:3:9: the model has no layer of this type, as far as",
        "  is known here",
        "    type: cmn_of_a_kind_that_nobody_has_heard_of_so_far_and_that_is_long",
        "          ^",
        "  expected: one of a list that takes more cells than there",
        "    are in a line of a terminal",
        "  hint: dlrun components model",
    ]


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_pipe_gets_unwrapped_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    for stream, lines in ((io.StringIO(), 5), (Terminal(), 8)):
        monkeypatch.setattr("sys.stderr", stream)
        tell(MESSAGE)
        assert len(stream.getvalue().splitlines()) == lines
