"""Files of kinds that are not read say what they are and how to make one of them that is, wherever they are named."""

import gzip
import io
import json
import pickle
import sqlite3
import tarfile
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import feather

from dlrun.data.files.foreign import foreign_kind
from dlrun.data.images.source import Images
from dlrun.data.series.source import Series
from dlrun.data.table.input import TableInput
from dlrun.data.table.source import Table
from dlrun.data.text.source import Text
from dlrun.errors import DataError
from dlrun.init_config.draft import Wishes
from dlrun.init_config.guess import draft_config


def zipped(**members: str) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, content in members.items():
            archive.writestr(name.replace("__", "/"), content)
    return buffer.getvalue()


def archived() -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        archive.addfile(tarfile.TarInfo("a.csv"))
    return buffer.getvalue()


ROWS = [{"text": "words of a text", "label": row % 2} for row in range(4)]
FILES: dict[str, tuple[bytes, str, str]] = {
    "x.xlsx": (zipped(xl__workbook="x"), "an Excel workbook", "pd.read_excel('{}').to_csv("),
    "x.ods": (zipped(mimetype="application/vnd.oasis.opendocument.spreadsheet"), "OpenDocument spreadsheet", "CSV"),
    "x.docx": (zipped(word__document="x"), "a Word document", "plain text"),
    "x.zip": (zipped(a="x"), "a zip archive", "unzip '{}'"),
    "x.xls": (b"\xd0\xcf\x11\xe0 and more", "an old Office file", "read_excel"),
    "x.tgz": (archived(), "a tar archive", "tar -xf '{}'"),
    "x.tar": (gzip.decompress(archived()), "a tar archive", "tar -xf '{}'"),
    "x.pkl": (pickle.dumps(ROWS), "a Python pickle", "if you trust it"),
    "x.pdf": (b"%PDF-1.7 x", "a PDF document", "pdftotext"),
    "x.csv.bz2": (b"BZh91AY&SY", "compressed with bzip2", "bunzip2 -k '{}'"),
    "x.html": (b"\n<!DOCTYPE html><html>", "a web page", "download the file itself"),
    "x.json": (json.dumps(ROWS).encode(), "a JSON array", "pd.read_json('{}').to_csv("),
    "y.json": (json.dumps(ROWS, indent=2).encode(), "a JSON array", "pd.read_json('{}').to_csv("),
    "z.json": (json.dumps({"rows": ROWS}, indent=2).encode(), "a JSON document", "as CSV"),
    "called.csv": (zipped(xl__workbook="x"), "an Excel workbook", "pd.read_excel('{}').to_csv("),
}


@pytest.fixture
def path(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    made = tmp_path / str(request.param)
    made.write_bytes(FILES[request.param][0])
    return made


@pytest.mark.parametrize("path", FILES, indirect=True)
def test_every_way_in_says_what_a_file_is_and_how_to_convert_it(path: Path) -> None:
    _, what, convert = FILES[path.name]
    place = str(path)
    ways: tuple[Any, ...] = (
        lambda: Table(path=place, target="y").load(),
        lambda: Series(path=place, target="y", history=2).load(),
        lambda: Text(path=place).load(),
        lambda: Images(path=place).load(),
        lambda: next(TableInput(()).read(place, at_once=1)),
        lambda: draft_config(place, Wishes()),
    )
    for way in ways:
        with pytest.raises(DataError) as caught:
            way()
        assert f"{path} is " in caught.value.what
        assert what in caught.value.what
        assert convert.format(place) in caught.value.hint


def test_the_same_of_files_that_libraries_write(tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "x.sqlite") as base:
        base.execute("create table t (a int)")
    feather.write_feather(pa.table({"a": [1]}), str(tmp_path / "x.feather"))
    np.savez(tmp_path / "x.npz", x=np.zeros(2))
    (tmp_path / "x.jsonl").write_text("\n".join(map(json.dumps, ROWS)))
    said = {"x.sqlite": "SQLite", "x.feather": "Feather", "x.npz": "NumPy arrays", "x.jsonl": "JSON lines"}
    for name, what in said.items():
        found = foreign_kind(tmp_path / name)
        assert found is not None
        assert what in found.what
    assert foreign_kind(tmp_path / "x.jsonl", reads_json=True) is None
    assert foreign_kind(tmp_path / "x.npz", reads_zip=True) is None


@pytest.mark.parametrize(
    "content", [b"a,b\n1,2\n", b"[1],b\n1,2\n", b"{a},b\n", b"", b"\x00\x01", "\ufeffa\n".encode()]
)
def test_what_may_be_a_table_is_no_foreign_file(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_bytes(content)
    assert foreign_kind(tmp_path / "t.csv") is None
