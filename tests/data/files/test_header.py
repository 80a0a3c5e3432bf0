"""The first line of a file: names or a row, by its looks and by the spec, in every kind of delimited file."""

import csv
import io
import json
from pathlib import Path

import pytest

from dlrun.data.files.header import row_like
from dlrun.data.inspection.check import find_all
from dlrun.data.inspection.inspected import inspect_source
from dlrun.data.interface import Interface, parse_interface
from dlrun.data.series.source import Series
from dlrun.data.table.source import Table
from dlrun.data.text.source import Text
from dlrun.errors import DataError
from dlrun.init_config.draft import Wishes
from dlrun.init_config.write import write_config
from dlrun.spec.parse import read_spec

IRIS = "".join(
    f"{5 + row % 7 / 10},{3 + row % 5 / 10},{row % 10 / 10},{'setosa' if row % 2 else 'virginica'}\n"
    for row in range(40)
)
ROWS = {
    "numbers and a class": IRIS,
    "spaces": "39, State-gov, 77516\n50, Self-emp, 83311\n38, State-gov, 215646\n53, Private, 234721\n",
    "a date and a number": "1949-01,112\n1949-02,118\n1949-03,132\n",
    "gaps": "republican,n,y,?\nrepublican,n,y,y\ndemocrat,?,y,y\n",
    "words alone": "vhigh,2,small,unacc\nvhigh,2,small,unacc\nlow,4,big,acc\nlow,5more,big,acc\n",
    "zeros": "0,0.64,0.64,278,1\n0.21,0.28,0.5,1028,1\n0.06,0,0.71,2259,1\n0,0,0,191,0\n",
    "row numbers": "1,1.52101,13.64\n2,1.51761,13.89\n3,1.51618,13.53\n4,1.51766,13.21\n",
    "a class and a text": "".join(f"{'ham' if row % 2 else 'spam'},some words number {row}\n" for row in range(20)),
    "pictures": "a.png,cat\nb.png,dog\nc.png,cat\n",
}
NAMES = {
    "words above numbers": "size,colour,y\n1.5,red,1\n2.5,blue,0\n",
    "years": "country,2019,2020,2021\nA,12000,13000,1\nB,3,4,5000000\nC,1,2,3\n",
    "years with gaps": "country,2015,2020\n" + "".join(f"c{row},{row * 90},{row * 99}\n" for row in range(30)),
    "one year": "country,2020\n" + "".join(f"c{row},{row * 977 + 4000}\n" for row in range(30)),
    "places": "0,1,2,3\n" + "".join(f"{row / 7 - 2:.3f},{row / 3:.3f},{row / 5:.2f},{row % 3}\n" for row in range(30)),
    "wavelengths": "1100.5,1102.5,y\n" + "0.1,0.2,1\n0.2,0.3,2\n0.15,0.25,3\n" * 3,
    "dates above numbers": "2020-01-01,2020-01-02\n1,2\n3,4\n",
    "texts of their own": "first,last\nAnna,Smith\nBob,Jones\nZoe,Brown\n",
    "categories": "colour,class\n" + "red,yes\ngreen,no\nred,no\n" * 5,
    "one column of texts": "text\nhello there\nwhat now\n",
    "two rows of numbers": "1,2\n5,6\n",
}


def judged(text: str) -> str:
    first, *rest = csv.reader(io.StringIO(text))
    return row_like(first, rest)


@pytest.mark.parametrize("name", ROWS)
def test_a_first_line_that_is_like_the_others_is_a_row(name: str) -> None:
    assert judged(ROWS[name])


@pytest.mark.parametrize("name", NAMES)
def test_a_first_line_that_is_unlike_the_others_names_the_columns(name: str) -> None:
    assert not judged(NAMES[name])


def written(tmp_path: Path, text: str, name: str = "rows.csv") -> str:
    path = tmp_path / name
    path.write_text(text)
    return str(path)


