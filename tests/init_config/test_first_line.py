"""A first line that looks like data is not taken for the names of columns."""

from pathlib import Path

from dlrun.init_config.first_line import FirstLine


def test_a_line_of_names_needs_no_keys(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("size,town\n1.5,x\n2.5,y\n")
    line = FirstLine.of(str(tmp_path / "a.csv"))
    assert (line.like, line.keys, list(line.lines()), list(line.messages())) == ("", {}, [], [])


def test_a_line_of_data_is_told_with_names_to_change(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("5.1,3.5,x\n4.9,3.0,y\n4.7,3.2,x\n")
    line = FirstLine.of(str(tmp_path / "a.csv"))
    assert line.keys == {"header": False}
    assert line.names == ("column_1", "column_2", "column_3")
    assert [key.name for key in line.lines()] == ["header", "names"]
    (message,) = line.messages()
    assert message.startswith("header: false")


def test_given_names_are_used_and_those_of_a_wide_table_are_not_listed() -> None:
    assert FirstLine(2, "5.1", ("a", "b")).keys == {"header": False, "names": ("a", "b")}
    assert [key.name for key in FirstLine(500, "5.1").lines()] == ["header"]
