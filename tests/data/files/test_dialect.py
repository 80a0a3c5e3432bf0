"""A CSV file is understood alike as a table and as texts: its encoding, delimiter and quotes, and what is said."""

import codecs
import gzip
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from dlrun.data.columns import TableFiles
from dlrun.data.files.data_file import FileFormat
from dlrun.data.files.dialect import read_dialect
from dlrun.data.files.encoding import detect_encoding, notes_of
from dlrun.data.text.files import files_of
from dlrun.data.text.rows import TextReading
from dlrun.errors import DataError

ROWS = [("a, b; c | d\te", "ja"), ('line one\nline "two"', "nein"), ("schön é", "ja")]
GREEK = "text,label\n" + "καλή ταινία,ναι\n" * 20  # noqa: RUF001  its letters are like Latin ones
WIDE = "text,label" + "".join(f",number {n}" for n in range(30_000)) + "\nx,a" + "," * 30_000 + "\n"
DELIMITERS = {"comma": ",", "semicolon": ";", "tab": "\t", "pipe": "|"}
# Without the time of day, which would be in the names of the tests, and another in each process that collects them.
CUT = gzip.compress(b"text,label\nx,a\n" * 999, mtime=0)[:-9]
DAMAGED = gzip.compress(b"text,label\nx,a\n", mtime=0)[:10] + b"\xff" * 30


def written(rows: list[tuple[str, str]], mark: str, *, label: str = "label") -> str:
    def quoted(value: str) -> str:
        return '"' + value.replace('"', '""') + '"'

    return "".join(mark.join(map(quoted, row)) + "\n" for row in [("text", label), *rows])


def as_table(path: Path, label: str = "label", **keys: Any) -> tuple[list[tuple[Any, Any]], tuple[str, ...]]:
    table = TableFiles.open(str(path), FileFormat(**keys))
    blocks = [block.columns for block in table.blocks(table.names)]
    return [
        row for block in blocks for row in zip(*(block[name].to_pylist() for name in ("text", label)), strict=True)
    ], table.notes


def as_texts(path: Path, label: str = "label", **keys: Any) -> tuple[list[tuple[Any, Any]], tuple[str, ...]]:
    files = files_of(str(path), TextReading(label=label, **keys))
    rows = [(row.text, row.label) for file in files for row in file.rows(labelled=True)]
    return rows, tuple(notes_of(found for file in files for found in file.detected()))


def both(path: Path) -> Iterator[str]:
    """What is said of a file that cannot be read, as a table and as texts."""
    for read in (as_table, as_texts):
        with pytest.raises(DataError) as caught:
            read(path)
        yield str(caught.value)


@pytest.mark.parametrize("delimiter", DELIMITERS)
@pytest.mark.parametrize(
    ("encoding", "mark", "name", "why"),
    [
        ("utf-8", b"", "", ""),
        ("utf-8", codecs.BOM_UTF8, "", ""),
        ("utf-16-le", codecs.BOM_UTF16_LE, "utf-16", "detected from its first bytes"),
        ("utf-16-be", codecs.BOM_UTF16_BE, "utf-16", "detected from its first bytes"),
        ("utf-16-le", b"", "utf-16-le", "detected from its zero bytes"),
        ("utf-16-be", b"", "utf-16-be", "detected from its zero bytes"),
        ("utf-32", b"", "utf-32", "detected from its first bytes"),
        ("cp1252", b"", "cp1252", "because line 5 is not UTF-8"),
    ],
)
def test_texts_and_tables_understand_the_same_bytes_alike(
    encoding: str, mark: bytes, name: str, why: str, delimiter: str, tmp_path: Path
) -> None:
    label = f"label{DELIMITERS[delimiter]} or so"  # a delimiter in the header, in quotes
    content = mark + written(ROWS, DELIMITERS[delimiter], label=label).encode(encoding)
    for path, data in ((tmp_path / "a.csv", content), (tmp_path / "a.csv.gz", gzip.compress(content, mtime=0))):
        path.write_bytes(data)
        notes = [f"encoding: {name} for {path}, {why} (key `encoding`)"] if name else []
        if delimiter != "comma":
            notes.append(f"delimiter: {delimiter} for {path}, detected from its first lines (key `delimiter`)")
        assert as_table(path, label) == as_texts(path, label) == (ROWS, tuple(notes))


