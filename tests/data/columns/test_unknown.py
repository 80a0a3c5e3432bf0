"""Categories that training did not have are counted while rows are read, and told once."""

from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from pyarrow import parquet

from column_tables import Write
from dlrun.data.table.source import Table

TRAINING = "size,colour,shop,y\n" + "".join(
    f"{index}.5,{('red', 'green', 'blue')[index % 3]},{('' if index % 5 else 'a', 'b')[index % 2]},{index % 2}\n"
    for index in range(60)
)


@pytest.fixture
def raw(write: Write) -> Any:
    """What a model of three colours, and shops of which some are missing, is given."""
    return Table(path=write(TRAINING, "train.csv"), target="y").load().raw


def told(raw: Any, source: str) -> list[str]:
    said: list[str] = []
    for _ in raw.watched(raw.read(source, at_once=2), tell=said.append):
        assert not said
    return said


def test_unknown_categories_are_reported_once_with_the_worst_column_first(raw: Any, write: Write) -> None:
    new = "size,colour,shop\n1,red,c\n2,Red,d\n3,red,\n4,red,e\n5,,b\n"
    (said,) = told(raw, write(new))
    assert said.endswith(
        ": shop: 3 of 5 rows, such as 'c' (known: 'b', 'a'); "
        "colour: 1 of 5 rows, such as 'Red' (known: 'blue', 'green', 'red')"
    )
    assert told(raw, write("size,colour,shop\n1,red,a\n2,,b\n")) == []


def test_booleans_that_another_program_writes_with_capitals_are_known(write: Write, tmp_path: Path) -> None:
    table = pa.table({"flag": [index % 2 == 0 for index in range(40)], "y": [index % 3 for index in range(40)]})
    parquet.write_table(table, tmp_path / "train.parquet")
    raw = Table(path=str(tmp_path / "train.parquet"), target="y").load().raw
    assert told(raw, write("flag\nTrue\nFalse\n")) == []
    (said,) = told(raw, write("flag\nyes\nno\n"))
    assert "flag: 2 of 2 rows, such as 'yes' (known: 'false', 'true')" in said


def test_the_worst_of_many_columns_are_named_and_the_others_counted(write: Write) -> None:
    names = [f"c{index}" for index in range(9)]
    lines = [",".join([*(("x", "z")[index % 2] for _ in names), str(index % 2)]) for index in range(40)]
    raw = Table(path=write("\n".join([",".join([*names, "y"]), *lines])), target="y").load().raw
    (said,) = told(raw, write("\n".join([",".join(names), ",".join(["new"] * 9)]), "new.csv"))
    assert "c4: 1 of 1 rows" in said
    assert "c5" not in said
    assert said.endswith("; and 4 more columns")
