"""A file that lists images is read however it is written, as tables and texts are."""

import gzip
import io
import json
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import parquet

from dlrun.data.files.data_file import FileFormat
from dlrun.data.files.header import Header
from dlrun.data.image_files.form import ImageForm
from dlrun.data.image_files.reader import IMAGES, ImageReader
from dlrun.data.images.source import Images
from dlrun.data.media_files.listing import MediaList
from dlrun.data.media_files.path_table import list_table
from dlrun.data.media_files.reading import Columns, read_media
from dlrun.errors import DataError
from pictures import png

PATHS, LABELS = ["é.png", "b.png", "c;d.png"], ["für", "b", "b"]
TEXT = "path,label\né.png,für\nb.png,b\nc;d.png,b\n"


def written(folder: Path, kind: str) -> Path:
    match kind:
        case ".csv":
            content = TEXT.encode()
        case "semicolons.csv":
            content = 'path;label\né.png;für\nb.png;b\n"c;d.png";b\n'.encode()
        case ".tsv":
            content = TEXT.replace(",", "\t").encode()
        case "utf16.csv":
            content = TEXT.encode("utf-16")
        case "windows.csv":
            content = TEXT.encode("cp1252")
        case ".csv.gz":
            content = gzip.compress(TEXT.encode())
        case ".jsonl":
            lines = (json.dumps({"path": p, "label": n}) for p, n in zip(PATHS, LABELS, strict=True))
            content = "\n".join(lines).encode()
        case _:
            stream = io.BytesIO()
            parquet.write_table(pa.table({"path": PATHS, "label": pa.array(LABELS).dictionary_encode()}), stream)
            content = stream.getvalue()
    path = folder / f"list{kind}"
    path.write_bytes(content)
    return path


KINDS = [".csv", "semicolons.csv", ".tsv", "utf16.csv", "windows.csv", ".csv.gz", ".jsonl", ".parquet"]


@pytest.mark.parametrize("kind", KINDS)
def test_every_way_to_write_a_list_gives_the_same_images(kind: str, tmp_path: Path) -> None:
    images = list_table(written(tmp_path, kind), IMAGES, path_column="path", label_column="label")
    assert (list(images.names), images.classes) == (PATHS, ("b", "für"))
    assert images.labels is not None
    assert images.labels.tolist() == [1, 0, 0]
    row = "row 3" if kind == ".parquet" else "line 3" if kind == ".jsonl" else "line 4"
    assert images.place(2) == f"{images.table}: {row}: c;d.png"


@pytest.mark.tensorflow
@pytest.mark.parametrize("kind", ["semicolons.csv", ".parquet"])
def test_a_model_trained_on_a_list_predicts_from_lists_of_other_kinds(kind: str, tmp_path: Path) -> None:
    for name in PATHS:
        (tmp_path / name).write_bytes(png(np.full((4, 4, 3), 7, np.uint8)))
    source = Images(path=str(written(tmp_path, kind)))
    assert not list(source.problems())
    described = source.describe()
    assert described is not None
    assert described.examples == {"train": 3}
    dataset = source.load()
    assert dataset.raw is not None
    for other in KINDS:
        (block,) = dataset.raw.read(str(written(tmp_path, other)), at_once=9, target=dataset.target)
        assert block.target is not None
        assert (list(block.names), block.target.tolist()) == (PATHS, [1, 0, 0])


def test_names_and_the_delimiter_can_be_set(tmp_path: Path) -> None:
    path = tmp_path / "list.csv"
    path.write_text("a.png:x\nb.png:y\n")
    header = Header(present=False, names=("path", "label"))
    images = list_table(
        path, IMAGES, path_column="path", label_column="label", file_format=FileFormat(delimiter=":", header=header)
    )
    assert (list(images.names), images.classes) == (["a.png", "b.png"], ("x", "y"))
    keys: dict[str, Any] = {"header": False, "names": ("path", "label"), "delimiter": ":"}
    assert list(Images(path=str(path), **keys).lists()["train"].names) == ["a.png", "b.png"]


@pytest.mark.parametrize(
    ("name", "keys", "problem"),
    [
        (
            "list.parquet",
            {"names": ("path", "label")},
            "is a Parquet file, which contains its own column names",
        ),
        ("list.jsonl", {"header": False}, "is a JSON lines file, which contains its own column names"),
        ("folder", {"delimiter": ";"}, "delimiter is for a list of images, but path is a folder"),
        ("folder", {"quoted": False}, "quoted is for a list of images, but path is a folder"),
    ],
)
def test_keys_for_delimited_files_are_refused_where_there_are_none(
    name: str, keys: dict[str, Any], problem: str, tmp_path: Path
) -> None:
    written(tmp_path, Path(name).suffix or ".csv")
    (found,) = Images.model_validate({"path": str(tmp_path / name), **keys}).problems()
    assert found.what.endswith(problem)


@pytest.mark.parametrize(
    ("name", "content", "problem"),
    [
        ("a.csv", "path,label\na.png,x\nb.png\n", "a.csv: line 3 has no label"),
        ("a.tsv", "path\tlabel\n\tx\n", "a.tsv: line 2 has no path"),
        ("a.jsonl", '{"path": "a.png", "label": "x"}\n{"path": "b.png", "label": null}\n', "line 2 has no label"),
        ("a.csv", 'path,label\na.png,x\n"b.png,y\n', "a.csv:3: the row that begins here cannot be parsed"),
        ("a.csv", "", "a.csv has no lines"),
        ("a.csv", "where,label\na.png,x\n", "a.csv has no column 'path'"),
        ("a.csv", "PK\x03\x04", "a.csv is a damaged zip archive or Excel workbook"),
    ],
)
def test_a_list_that_cannot_be_read_is_an_error_with_its_place(
    name: str, content: str, problem: str, tmp_path: Path
) -> None:
    (tmp_path / name).write_text(content)
    with pytest.raises(DataError) as raised:
        list_table(tmp_path / name, IMAGES, path_column="path", label_column="label")
    assert problem in raised.value.what
    assert raised.value.expected


def listed_on_standard_input(content: bytes, monkeypatch: pytest.MonkeyPatch) -> MediaList | str:
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO(content)))
    with pytest.raises(DataError) as raised:
        list(read_media("-", ImageReader(ImageForm(4, 4, 3)), at_once=1, columns=Columns()))
    return raised.value.what


@pytest.mark.parametrize(
    ("content", "is_list"),
    [
        (b"path,label\nx.png,a\n", True),
        ("path;label\nx.png;a\n".encode("utf-16"), True),
        (b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", False),
        (b"x.png,a\n", False),
    ],
)
def test_a_list_on_standard_input_is_told_from_an_image(
    content: bytes, is_list: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    what = listed_on_standard_input(content, monkeypatch)
    assert ("line 2: x.png cannot be read" in str(what)) is is_list
