import math
from pathlib import Path

import pytest

from dlrun.errors import SpecError
from dlrun.yaml_tree.source import MAX_BYTES, parse_yaml, read_yaml


def parse(text: str) -> object:
    root, problems = parse_yaml(text, origin="x.yaml")
    assert not problems
    return root.plain()


def problems_of(text: str) -> list[tuple[int, int, str]]:
    try:
        _, problems = parse_yaml(text, origin="x.yaml")
    except SpecError as error:
        problems = list(error.problems)
    return [(problem.line, problem.column, problem.what) for problem in problems]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1e-3", 0.001),
        ("1E5", 1e5),
        ("-.5", -0.5),
        ("5.", 5.0),
        ("010", 10),
        ("0o17", 15),
        ("0xff", 255),
        ("no", "no"),
        ("on", "on"),
        ("yes", "yes"),
        ("1_000", "1_000"),
        ("12:30:00", "12:30:00"),
        ("2026-01-01", "2026-01-01"),
        ("true", True),
        ("~", None),
        ("'1'", "1"),
        ("-.inf", -math.inf),
        ("gpu:0", "gpu:0"),
    ],
)
def test_scalars_follow_yaml_1_2(text: str, value: object) -> None:
    found = parse(f"key: {text}")
    assert found == {"key": value}
    assert type(found["key"]) is type(value)


def test_every_key_and_value_has_a_location() -> None:
    root, _ = parse_yaml("a: 1\nb:\n  c: [10, {d: 20}]\n", origin="x.yaml")
    place = root.at(("b", "c", 1, "d")).place
    assert (place.line, place.column, place.text) == (3, 15, "  c: [10, {d: 20}]")
    assert (root.key_places["b"].line, root.key_places["b"].column) == (2, 1)


def test_all_refused_features_are_reported_at_once() -> None:
    text = "a: &x 1\nb: *x\nc: !!python/object:os.system 2\nd: 1\nd: 2\n"
    found = problems_of(text)
    assert [(line, column) for line, column, _ in found] == [(1, 4), (2, 4), (3, 4), (5, 1)]
    assert [what.split()[1] for *_, what in found] == ["anchor", "alias", "tag", "key"]


def test_a_merge_key_is_an_ordinary_key() -> None:
    assert parse("<<: 1") == {"<<": 1}


def test_a_second_document_is_refused() -> None:
    assert problems_of("a: 1\n---\nb: 2\n")[0][0] == 2


def test_an_empty_file_is_refused() -> None:
    assert "empty" in problems_of("# nothing\n")[0][2]


@pytest.mark.parametrize("text", ["a: [1, 2", "a: b: c", "\ta: 1", "a: 'x", "{" * 60, "a: \x01", "- - [}"])
def test_invalid_yaml_is_a_problem_with_a_location(text: str) -> None:
    assert problems_of(text)


def test_a_tab_is_reported() -> None:
    assert "tab" in problems_of("a:\n\tb: 1\n")[0][2]


def test_deep_nesting_is_refused_instead_of_overflowing_the_stack() -> None:
    assert "nested deeper" in problems_of("[" * 2000 + "]" * 2000)[0][2]


def test_a_very_long_number_is_text() -> None:
    assert parse("a: " + "9" * 5000) == {"a": "9" * 5000}


def test_a_file_over_1_mib_is_refused_unread(tmp_path: Path) -> None:
    path = tmp_path / "x.yaml"
    path.write_bytes(b"a: 1\n" + b"#" * MAX_BYTES)
    with pytest.raises(SpecError, match="larger than 1 MiB"):
        read_yaml(path)


def test_a_binary_file_is_reported_as_such(tmp_path: Path) -> None:
    path = tmp_path / "x.yaml"
    path.write_bytes(b"a: 1\nb: \xff\xfe\n")
    with pytest.raises(SpecError, match="line 2 is not UTF-8"):
        read_yaml(path)


def test_a_missing_file_and_a_folder_are_problems(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match="dlrun init"):
        read_yaml(tmp_path / "none.yaml")
    with pytest.raises(SpecError, match="is a folder, not a config"):
        read_yaml(tmp_path)


def test_windows_line_ends_and_a_byte_order_mark_are_read(tmp_path: Path) -> None:
    path = tmp_path / "x.yaml"
    path.write_bytes(b"\xef\xbb\xbfa: 1\r\nb: 2\r\n")
    root, _ = read_yaml(path)
    assert root.plain() == {"a": 1, "b": 2}
    assert root.key_places["b"].line == 2
