"""What is measured of columns: on the training rows alone, and what becomes of values that these do not have."""

import numpy as np
import pytest

from column_tables import Write
from dlrun.data.columns import (
    CategoricalColumn,
    ColumnKeys,
    ColumnsPreprocess,
    NumericColumn,
    TableFiles,
    TextColumn,
    code_rows,
    embedded_columns,
    fit_columns,
    plan_columns,
    stored_blocks,
    survey_columns,
)
from dlrun.data.columns.keys import EmbeddingKeys, Missing
from dlrun.errors import DataError

TABLE = """x,c,t,z
1,a,The cat sat,0
?,b,"a cat, a dog",1
3,NA,,0
8,b,the CAT,1
1000,new,words unseen cat,0
"""


def fitted(path: str, keys: ColumnKeys, *, train: int) -> tuple[tuple[object, ...], np.ndarray]:
    table = TableFiles.open(path)
    plan = plan_columns(table, survey_columns(table, table.names, missing=keys.missing_values), keys)
    rows = code_rows([table], plan.columns, keys)
    columns = fit_columns(rows, plan.columns, keys, train=np.arange(train))
    return columns, np.concatenate(list(stored_blocks(rows, columns, np.arange(len(rows)))))


def test_everything_is_measured_on_the_training_rows_alone(write: Write) -> None:
    keys = ColumnKeys(text=("t",), ignore=("z",), text_length=3, text_size=2)
    (x, c, t), stored = fitted(write(TABLE), keys, train=4)
    assert x == NumericColumn("x", 3.0, 3.75, float(np.var([1, 3, 3, 8])))
    assert c == CategoricalColumn("c", ("b", "a"), has_missing=True, new_share=1 / 3)
    assert t == TextColumn("t", ("cat", "a", "the", "sat"), 3, 2)
    # A dog is the fourth word, and three are read. Id 0 of c is unknown and 3 missing; of t 0 is no word, 1 unknown.
    assert stored.tolist() == [
        [1, 2, 4, 2, 5],
        [3, 1, 3, 2, 3],
        [3, 3, 0, 0, 0],
        [8, 1, 4, 2, 0],
        [1000, 0, 1, 1, 2],
    ]
    assert stored.dtype == np.float32


def test_missing_numbers_can_be_marked_by_an_indicator(write: Write) -> None:
    keys = ColumnKeys(ignore=("c", "t", "z"), missing=Missing(numeric="indicator"))
    (x,), stored = fitted(write(TABLE), keys, train=4)
    assert isinstance(x, NumericColumn)
    assert stored.tolist() == [[1, 0], [3, 1], [3, 0], [8, 0], [1000, 0]]
    assert ColumnsPreprocess.of([x]).mean == (3.75, 0.0)


@pytest.mark.parametrize(
    ("missing", "words"),
    [
        (Missing(numeric="error"), ["table.csv:3 (row 2)", "column 'x' has no value ('?')"]),
        (Missing(categorical="error"), ["table.csv:4 (row 3)", "column 'c' has no value ('NA')"]),
    ],
)
def test_missing_values_can_be_an_error(missing: Missing, words: list[str], write: Write) -> None:
    with pytest.raises(DataError) as caught:
        fitted(write(TABLE), ColumnKeys(missing=missing, ignore=("t",)), train=4)
    for word in words:
        assert word in str(caught.value)


def test_columns_of_many_categories_are_embedded_and_come_last(write: Write) -> None:
    path = write("many,few,x\n" + "".join(f"c{index % 60},{index % 3}f,{index}.5\n" for index in range(240)))
    columns, stored = fitted(path, ColumnKeys(), train=240)
    assert [(each.name, each.categories, each.size) for each in embedded_columns(columns)] == [("many", 61, 16)]  # type: ignore[arg-type]
    preprocess = ColumnsPreprocess.of(columns)  # type: ignore[arg-type]
    assert (preprocess.numbers, preprocess.categories, preprocess.shape) == (1, (4,), (5,))
    assert stored[:, -1].max() == 60
    off, _ = fitted(path, ColumnKeys(embedding="off"), train=240)
    assert embedded_columns(off) == ()  # type: ignore[arg-type]
    small, _ = fitted(path, ColumnKeys(embedding=EmbeddingKeys(min_categories=2, size=5)), train=240)
    assert [each.size for each in embedded_columns(small)] == [5, 5]  # type: ignore[arg-type]


def test_the_most_frequent_categories_are_kept(write: Write) -> None:
    path = write("c,x\n" + "a,1\nb,2\nb,3\nc,4\nc,5\nc,7\n")
    (_, column), stored = fitted(path, ColumnKeys(max_categories=2), train=6)
    assert isinstance(column, CategoricalColumn)
    assert column.vocabulary == ("c", "b")
    assert stored[:, 1].tolist() == [0, 2, 2, 1, 1, 1]
