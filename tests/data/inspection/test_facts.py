"""What `dlrun data show` tells is what the files hold; stored rows are read back as they were written."""

from pathlib import Path

import numpy as np
import pytest

from dlrun.data.builtin import Builtin
from dlrun.data.columns.keys import Missing
from dlrun.data.inspection.facts import describe_dataset
from dlrun.data.inspection.inspected import inspect_source
from dlrun.data.inspection.picture import draw_images
from dlrun.data.series.source import Series
from dlrun.data.table.source import Table
from dlrun.data.text.source import Text
from dlrun.errors import UsageError

HEADER = "age,town,since,note,label\n"
ROWS = """30,Rome,2021-03-05,a b c d,yes
,Oslo,2020-01-31,e f g h,no
50,,2019-12-01,b b b b,yes
40,Oslo,2018-07-02,x y z w,no
"""


@pytest.fixture
def table(tmp_path: Path) -> Table:
    path = tmp_path / "people.csv"
    path.write_text(HEADER + ROWS * 6)
    return Table(path=str(path), target="label", text=("note",), missing=Missing(numeric="indicator"))


def test_a_stored_row_of_a_table_is_shown_as_in_its_file(table: Table) -> None:
    dataset = table.load()
    shown = [dataset.raw_input().shown(row) for row in dataset.splits["train"].features[:4]]
    assert [row["age"] for row in shown] == ["30", "missing", "50", "40"]
    assert [row["town"] for row in shown] == ["Rome", "Oslo", "missing", "Oslo"]
    assert [row["since"][:10] for row in shown] == ["2021-03-05", "2020-01-31", "2019-12-01", "2018-07-02"]
    assert [row["note"] for row in shown] == ["a b c d", "e f g h", "b b b b", "x y z w"]


def test_stored_texts_and_windows_are_shown_as_in_their_files(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("text,label\nGood film!,1\nbad film,0\n")
    texts = Text(path=str(tmp_path / "t.csv"), vocabulary_size=4).load()
    assert texts.raw_input().shown(texts.splits["train"].features[0]) == {"text": "[UNK] film"}
    rows = "".join(f"{hour},{hour * 1.5},{'N' if hour % 2 else 'S'}\n" for hour in range(40))
    (tmp_path / "s.csv").write_text("hour,load,wind\n" + rows)
    series = Series(path=str(tmp_path / "s.csv"), target="load", history=3, ignore=("hour",)).load()
    shown = series.raw_input().shown(np.asarray(series.splits["train"].features[4]))
    assert shown == {"load": "6, 7.5, 9", "wind": "S, N, S"}


def test_facts_count_the_rows_of_the_file(table: Table) -> None:
    facts = describe_dataset(inspect_source(table), samples=2)
    columns = {column.name: column for column in facts.columns}
    assert facts.splits == {"train": 24}
    assert facts.classes == {"no": {"train": 12}, "yes": {"train": 12}}
    assert (columns["age"].missing, columns["age"].distinct) == (0.25, 3)
    assert (columns["age"].low, columns["age"].mean, columns["age"].high) == (30, 40, 50)
    assert columns["town"].top == (("Oslo", 0.5), ("Rome", 0.25), ("missing", 0.25))
    assert [columns[name].kind for name in ("since", "note")] == ["date", "text"]
    assert [example.target for example in facts.examples] == ["yes", "no"]


def test_facts_of_texts_and_of_values(tmp_path: Path) -> None:
    rows = "".join(f"{'word ' * (row + 1)},{row / 4}\n" for row in range(20))
    (tmp_path / "t.csv").write_text("text,label\n" + rows)
    facts = describe_dataset(inspect_source(Text(path=str(tmp_path / "t.csv"), sequence_length=10)), samples=1)
    assert facts.texts is not None
    assert (facts.texts.lengths["0%"], facts.texts.lengths["100%"], facts.texts.longer) == (1, 20, 0.5)
    assert facts.values[0].low == 0
    assert facts.values[0].mean == pytest.approx(2.375)
    assert facts.examples[0].values["text"].strip() == "word"


def test_only_images_are_drawn(tmp_path: Path, table: Table) -> None:
    digits = Builtin(name="digits").load()
    assert draw_images(digits, tmp_path / "grid.png", samples=7) == 7
    assert (tmp_path / "grid.png").read_bytes().startswith(b"\x89PNG")
    with pytest.raises(UsageError, match="no images"):
        draw_images(table.load(), tmp_path / "grid.png", samples=7)
    with pytest.raises(UsageError, match="not an image file"):
        draw_images(digits, tmp_path / "grid.csv", samples=7)
