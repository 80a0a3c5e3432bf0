"""The same bytes mean the same from a pipe as from a file, for every kind of data."""

import gzip
import io
import json
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pyarrow as pa
import pytest
from pyarrow import parquet

from dlrun.data.files.header import Header
from dlrun.data.table.source import Table
from dlrun.data.text.files import files_of
from dlrun.data.text.rows import TextReading
from dlrun.data.text.source import Text
from dlrun.errors import DataError

READING = TextReading("review", "mood")
CSV = 'mood,review\ngood,"fine, really"\nbad,"a line\nof two"\n'
MOODS = ["good", "bad"]
TEXTS = ["fine, really", "a line\nof two"]


@pytest.fixture
def pipe(monkeypatch: pytest.MonkeyPatch) -> Any:
    def write(content: bytes | str) -> None:
        given = content.encode() if isinstance(content, str) else content
        monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO(given)))

    return write


def read(reading: TextReading = READING, *, labelled: bool = False) -> list[tuple[str, str | None]]:
    (file,) = files_of("-", reading)
    return [(row.text, row.label) for row in file.rows(labelled=labelled)]


def packed_table() -> bytes:
    buffer = io.BytesIO()
    parquet.write_table(pa.table({"review": TEXTS, "mood": ["good", "bad"]}), buffer)
    return buffer.getvalue()


@pytest.mark.parametrize(
    "content",
    [
        CSV,
        CSV.replace(",", ";").replace("fine;", "fine,"),
        "\ufeff" + CSV,
        CSV.encode("utf-16"),
        gzip.compress(CSV.encode(), mtime=0),
        "\n".join(
            json.dumps({"review": text, "mood": mood}) for text, mood in zip(TEXTS, ("good", "bad"), strict=True)
        ),
        packed_table(),
    ],
)
def test_labels_and_texts_are_read_as_from_a_file(content: bytes | str, pipe: Any) -> None:
    pipe(content)
    assert read(labelled=True) == [*zip(TEXTS, ("good", "bad"), strict=True)]


@pytest.mark.parametrize(
    ("content", "place"),
    [
        (CSV + "one\n", "standard input, line 5 (row 3) has 1 value"),
        (json.dumps({"review": "a", "mood": "b"}) + "\n{}\n", "standard input, line 2: the object has no key"),
    ],
)
def test_a_row_of_texts_that_is_wrong_is_one_of_standard_input(content: str, place: str, pipe: Any) -> None:
    pipe(content)
    with pytest.raises(DataError) as caught:
        read(labelled=True)
    assert str(caught.value).startswith(place)
    pipe(CSV)
    assert files_of("-", READING)[0].place(2) == "standard input, line 2"


@pytest.mark.parametrize(("first", "is_doubted"), [("text,label", True), ("one more of them,good", False)])
def test_a_line_of_names_is_told_where_the_run_reads_files_without_one(
    first: str, is_doubted: bool, tmp_path: Path, pipe: Any
) -> None:
    rows = "".join(f"some words {row} here,{'good' if row % 2 else 'bad'}\n" for row in range(20))
    (tmp_path / "t.csv").write_text(rows)
    keys: dict[str, Any] = {"text": "column_1", "label": "column_2", "header": False}
    raw = Text(path=str(tmp_path / "t.csv"), **keys).load().raw
    assert raw is not None
    (tmp_path / "new.csv").write_text(f"{first}\n{rows}")
    pipe(f"{first}\n{rows}")
    for source, name in ((str(tmp_path / "new.csv"), "new.csv"), ("-", "standard input")):
        said = next(raw.read(source, at_once=50)).left_out
        assert (f"{name} looks like column names" in said) == is_doubted


def test_one_bad_row_does_not_make_lines_of_text_of_a_file_without_a_line_of_names(pipe: Any) -> None:
    reading = TextReading("column_1", "column_2", header=Header(present=False))
    pipe("fine,good\n" * 8 + "too,many,fields\n")
    with pytest.raises(DataError, match="line 9"):
        read(reading)


@pytest.mark.parametrize(
    "content",
    ["so fine, really\nbad\n", "one, two\nthree, four\nfive, six\n", "a,b\nc,d\n", "review it\n", "", "[1]\n{}x\n"],
)
def test_lines_of_text_are_texts(content: str, pipe: Any) -> None:
    pipe(content)
    assert [text for text, _ in read()] == content.splitlines()


def test_what_may_be_either_is_asked_about_and_can_be_said(pipe: Any) -> None:
    content = "stars,words\n5,fine\n1,bad\n"
    pipe(content)
    with pytest.raises(DataError, match=r"standard input looks like CSV .* has no column 'review'") as caught:
        read()
    assert "--set dataset.standard_input=lines" in caught.value.hint
    pipe(content)
    assert len(read(TextReading("review", "mood", standard_input="lines"))) == 3
    pipe("review\nfine\n")
    assert read(TextReading("review", "mood", standard_input="lines"))[0] == ("review", None)


def test_a_pipe_without_names_is_read_by_a_run_of_such_files(pipe: Any) -> None:
    pipe("good,fine words\nbad,other words\n")
    reading = TextReading("review", "mood", header=Header(present=False, names=("mood", "review")))
    assert [text for text, _ in read(reading)] == ["fine words", "other words"]


def test_the_key_reaches_what_a_run_reads(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text("text,label\n" + "".join(f"words {row},{row % 2}\n" for row in range(20)))
    raw: Any = Text(path=str(path)).load().raw
    assert raw.reading.standard_input == "auto"
    assert raw.read_as(Text(path=str(path), standard_input="csv")).reading.standard_input == "csv"


def test_a_table_from_a_pipe_is_called_standard_input(tmp_path: Path, pipe: Any) -> None:
    path = tmp_path / "t.csv"
    path.write_text("a,y\n" + "".join(f"{row}.5,{row % 2}\n" for row in range(20)))
    dataset = Table(path=str(path), target="y").load()
    assert dataset.raw is not None
    pipe(gzip.compress(path.read_bytes()))
    assert len(next(dataset.raw.read("-", at_once=50))) == 20
    pipe("a,y\n1.5,0\nx,1\n")
    with pytest.raises(DataError, match=r"^standard input, line 3 \(row 2\): column 'a' contains 'x'"):
        list(dataset.raw.read("-", at_once=50))
