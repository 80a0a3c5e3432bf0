"""Numbers keep their distinctions until they are standardized: ids, times and large targets, in data and models."""

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import parquet

from dlrun.data.columns import NumericColumn
from dlrun.data.inspection.column_facts import column_facts
from dlrun.data.inspection.inspected import inspect_source
from dlrun.data.series.source import Series
from dlrun.data.table.source import Table
from dlrun.data.text.source import Text

ROWS = 200
SHUFFLED = [row * 77 % ROWS for row in range(ROWS)]
COLUMNS: dict[str, list[Any]] = {
    "code": [20_000_000_000_000_000 + 3 * row for row in SHUFFLED],
    "at": [1_700_000_000 + row // 2 for row in SHUFFLED],
    "place": [48.137154 + row * 1e-7 for row in SHUFFLED],
    "plain": [row * 7 % 13 / 4 for row in SHUFFLED],
    "y": [1_000_000_000 + row for row in SHUFFLED],
}


def written(folder: Path, ending: str) -> str:
    path = folder / f"t.{ending}"
    if ending == "parquet":
        parquet.write_table(pa.table(COLUMNS), path)
    else:
        rows = zip(*COLUMNS.values(), strict=True)
        path.write_text("\n".join([",".join(COLUMNS), *(",".join(map(repr, row)) for row in rows)]) + "\n")
    return str(path)


@pytest.mark.parametrize("ending", ["csv", "parquet"])
def test_numbers_that_float32_would_merge_are_learned_separately(tmp_path: Path, ending: str) -> None:
    dataset = Table(path=written(tmp_path, ending), target="y", numeric=("code", "at")).load()
    assert dataset.warnings == ()
    features = dataset.splits["train"].features
    for index, name in enumerate(("code", "at", "place", "plain")):
        exact = np.array(COLUMNS[name], object)
        spread = (features[:, index] - features[0, index]).astype(np.float64)
        assert np.allclose(spread, (exact - exact[0]).astype(np.float64), atol=1e-12, rtol=1e-5), name
        assert len(np.unique(features[:, index])) == len(set(COLUMNS[name]))
    columns: Any = dataset.raw.columns  # type: ignore[union-attr]
    assert [bool(column.offset) for column in columns] == [True, True, True, False]
    target = dataset.splits["train"].target
    assert target is not None
    assert target.tolist() == COLUMNS["y"]
    (block,) = dataset.raw.read(str(tmp_path / f"t.{ending}"), at_once=999, target=dataset.target)  # type: ignore[union-attr]
    assert np.array_equal(block.stored, features)
    assert block.target is not None
    assert block.target.tolist() == COLUMNS["y"]


def test_numbers_that_fit_float32_are_stored_unchanged(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text("a,b,y\n" + "".join(f"{1013.25 + row % 7 / 10},{row * 999},{row % 9}.5\n" for row in range(ROWS)))
    dataset = Table(path=str(path), target="y").load()
    columns: Any = dataset.raw.columns  # type: ignore[union-attr]
    assert [column.offset for column in columns] == [0, 0]
    assert dataset.splits["train"].features.dtype == np.float32
    assert dataset.splits["train"].target.dtype == np.float32  # type: ignore[union-attr]


def test_the_number_of_remaining_distinct_values_is_reported_if_an_offset_does_not_help(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    numbers = [row * 10**9 + row % 2 for row in range(ROWS)] + [10**11 + row for row in range(ROWS)]
    path.write_text("a,y\n" + "".join(f"{number},{row % 2}\n" for row, number in enumerate(numbers)))
    (warning,) = Table(path=str(path), target="y").load().warnings
    assert warning.startswith("a: 399 distinct values became 2")
    assert "(if they are codes, use categorical: [a]" in warning


def test_a_series_predicts_numbers_that_float32_would_merge(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    values = [5_000_000_000 + row * row % 37 for row in range(ROWS)]
    path.write_text("load\n" + "".join(f"{value}\n" for value in values))
    dataset = Series(path=str(path), target="load", history=2).load()
    train = dataset.splits["train"]
    assert train.target is not None
    assert train.target.tolist() == values[2:]
    assert len(np.unique(np.asarray(train.features[:]))) == len(set(values))


def test_labels_of_texts_keep_their_digits(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text("text,label\n" + "".join(f"words {row % 5},{10**9 + row}\n" for row in range(40)))
    dataset = Text(path=str(path), task="regression").load()
    assert dataset.splits["train"].target is not None
    assert dataset.splits["train"].target.tolist() == [10**9 + row for row in range(40)]
    (block,) = dataset.raw.read(str(path), at_once=99, target=dataset.target)  # type: ignore[union-attr]
    assert block.target is not None
    assert block.target.tolist() == [10**9 + row for row in range(40)]


def test_a_column_with_an_offset_is_shown_in_its_own_unit(tmp_path: Path) -> None:
    at = 1_700_000_000
    inspected = inspect_source(Table(path=written(tmp_path, "csv"), target="y", numeric=("at",)))
    (facts,) = (facts for facts in column_facts(inspected) if facts.name == "at")
    assert (facts.low, facts.high) == (at, at + 99)
    raw: Any = inspected.dataset.raw
    assert raw.shown(inspected.dataset.splits["train"].features[0])["at"] == str(at)


@pytest.mark.tensorflow
def test_an_exported_model_takes_large_numbers_with_all_digits(tmp_path: Path) -> None:
    import tensorflow as tf

    from dlrun.data.columns import build_rows
    from dlrun.training.step.feed import Feed

    dataset = Table(path=written(tmp_path, "csv"), target="y", numeric=("at",), ignore=("code",)).load()
    raw: Any = dataset.raw
    (block,) = raw.read(str(tmp_path / "t.csv"), at_once=999)
    given = [raw.deployed(block, index) for index in range(0, ROWS, 9)]
    batch = {name: tf.constant(np.concatenate([each[name] for each in given])) for name in given[0]}
    found = build_rows(raw.columns, raw.reading.missing_values)(batch).numpy()
    assert np.array_equal(found, block.stored[::9])
    assert isinstance(raw.columns[0], NumericColumn)
    assert dataset.target is not None
    feed: Any = Feed(dataset.splits["train"], target=dataset.target, preprocess=lambda rows: rows)
    (rows,) = feed._rows
    learnt = feed.batch(rows, tf.range(feed.examples))[1].numpy()[:, 0]
    assert learnt.dtype == np.float32
    assert np.allclose(np.sort(learnt), (np.arange(ROWS) - 99.5) / np.std(np.arange(ROWS)), atol=1e-6)


@pytest.mark.parametrize(
    ("offset", "variance", "fits"),
    [
        (0.0, 1.0, True),
        (2.0**52, 1e-9, True),
        (2.0**58, 60.0**2, False),
        (1.7e18, 1e30, True),
        (-(2.0**58), 1.0, False),
    ],
)
def test_numbers_fit_float64_if_its_steps_are_small_relative_to_their_spread(
    offset: float, variance: float, fits: bool
) -> None:
    assert NumericColumn("id", 0.0, 0.0, variance, offset=offset).fits_float64 is fits
