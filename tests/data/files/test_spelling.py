"""Values that programs write in several ways are one, in every kind of file, for features and for labels."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import csv, parquet

from dlrun.data.files.spelling import canonical, canonical_texts, index_in, other_spellings
from dlrun.data.image_files.reader import IMAGES
from dlrun.data.interface import Interface, parse_interface
from dlrun.data.media_files.path_table import list_table
from dlrun.data.table.source import Table
from dlrun.data.text.source import Text
from dlrun.errors import DataError

SAME = {
    "True": "true", "TRUE": "true", "false": "false", "1.0": "1", "1.": "1", "-3.00": "-3", "+4": "4", "-0.0": "0",
    "007": "007", "007.0": "007.0", "1.10": "1.10", "1.5": "1.5", "truely": "truely", "yes": "yes", "": "",
}  # fmt: skip


def test_a_value_has_one_spelling_and_codes_keep_theirs() -> None:
    assert {text: canonical(text) for text in SAME} == SAME
    assert dict(zip(SAME, canonical_texts(pa.array(SAME)).to_pylist(), strict=True)) == SAME
    assert set(other_spellings("True")) == {"true", "TRUE"}
    assert other_spellings("007") == ()


def test_what_was_known_by_another_spelling_is_found_and_two_that_were_apart_stay_apart() -> None:
    found = index_in(pa.array(["true", "TRUE", "2.0", None, "x", "1", "1.0"]), ["False", "True", "2", "1.0", "1"])
    assert found.tolist() == [1, 1, 2, -1, -1, 4, 3]
    assert index_in(pa.array(["0.1"]), ["0.2", str(float(np.float32(0.1)))]).tolist() == [1]


ROWS = 40
COLUMNS = {
    "flag": pa.array([row % 3 == 0 for row in range(ROWS)]),
    "floors": pa.array([row % 4 for row in range(ROWS)], pa.int32()),
    "share": pa.array([(row % 5) / 10 for row in range(ROWS)], pa.float32()),
    "y": pa.array([row % 2 == 0 for row in range(ROWS)]),
}
KEYS: dict[str, Any] = {"target": "y", "categorical": ("floors", "share")}


def forms(folder: Path) -> dict[str, str]:
    """The same rows in files of several programs."""
    table = pa.table(COLUMNS)
    gap = table.slice(0, 1).set_column(1, "floors", pa.array([None], pa.int32()))
    parquet.write_table(table, folder / "plain.parquet")
    with_gap = pa.concat_tables([table, gap])
    as_floats = with_gap.set_column(1, "floors", with_gap["floors"].cast(pa.float64()))
    parquet.write_table(as_floats, folder / "floats.parquet")
    decimals = table.set_column(1, "floors", table["floors"].cast(pa.decimal128(12, 2)))
    parquet.write_table(decimals, folder / "decimals.parquet")
    packed = table.set_column(0, "flag", table["flag"].cast(pa.string()).dictionary_encode())
    parquet.write_table(packed, folder / "packed.parquet")
    csv.write_csv(table, folder / "arrow.csv")
    rows = ((row["flag"], f"{row['floors']:.1f}", np.float32(row["share"]), row["y"]) for row in table.to_pylist())
    lines = ["flag,floors,share,y", *(",".join(map(str, row)) for row in rows)]
    (folder / "pandas.csv").write_text("\n".join([*lines, "True,,0.5,False"]) + "\n")
    (folder / "shouting.csv").write_text("\n".join(lines).replace("True", "TRUE").replace("False", "FALSE") + "\n")
    names = ("plain.parquet", "floats.parquet", "decimals.parquet", "packed.parquet", "arrow.csv", "pandas.csv")
    return {name: str(folder / name) for name in (*names, "shouting.csv")}


@pytest.mark.parametrize("name", ["plain.parquet", "pandas.csv", "shouting.csv"])
def test_a_run_reads_the_same_rows_in_every_format(name: str, tmp_path: Path) -> None:
    files = forms(tmp_path)
    dataset = Table(path=files[name], **KEYS).load()
    assert dataset.target is not None
    assert dataset.target.class_names == ("false", "true")
    train = dataset.splits["train"]
    assert dataset.raw is not None
    for other in files.values():
        said: list[str] = []
        read = dataset.raw.read(other, at_once=100, target=dataset.target)
        (block,) = dataset.raw.watched(read, tell=said.append)
        assert block.target is not None
        assert block.stored[:ROWS].tolist() == train.features[:ROWS].tolist(), other
        assert block.target[:ROWS].tolist() == train.target[:ROWS].tolist()  # type: ignore[index]


def test_a_run_of_before_keeps_its_ids_and_knows_other_spellings(tmp_path: Path) -> None:
    files = forms(tmp_path)
    dataset = Table(path=files["pandas.csv"], **KEYS).load()
    assert dataset.target is not None
    made = Interface("x", dataset.raw, dataset.preprocess, dataset.features, dataset.target)  # type: ignore[arg-type]
    before: Any = json.loads(json.dumps(made.plain()).replace('"true"', '"True"').replace('"false"', '"False"'))
    for column in before["raw"]["columns"]:
        column.pop("new_share", None)
    kept = parse_interface(json.dumps(before).encode(), origin="x")
    for name in ("pandas.csv", "plain.parquet"):
        block = next(kept.raw.read(files[name], at_once=100, target=dataset.target))
        assert block.stored[:ROWS].tolist() == dataset.splits["train"].features[:ROWS].tolist()


def test_labels_of_texts_and_of_images_have_one_spelling(tmp_path: Path) -> None:
    lines = [json.dumps({"text": f"words {row}", "label": row % 2 == 0}) for row in range(20)]
    (tmp_path / "t.jsonl").write_text("\n".join(lines))
    (tmp_path / "t.csv").write_text("text,label\n" + "".join(f"words {row},{row % 2 == 0}\n" for row in range(20)))
    (tmp_path / "i.csv").write_text("path,label\n" + "".join(f"{row}.png,{row % 2 == 0}\n" for row in range(20)))
    loaded = Text(path=str(tmp_path / "t.csv"), test_path=str(tmp_path / "t.jsonl")).load()
    assert loaded.target is not None
    assert loaded.target.class_names == ("false", "true")
    assert loaded.splits["test"].target.tolist() == loaded.splits["train"].target.tolist()  # type: ignore[union-attr]
    assert list_table(tmp_path / "i.csv", IMAGES, path_column="path", label_column="label").classes == ("false", "true")


def test_a_file_most_of_whose_categories_training_does_not_have_is_refused_unless_it_is_meant(tmp_path: Path) -> None:
    train, other = tmp_path / "train.csv", tmp_path / "other.csv"
    train.write_text("colour,size,y\n" + "".join(f"{'rgb'[row % 3]},{row % 7}.5,{row % 2}\n" for row in range(60)))
    other.write_text("colour,size,y\n" + "".join(f"{'RGb'[row % 3]},{row % 7}.5,{row % 2}\n" for row in range(30)))
    for key in ("test_path", "validation_path"):
        with pytest.raises(DataError, match=r"other.csv: most values .*colour: 20 of 30 rows, such as 'R'") as caught:
            Table.model_validate({"path": str(train), "target": "y", key: str(other)}).load()
        assert "--set dataset.unknown_categories=allow" in caught.value.hint
    allowed = Table(path=str(train), target="y", test_path=str(other), unknown_categories="allow")
    (warning,) = allowed.load().warnings
    assert "other.csv: values that are unknown from training: colour: 20 of 30 rows" in warning
    raw: Any = Table(path=str(train), target="y").load().raw
    given: list[Any] = []
    with pytest.raises(DataError, match="most values are unknown from training"):
        given += raw.watched(raw.read(str(other), at_once=100), tell=given.append)
    assert not given
    assert len(list(raw.read_as(allowed).watched(raw.read(str(other), at_once=100), tell=given.append))) == 1


def test_new_names_in_a_column_where_each_row_has_its_own_are_not_refused(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text("ticket,y\n" + "".join(f"A{row},{row % 2}\n" for row in range(60)))
    new = tmp_path / "new.csv"
    new.write_text("ticket,y\n" + "".join(f"B{row},{row % 2}\n" for row in range(60)))
    assert Table(path=str(path), target="y", categorical=("ticket",), test_path=str(new)).load().splits["test"]
