"""Predictions of a pandas frame."""

import pytest

from dlrun.errors import DataError


def test_a_pandas_frame_keeps_its_index_and_mixed_columns_are_text() -> None:
    pandas = pytest.importorskip("pandas")
    from dlrun.prediction.frames import like, read_frame

    index = pandas.Index(["r", "s"], name="key")
    frame = pandas.DataFrame({"mixed": [1, "x"], "kind": pandas.Categorical(["u", "v"])}, index=index)
    table = read_frame(frame)
    assert table.to_pydict() == {"mixed": ["1", "x"], "kind": ["u", "v"], "key": ["r", "s"]}
    assert like(frame, table.select(["kind"])).index.equals(index)
    names = ["dtype", "columns", "column_names"]
    assert read_frame(pandas.DataFrame([[1, 2, 3], [1, 2, 3]], columns=names)).column_names == names
    with pytest.raises(DataError, match="a Series is one column"):
        read_frame(frame["mixed"])
