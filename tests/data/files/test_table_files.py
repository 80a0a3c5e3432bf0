"""Files as they come: every way to write a table is read, and whatever is broken is told with its line."""

import gzip
from pathlib import Path

import pyarrow as pa
import pytest
from pyarrow import parquet

from column_tables import Write, planned
from dlrun.data.columns import ColumnKeys, TableFiles
from dlrun.data.columns.texts import known_values
from dlrun.data.files.data_file import FileFormat
from dlrun.errors import DataError


def read(source: str, delimiter: str | None = None) -> dict[str, list[object]]:
    table = TableFiles.open(source, FileFormat(delimiter=delimiter))
    columns: dict[str, list[object]] = {name: [] for name in table.names}
    for block in table.blocks(table.names):
        for name, array in block.columns.items():
            columns[name] += array.to_pylist()
    return columns


def refused(source: str, *words: str) -> None:
    with pytest.raises(DataError) as caught:
        read(source)
    for word in words:
        assert word in str(caught.value), (word, str(caught.value))


@pytest.mark.parametrize("ending", ["\r\n", "\r"])
def test_every_line_ending_gives_the_same_table(ending: str, write: Write) -> None:
    assert read(write("a,b\n1,2\n3,4\n".replace("\n", ending))) == {"a": ["1", "3"], "b": ["2", "4"]}


def test_a_delimiter_can_be_said(write: Write) -> None:
    assert read(write("a:b\n1:2\n"), delimiter=":") == {"a": ["1"], "b": ["2"]}


def test_quotes_are_letters_where_the_spec_says_so(write: Write) -> None:
    keys = ColumnKeys(quoted=False)
    table = keys.open_table(write('a,b\n"half,1\n2"x,3\n'))
    assert [block.columns["a"].to_pylist() for block in table.blocks(["a"])] == [['"half', '2"x']]
    table = keys.open_table(write('a,b\n"x,1",2\n'))
    with pytest.raises(DataError, match=r"table.csv:2 \(row 1\) has 3 values"):
        list(table.blocks(["a"]))


def test_names_are_trimmed_numbered_and_told_apart(write: Write) -> None:
    table = TableFiles.open(write(" a ,,a,a_2,a\n1,2,3,4,5\n"))
    assert table.names == ("a", "column_2", "a_3", "a_2", "a_4")
    assert table.repeated == ("a",)
    assert len(table.notes) == 3


def test_packed_files_patterns_and_parquet_give_the_same_table(write: Write, tmp_path: Path) -> None:
    write(gzip.compress(b"a,b\n1,x\n"), "part1.csv.gz")
    write("b,a\ny,2\n", "part2.csv")
    parquet.write_table(pa.table({"a": [3], "b": ["z"]}), tmp_path / "part3.parquet")
    table = TableFiles.open(str(tmp_path / "part*"))
    assert [value for block in table.blocks(["a"]) for value in block.columns["a"].to_pylist()] == ["1", "2", 3]
    assert [value for block in table.blocks(["b"]) for value in block.columns["b"].to_pylist()] == ["x", "y", "z"]
    assert table.place(1) == f"{tmp_path}/part2.csv:2 (row 1)"
    assert table.place(2) == f"{tmp_path}/part3.parquet: row 1"


def test_parquet_types_become_numbers_or_text(tmp_path: Path) -> None:
    import datetime as dt

    values = {
        "flag": pa.array([True, None]),
        "day": pa.array([dt.date(2020, 2, 29), None]),
        "coded": pa.array(["a", "b"]).dictionary_encode(),
        "half": pa.array([0.5, float("nan")], pa.float32()),
        "lists": pa.array([[1], [2]]),
    }
    parquet.write_table(pa.table(values), tmp_path / "t.parquet")
    table = TableFiles.open(str(tmp_path / "t.parquet"))
    assert list(table.unreadable) == ["lists"]
    (block,) = table.blocks(["flag", "day", "coded", "half"])
    assert [block.columns[name][0].as_py() for name in block.columns] == ["true", "2020-02-29", "a", 0.5]


def test_unsigned_integers_of_any_size_are_read_in_parquet(tmp_path: Path) -> None:
    hashes = [18446744073709551615 - 7 * index * index for index in range(40)]
    small = [3 * index for index in range(40)]
    values = {"hash": pa.array(hashes, pa.uint64()), "size": pa.array(small, pa.uint64())}
    path = tmp_path / "t.parquet"
    parquet.write_table(pa.table(values), path)
    assert read(str(path)) == {"hash": list(map(str, hashes)), "size": small}
    plan = planned(str(path))
    assert [(column.name, column.kind) for column in plan.columns] == [("size", "numeric")]
    assert "value of its own" in plan.ignored["hash"]


