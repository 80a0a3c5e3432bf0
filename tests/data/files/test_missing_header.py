"""What an error says where a column is missing because the file has no line of names: `header: false`, and no cells."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from dlrun.data import datasets
from dlrun.data.files.csv_file import CsvFile
from dlrun.data.files.data_file import FileFormat
from dlrun.data.files.header import Header
from dlrun.errors import DataError, SpecError
from dlrun.signature import Target
from dlrun.spec.parse import read_spec
from pictures import blocks, png

pytestmark = pytest.mark.tensorflow

ROWS = "".join(f"{index % 7}.5,{'red' if index % 3 else 'blue'},{index % 5}.25\n" for index in range(60))
TEXTS = "".join(f"a good old film of {index} things,{'yn'[index % 2]}\n" for index in range(20))
PATHS = "".join(f"{index}.png,{'yn'[index % 2]}\n" for index in range(8))
CELLS = ("1.5", "red", "good", ".png, ")

KINDS: dict[str, tuple[str, str, Mapping[str, Any], str]] = {
    "table": ("size,color,price\n", ROWS, {"target": "price", "test": 0.2}, "linear"),
    "series": ("size,color,price\n", ROWS, {"target": "price", "history": 4, "test": 9}, "linear"),
    "text": ("text,label\n", TEXTS, {"sequence_length": 4}, "{type: gru, units: [2], embedding_size: 2}"),
    "images": ("path,label\n", PATHS, {"size": (8, 8)}, "linear"),
}


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., Path]:
    def write(content: str, name: str = "data.csv") -> Path:
        for index in range(8):
            (tmp_path / f"{index}.png").write_bytes(png(blocks(8, 8, seed=index)))
        (tmp_path / name).write_text(content)
        return tmp_path / name

    return write


def check(error: Exception) -> None:
    said = str(error)
    assert "header: false" in said
    assert not [cell for cell in CELLS if cell in getattr(error, "expected", "")]


@pytest.mark.parametrize("kind", KINDS)
def test_a_spec_over_a_file_without_names_is_answered_with_header_false(
    kind: str, write: Callable[..., Path], tmp_path: Path
) -> None:
    _, rows, keys, model = KINDS[kind]
    written = "".join(f", {key}: {list(value) if isinstance(value, tuple) else value}" for key, value in keys.items())
    config = tmp_path / "c.yaml"
    config.write_text(
        f"dataset: {{type: {kind}, path: {write(rows)}{written}}}\nmodel: {model}\nloss: mean_squared_error\n"
    )
    with pytest.raises((SpecError, DataError)) as raised:
        read_spec(config).spec.dataset.load()
    check(raised.value)


@pytest.mark.parametrize("is_labelled", [False, True])
@pytest.mark.parametrize("kind", KINDS)
def test_a_prediction_for_a_file_without_names_is_answered_with_header_false(
    kind: str, is_labelled: bool, write: Callable[..., Path]
) -> None:
    header, rows, keys, _ = KINDS[kind]
    component = datasets.find(kind)
    assert component is not None
    loaded = component.model_validate({"path": str(write(header + rows)), **keys}).load()
    raw, bare = loaded.raw_input(), write(rows, "bare.csv")
    target: Target | None = loaded.target if is_labelled else None
    with pytest.raises(DataError) as raised:
        list(raw.read(str(bare), at_once=10, target=target))
    check(raised.value)


@pytest.mark.parametrize("kind", ["table", "text", "images"])
def test_a_column_to_keep_of_a_file_without_names_is_answered_with_header_false(
    kind: str, write: Callable[..., Path]
) -> None:
    header, rows, keys, _ = KINDS[kind]
    component = datasets.find(kind)
    assert component is not None
    loaded = component.model_validate({"path": str(write(header + rows)), **keys}).load()
    with pytest.raises(DataError) as raised:
        list(loaded.raw_input().keeping(["id"]).read(str(write(rows, "bare.csv")), at_once=10))
    check(raised.value)


@pytest.mark.parametrize(
    ("first", "header", "doubted"),
    [
        ("size,color,price", Header(), ""),
        ("1.5,red,0.25", Header(), "'1.5', 'red', '0.25'"),
        ("1.5,green,9", Header(), "'1.5', '9'"),
        ("1.5,red,0.25", Header(present=True), ""),
        ("1.5,red,0.25", Header(present=False), ""),
        ("1.5,red,0.25", Header(names=("a", "b", "c")), ""),
    ],
)
def test_the_first_line_is_doubted_if_it_looks_like_a_row_and_nobody_settled_it(
    first: str, header: Header, doubted: str, tmp_path: Path
) -> None:
    path = tmp_path / "data.csv"
    path.write_text(f"{first}\n{ROWS}")
    assert CsvFile.open(path, FileFormat(header=header)).row_like == doubted


def test_years_that_name_columns_are_not_doubted(tmp_path: Path) -> None:
    path = tmp_path / "data.csv"
    path.write_text("2019,2020,2021\n" + "4.5,3.5,9.25\n" * 4)
    assert CsvFile.open(path, FileFormat()).row_like == ""
