"""A syntax error is explained in terms of what the user typed."""

from pathlib import Path

import pytest

from dlrun.errors import SpecError
from dlrun.yaml_tree.source import read_yaml


@pytest.mark.parametrize(
    ("text", "message", "hint"),
    [
        ("a:\n\tb: 1\n", "does not allow tabs", "two spaces"),
        ("a: 'open\nb: 1\n", "starts on line 1 is not closed", "same quote"),
        ("seed:3\nname: x\n", "line 1 has no space after its colon", "seed: 3"),
        ("a: b: c\n", "two colons on one line", "in quotes"),
        ("model: cnn\n  units: 3\n", "indented more than line 1", "type: cnn"),
        ("a: {b: 1\nc: 2\n", "the bracket that opens on line 1 is not closed", "}"),
        ("a: @b\n", "cannot start a value", "in quotes"),
        ('path: "C:\\data"\n', "a backslash in double quotes", "single quotes"),
        ("a:\n    b: 1\n  c: 2\n", "indented by 2 spaces, unlike any line above", "same column"),
    ],
)
def test_the_message_names_the_mistake_and_the_way_out(text: str, message: str, hint: str, tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    path.write_text(text)
    with pytest.raises(SpecError) as caught:
        read_yaml(path)
    (problem,) = caught.value.problems
    assert message in problem.what
    assert hint in problem.hint
    assert problem.line