@pytest.mark.parametrize(
    ("name", "content", "rows", "said"),
    [
        ("a.csv", b"\n\r\ntext,label\nx,a\n", [("x", "a")], []),
        ("a.csv", b"text;label\nx, y, z;a\nu, v;b\n", [("x, y, z", "a"), ("u, v", "b")], ["delimiter: semicolon"]),
        ("a.tsv", b"text\tlabel\ta, b, c, d\nx, y, z, u\ta\tv\n", [("x, y, z, u", "a")], []),
        ("a.tsv", b"text,label\nx,a\n", [("x", "a")], ["delimiter: comma"]),
        ("a.csv", b"text,label\none zero byte\0 in UTF-8,a\n", [("one zero byte\0 in UTF-8", "a")], []),
        ("a.csv", GREEK.encode("utf-16-be"), [tuple(GREEK.splitlines()[1].split(","))] * 20, ["encoding: utf-16-be"]),
        ("a.csv", b"text,label\n\x81,a\n", [("\x81", "a")], ["encoding: latin-1"]),
        ("a.csv", WIDE.encode(), [("x", "a")], []),
    ],
)  # fmt: skip
def test_files_that_are_written_oddly_are_understood_alike(
    name: str, content: bytes, rows: Any, said: list[str], tmp_path: Path
) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    found, notes = as_table(path)
    assert (found, [note for note in notes if not note.startswith("names:")]) == (rows, list(as_texts(path)[1]))
    assert as_texts(path)[0] == rows
    assert [note.partition(" for ")[0] for note in as_texts(path)[1]] == said


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("a.csv", b"\n\n", "a.csv has no lines\nexpected: a line of column names"),
        ("a.csv", b"\x00\x01\x02\x03" * 9, "a.csv is not text: it contains zero bytes"),
        ("a.csv", "text,label\na\0b c d e f,é\n".encode("cp1252"), "hint: if it is UTF-16, set `encoding:"),
        (
            "a.csv",
            codecs.BOM_UTF8 + b"text,label\nx,a\ncaf\xe9,b\n",
            "a.csv:3 is not encoded in utf-8-sig\nexpected: text in",
        ),
        ("a.csv", b'text,label\nx,a\n\n"open,a\nx,b\n', "a.csv:4: the row that begins here cannot be parsed"),
        ("a.csv.gz", CUT, "a.csv.gz cannot be read: Compressed file ended"),
        ("a.csv.gz", DAMAGED, "a.csv.gz cannot be read: Error -3"),
    ],
)
def test_the_same_is_said_of_files_that_cannot_be_read(name: str, content: bytes, said: str, tmp_path: Path) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    for message in both(path):
        assert said in message


def test_a_line_that_is_not_in_the_encoding_that_was_said_is_named(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes(b"text,label\n" + b"x,a\n" * 99_999 + b"caf\xe9,b\n")
    for read in (as_table, as_texts):
        with pytest.raises(DataError, match=r"a.csv:100001 is not encoded in utf-8\n[\s\S]*hint: set `encoding: auto`"):
            read(path, encoding="utf-8")


def test_the_mark_of_an_encoding_that_was_said_is_no_part_of_a_name(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    for name in ("utf-8", "utf-16-le"):
        path.write_bytes("\ufefftext,label\nx,a\n".encode(name))
        assert as_table(path, encoding=name) == as_texts(path, encoding=name) == ([("x", "a")], ())


def test_a_note_names_the_first_of_the_files_that_are_alike(tmp_path: Path) -> None:
    for number in range(3):
        (tmp_path / f"{number}.csv").write_bytes(b"text;label\n" + b"x;a\n" * number + b"\xe9;b\n")
    (tmp_path / "3.csv").write_bytes(b"text,label\nx,a\n")
    path = tmp_path / "*.csv"
    assert as_table(path) == as_texts(path)
    assert as_table(path)[1] == (
        f"encoding: cp1252 for {tmp_path}/0.csv and 2 more, because line 2 is not UTF-8 (key `encoding`)",
        f"delimiter: semicolon for {tmp_path}/0.csv and 2 more, detected from its first lines (key `delimiter`)",
    )


def test_the_names_of_columns_are_known_from_the_beginning_of_a_file(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes(b"text,label\n" + b"some words,a\n" * 100_000 + b"caf\xe9,b\n")
    assert detect_encoding(str(path), head_only=True).name == "utf-8"
    assert detect_encoding(str(path)).name == "cp1252"
    assert read_dialect(str(path), head_only=True).first == ("text", "label")


@pytest.mark.parametrize(
    ("lines", "options"),
    [
        (["18.0   8   307.0\tford", "15.0   8   350.0\tbuick", "9.5    4   97.00\taudi"], "header=None"),
        (["A11 6 A34 1169 1", "A12 48 A32 5951 2", "A14 12 A34 2096 1"], "header=None"),
        (["a b c", "1 2 x", "3 4 y", "5 6 z"], "index=False)"),
    ],
)  # fmt: skip
def test_a_table_whose_values_are_parted_by_blanks_is_refused_with_the_line_that_converts_it(
    lines: list[str], options: str, tmp_path: Path
) -> None:
    path = tmp_path / "auto.data"
    path.write_text("\n".join(lines))
    with pytest.raises(DataError, match="separated by spaces") as raised:
        TableFiles.open(str(path))
    assert options in raised.value.hint
    assert "auto.csv" in raised.value.hint


@pytest.mark.parametrize(
    "lines",
    [
        ["pixels", "70 80 82", "1 2 3", "4 5 6"],
        ["1 2 3\tcat", "4 5 6\tdog", "7 8 9\tcat"],
        ["a film to see", "not one for me", "an hour too long"],
        ["1 2 3,cat", "4 5 6,dog", "7 8 9,cat"],
    ],
)
def test_values_of_several_words_or_numbers_are_not_taken_for_columns(lines: list[str], tmp_path: Path) -> None:
    path = tmp_path / "data.csv"
    path.write_text("\n".join(lines))
    assert not read_dialect(str(path)).is_spaced


def test_texts_of_a_file_of_any_name_are_read_where_its_lines_have_columns(tmp_path: Path) -> None:
    path = tmp_path / "SMSSpamCollection"
    path.write_text("label\ttext\nham\tsee you\nspam\twin, now\n")
    assert [row.text for row in files_of(str(path), TextReading())[0].rows(labelled=True)] == ["see you", "win, now"]
    path.write_text("see you, later\nwin\n")
    with pytest.raises(DataError, match="not a supported type") as raised:
        files_of(str(path), TextReading())
    assert "separate the values" in raised.value.hint