def test_a_row_that_is_read_as_names_is_told_and_no_row_is_lost_once_the_spec_says_so(tmp_path: Path) -> None:
    path = written(tmp_path, IRIS)
    taken = Table(path=path, target="virginica")
    assert len(taken.load().splits["train"]) == 39
    (warning,) = taken.load().warnings
    assert "rows.csv is read as column names, but looks like a row ('5.0', '3.0', '0.0', ...)" in warning
    findings = {finding.check: finding for finding in find_all(inspect_source(taken))}
    assert findings["reading"].status == "warning"
    assert findings["reading"].advice.startswith("set header: false to read it as a row")
    read = Table(path=path, target="column_4", header=False).load()
    assert (len(read.splits["train"]), read.warnings) == (40, ())
    assert not Table(path=path, target="virginica", header=True).load().warnings


def test_a_second_file_without_names_is_read_as_the_run_was_trained(tmp_path: Path) -> None:
    names = ("a", "b", "c", "kind")
    dataset = Table(path=written(tmp_path, IRIS), target="kind", names=names).load()
    interface = Interface("x", dataset.raw, dataset.preprocess, dataset.features, dataset.target)  # type: ignore[arg-type]
    stored = parse_interface(json.dumps(interface.plain()).encode(), origin="x")
    for text in ("5.5,3.5,0.5,setosa\n", "a,b,c,kind\n5.5,3.5,0.5,setosa\n"):
        (block,) = stored.read(written(tmp_path, text, "new.csv"), target=dataset.target)
        assert (block.stored.tolist(), list(block.target)) == ([[5.5, 3.5, 0.5]], [0])  # type: ignore[arg-type]
    with pytest.raises(DataError, match=r"`names` has 4 names, but .*new.csv has 3 columns: '5.5', '3.5', 'setosa'"):
        list(stored.read(written(tmp_path, "5.5,3.5,setosa\n", "new.csv")))


@pytest.mark.parametrize(
    ("keys", "said"),
    [
        ("names: [a, b, b, c]", "the name 'b' is repeated"),
        ("names: [a, '', b, c]", "the name is empty"),
        ("header: perhaps", "dataset.header is 'perhaps'"),
        ("path: x.parquet, names: [a]", "which contains its own column names"),
    ],
)
def test_names_that_cannot_be_are_mistakes_of_the_spec(keys: str, said: str, tmp_path: Path) -> None:
    import pyarrow as pa
    from pyarrow import parquet

    parquet.write_table(pa.table({"a": [1, 2]}), tmp_path / "x.parquet")
    keys = keys.replace("x.parquet", str(tmp_path / "x.parquet"))
    path = "" if "path" in keys else f"path: {written(tmp_path, IRIS)}, "
    config = written(
        tmp_path,
        f"dataset: {{type: table, {path}target: a, {keys}}}\nmodel: mlp\nloss: mean_squared_error\n",
        "x.yaml",
    )
    with pytest.raises(Exception, match=said):
        read_spec(Path(config))


def test_series_and_texts_read_a_first_row_and_tell_of_one_that_is_lost(tmp_path: Path) -> None:
    month = written(tmp_path, "".join(f"1949-{row % 12 + 1:02},{112 + row % 50}\n" for row in range(60)))
    series = Series(path=month, target="column_2", history=2, header=False, ignore=("column_1",)).load()
    assert len(series.splits["train"]) == 58
    lines = written(tmp_path, "".join(f"{'ham' if row % 2 else 'spam'},words of {row}\n" for row in range(30)), "t.csv")
    assert len(Text(path=lines, names=("label", "text")).load().splits["train"]) == 30
    (warning,) = Text(path=lines, label="spam", text="words of 0").load().warnings
    assert "looks like a row ('spam')" in warning


@pytest.mark.parametrize(("text", "rows"), [(IRIS, 40), (ROWS["a class and a text"], 20)])
def test_a_first_config_says_that_there_are_no_names(text: str, rows: int, tmp_path: Path) -> None:
    made = write_config(written(tmp_path, text), tmp_path / "x.yaml", Wishes())
    assert made.messages[0].startswith("header: false, because the first line looks like a data row (")
    loaded = read_spec(made.path, ("dataset.test=0", "dataset.validation=0")).spec.dataset.load()
    assert (len(loaded.splits["train"]), loaded.warnings) == (rows, ())
