"""A file is opened as what its bytes are, else as what its name says."""

from pathlib import Path

import pyarrow as pa
import pytest
from pyarrow import parquet

from dlrun.data.files.csv_file import CsvFile
from dlrun.data.files.json_lines import JsonLinesFile
from dlrun.data.files.locate import find_tables, is_parquet, kind_by_name, open_file
from dlrun.data.files.parquet_file import ParquetFile
from dlrun.errors import DataError


def test_a_pattern_finds_files_in_the_order_of_their_names(tmp_path: Path) -> None:
    for name in ("b.csv", "a.csv", "c.txt"):
        (tmp_path / name).touch()
    assert [path.name for path in find_tables(str(tmp_path / "*.csv"))] == ["a.csv", "b.csv"]


def test_a_folder_suggests_a_pattern_and_a_pattern_without_files_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="is a folder") as caught:
        find_tables(str(tmp_path))
    assert str(tmp_path / "*.csv") in caught.value.hint
    with pytest.raises(DataError, match="no file matches"):
        find_tables(str(tmp_path / "*.csv"))


@pytest.mark.parametrize(
    ("name", "kind"),
    [("a.TSV", CsvFile), ("a.csv.gz", CsvFile), ("a.ndjson", JsonLinesFile), ("a.pq", ParquetFile), ("a.txt", None)],
)
def test_endings_are_known_in_capitals_and_compressed(name: str, kind: type | None) -> None:
    assert kind_by_name(name) is kind


def test_the_bytes_of_parquet_count_more_than_the_name(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    parquet.write_table(pa.table({"x": [1]}), path)
    assert is_parquet(path)
    assert isinstance(open_file(path), ParquetFile)
    (tmp_path / "b.dat").write_text("x,y\n1,2\n")
    assert isinstance(open_file(tmp_path / "b.dat"), CsvFile)
    (tmp_path / "c.parquet").write_text("x,y\n1,2\n")
    with pytest.raises(DataError, match="is not a Parquet file") as caught:
        is_parquet(tmp_path / "c.parquet")
    assert ".csv" in caught.value.hint
