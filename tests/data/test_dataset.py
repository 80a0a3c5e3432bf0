"""What is known of a dataset besides its numbers."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from dlrun.data import Dataset, datasets
from pictures import blocks, png

TABLE = "size,region,note,price\n" + "".join(
    f"{index}.5,{'north' if index % 3 else 'south'},{'a fine old house' if index % 2 else 'quite dull'},€{index}.25\n"
    for index in range(60)
)
SERIES = "load,wind\n" + "".join(f"{index % 7}.5,{'west' if index % 3 else 'east'}\n" for index in range(60))
TEXT = "text,label\n" + "".join(f"{'good old ' * (1 + index % 2)}film,{'yn'[index % 2]}\n" for index in range(20))
TABLE_KEYS = {"target": "price", "text": ("note",), "test": 0.2}


def load(path: Path, kind: str, keys: Mapping[str, Any]) -> Dataset:
    component = datasets.find(kind)
    assert component is not None
    return component.model_validate({"path": str(path), **keys}).load()


@pytest.mark.parametrize(
    ("kind", "keys", "content", "old", "new"),
    [
        pytest.param("table", TABLE_KEYS, TABLE, "north", "port", id="category"),
        pytest.param("table", TABLE_KEYS, TABLE, "size,", "length,", id="column"),
        pytest.param("table", TABLE_KEYS, TABLE, "fine", "grim", id="word of a column"),
        pytest.param("table", TABLE_KEYS, TABLE, "€", "$", id="unit"),
        pytest.param("table", {"target": "region", "ignore": ("note",)}, TABLE, "north", "port", id="class"),
        pytest.param("series", {"target": "load", "history": 4}, SERIES, "west", "port", id="category of a series"),
        pytest.param("text", {"sequence_length": 6}, TEXT, "good", "grim", id="word"),
        pytest.param("text", {"sequence_length": 6}, TEXT, ",y", ",o", id="class of a text"),
    ],
)
def test_a_name_that_changes_everywhere_changes_the_names_and_no_number(
    kind: str, keys: Mapping[str, Any], content: str, old: str, new: str, tmp_path: Path
) -> None:
    path = tmp_path / "data.csv"
    path.write_text(content)
    before, again = load(path, kind, keys), load(path, kind, keys)
    path.write_text(content.replace(old, new))
    after = load(path, kind, keys)
    assert before.names_sha256 == again.names_sha256
    assert after.fingerprint == before.fingerprint
    assert after.names_sha256 != before.names_sha256


def test_a_renamed_class_folder_of_images_changes_the_names(tmp_path: Path) -> None:
    for name in ("cat", "dog"):
        (tmp_path / "x" / name).mkdir(parents=True)
        for index in range(3):
            (tmp_path / "x" / name / f"{index}.png").write_bytes(png(blocks(8, 8, seed=index)))
    before = load(tmp_path / "x", "images", {"size": (8, 8)})
    (tmp_path / "x" / "dog").rename(tmp_path / "x" / "fox")
    after = load(tmp_path / "x", "images", {"size": (8, 8)})
    assert after.fingerprint == before.fingerprint
    assert after.names_sha256 != before.names_sha256