def test_a_column_of_parquet_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    zone = pa.array([0, 1], pa.timestamp("s", "Nowhere/Known"))
    parquet.write_table(pa.table({"a": [1, 2], "when": zone}), tmp_path / "t.parquet")
    refused(str(tmp_path / "t.parquet"), "column 'when' cannot be read", "Nowhere/Known")


@pytest.mark.parametrize("zone", ["Europe/Berlin", "+01:00"])
def test_times_of_a_zone_keep_its_clock_as_they_do_in_csv(zone: str, tmp_path: Path) -> None:
    import datetime as dt

    times = pa.array([dt.datetime(2023, 1, 3, 18, 30, 5, 7, dt.UTC), None], pa.timestamp("us", zone))
    parquet.write_table(pa.table({"time": times}), tmp_path / "t.parquet")
    assert read(str(tmp_path / "t.parquet")) == {"time": ["2023-01-03 19:30:05+01:00", None]}


def test_numbers_can_mean_missing_in_text_and_in_numbers() -> None:
    for array in (pa.array(["-999", " 1.5", "x"]), pa.array([-999, 1, None]), pa.array([-999.0, 1.5, None])):
        assert known_values(array, ["x", "-999"]).is_null().to_pylist() == [True, False, True]


def test_blank_lines_are_no_rows(write: Write) -> None:
    assert read(write("\n\na,b\n1,2\n\n3,4\n\n")) == {"a": ["1", "3"], "b": ["2", "4"]}


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", ["is empty", "a line of column names"]),
        (b"\n\n", ["has no lines"]),
        ("a,b\n1,2\n3\n4,5\n", ["table.csv:3 (row 2) has 1 value: '3'", "expected: 2", "a, b"]),
        ('a,b\n1,"x\ny"\n3,4,5\n', ["table.csv:4 (row 2) has 3 values", "quotes"]),
        ('a,b\n1,2\n"3,4\n5,6\n', ["table.csv:3", "begins here", "ends with a double quote"]),
        (b"PK\x03\x04 and more", ["Excel", "save it as CSV"]),
        (b"\x00\x01\x02\x03" * 9, ["zero bytes"]),
        (b"PAR1 nothing", ["undamaged Parquet"]),
        (gzip.compress(b"a,b\n1,2\n" * 99, mtime=0)[:-9], ["cannot be read"]),
    ],
)
def test_a_broken_file_is_told_with_its_line(content: str | bytes, words: list[str], write: Write) -> None:
    refused(write(content), *words)


@pytest.mark.parametrize("name", ["h.csv", "h.tsv", "h.csv.gz"])
def test_one_line_without_an_end_has_no_rows(name: str, write: Write) -> None:
    refused(write("hello", name), f"{name} has no rows", "rows below the line of column names")


def test_text_that_is_called_parquet_is_told_as_that(write: Write) -> None:
    for name in ("t.parquet", "t.PQ"):
        refused(write("a,b\n1,2\n", name), f"{name} is not a Parquet file: it begins with b'a,b", "rename it to .csv")


def test_files_that_are_not_there_or_do_not_match(write: Write, tmp_path: Path) -> None:
    refused(str(tmp_path / "none.csv"), "there is no file")
    refused(str(tmp_path), "is a folder", "*.csv")
    refused(str(tmp_path / "x*.csv"), "no file matches")
    write("a,b\n1,2\n", "p1.csv")
    write("a,c\n1,2\n", "p2.csv")
    refused(str(tmp_path / "p*.csv"), "p2.csv lacks 'b' and also has 'c'", "a, b")


def test_a_row_of_a_later_block_has_its_place_while_that_block_is_read(
    write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dlrun.data.files.csv_file._BLOCK_BYTES", 64)
    write("a\n" + "1\n" * 100, "1.csv")
    folder = Path(write("a\n", "2.csv")).parent
    write("a\n" + "3\n" * 100, "3.csv")
    table = TableFiles.open(str(folder / "*.csv"), FileFormat())
    for _ in range(2):  # the first pass, and one that knows the lengths of the files
        blocks = 0
        for block in table.blocks(["a"]):
            file = 1 if block.first < 100 else 3
            row = block.first % 100
            assert table.place(block.first) == f"{folder / f'{file}.csv'}:{row + 2} (row {row + 1})"
            blocks += 1
        assert blocks > 2
