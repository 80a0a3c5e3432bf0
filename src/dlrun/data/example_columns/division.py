"""Divide examples by a column that names their split, and give them their groups and weights."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Protocol

from dlrun.data.columns.texts import MISSING_VALUES, known_values
from dlrun.data.division.folds import Fold
from dlrun.data.example_columns.columns import (
    SPLITS,
    ExampleColumns,
    ExampleReader,
    Place,
    WeightColumn,
    refuse_missing_groups,
    refuse_shared_groups,
)
from dlrun.data.example_columns.keys import ExampleKeys
from dlrun.data.splits import Split
from dlrun.errors import DataError


class HoldsOut(Protocol):
    """The keys of a dataset for what is held out."""

    @property
    def test(self) -> float: ...  # noqa: D102
    @property
    def validation(self) -> float | str: ...  # noqa: D102
    @property
    def fold(self) -> Fold | None: ...  # noqa: D102


WrittenBlock = tuple[Sequence[Sequence[str | None]], Place]
"""The values of the columns for some examples as they are written, column by column, and the place of an example."""


def read_written(blocks: Iterable[WrittenBlock], keys: ExampleKeys) -> ExampleColumns:
    """Return the values of the columns that describe examples, from values as they are written in files.

    Args:
        blocks: The values of `keys.example_columns`, in this order.
        keys: The keys that name the columns.

    Raises:
        DataError: A value does not name a split, or is no weight; the error names the first example.
    """
    import pyarrow as pa

    weight = None if keys.weight is None else WeightColumn(keys.weight)
    reader, names = ExampleReader(keys, weight), tuple(keys.example_columns)
    for columns, place in blocks:
        values = zip(names, columns, strict=True)
        reader.add({name: known_values(pa.array(each, pa.string()), MISSING_VALUES) for name, each in values}, place)
    return reader.columns()


def divide_examples(
    splits: Mapping[str, Split], columns: ExampleColumns, source: HoldsOut, *, keys: ExampleKeys, place: Place
) -> tuple[dict[str, Split], tuple[str, ...]]:
    """Return the splits that the files and the split column give, with the groups and weights of the examples.

    Args:
        splits: Splits of example numbers, counted through all of them from 0.
        columns: The columns that describe these examples.
        source: The dataset.
        keys: The keys of the dataset that name the columns.
        place: Place of an example for messages.

    Returns:
        The splits, and a note on the split column.

    Raises:
        DataError: A split is given twice, an example has no group, or two splits share a group.
    """
    given, notes = dict(splits), ()  # type: dict[str, Split], tuple[str, ...]
    if columns.split is not None:
        train = given["train"]
        given = {
            name: train.take(numbers - train.features[0]) for name, numbers in columns.divided(train.features).items()
        }
        refuse_given_twice(given, source, column=keys.split or "")
        counts = ", ".join(f"{len(given[name]):,} for {name}" for name in SPLITS if name in given)
        notes = (f"split: {counts}, by the column {keys.split}",)
    if columns.group is not None and keys.group is not None:
        refuse_missing_groups(columns.group, keys.group, place)
        of_split = {name: columns.group[split.features] for name, split in given.items()}
        refuse_shared_groups(of_split, name=keys.group, group_names=columns.group_names)
        given = {name: replace(split, group=of_split[name]) for name, split in given.items()}
    if columns.weight is not None:
        given = {name: replace(split, weight=columns.weight[split.features]) for name, split in given.items()}
    return given, notes


def refuse_given_twice(given: Iterable[str], source: HoldsOut, *, column: str) -> None:
    """Check that no split is given by a column and held out, too.

    Args:
        given: The splits that the column gives.
        source: The dataset.
        column: Name of the column.

    Raises:
        DataError: A split is.
    """
    for name in ("test", "validation"):
        if name in given and getattr(source, name):
            what = f"{name}: {getattr(source, name)} would hold out examples, but the column {column!r} gives them"
            raise DataError(what, expected="only one of them", hint=f"remove the key {name}")
    if "validation" in given and source.fold is not None:
        what = f"folds give the validation split, but the column {column!r} gives one, too"
        raise DataError(what, expected="only one of them", hint="remove the key split, or the section folds")
