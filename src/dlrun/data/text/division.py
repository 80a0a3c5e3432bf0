"""Divide texts by a column that names their split, and give them the groups that a hold-out keeps together."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import replace

from dlrun.data.columns.texts import MISSING_VALUES, known_values
from dlrun.data.dataset import Source
from dlrun.data.example_columns.columns import (
    SPLITS,
    ExampleColumns,
    ExampleReader,
    refuse_missing_groups,
    refuse_shared_groups,
)
from dlrun.data.example_columns.keys import SplitColumnKeys
from dlrun.data.splits import Split
from dlrun.data.text.corpus import FileCorpus
from dlrun.errors import DataError

_AT_ONCE = 1 << 14


def divide_texts(
    splits: Mapping[str, Split], corpora: Mapping[str, FileCorpus], keys: SplitColumnKeys, *, source: Source
) -> tuple[dict[str, Split], tuple[str, ...]]:
    """Return the splits that the files and the split column give, with the groups of the texts.

    Args:
        splits: Splits of text numbers, counted through all corpora, one for each corpus.
        corpora: The texts, with the columns that describe them.
        keys: The keys that name these columns.
        source: The dataset.

    Returns:
        The splits, and a note on the column.

    Raises:
        DataError: A value names no split, a split is given twice, a text has no group, or two splits share one.
    """
    given, notes = dict(splits), ()  # type: dict[str, Split], tuple[str, ...]
    if not keys.example_columns:
        return given, notes
    columns = _read(corpora, keys)
    if columns.split is not None:
        train = given["train"]
        places = columns.divided(train.features)
        given = {name: train.take(numbers - train.features[0]) for name, numbers in places.items()}
        for name in given:
            if name != "train" and getattr(source, name):
                what = f"{name}: {getattr(source, name)} would hold out texts, but the column {keys.split!r} gives them"
                raise DataError(what, expected="only one of them", hint=f"remove the key {name}")
        if "validation" in given and source.fold is not None:
            what = f"folds give the validation split, but the column {keys.split!r} gives one, too"
            raise DataError(what, expected="only one of them", hint="remove the key split, or the section folds")
        counts = ", ".join(f"{len(given[name]):,} for {name}" for name in SPLITS if name in given)
        notes = (f"split: {counts}, by the column {keys.split}",)
    if columns.group is not None and keys.group is not None:
        refuse_missing_groups(columns.group, keys.group, lambda number: _place(corpora, number))
        of_split = {name: columns.group[split.features] for name, split in given.items()}
        refuse_shared_groups(of_split, name=keys.group, group_names=columns.group_names)
        given = {name: replace(split, group=of_split[name]) for name, split in given.items()}
    return given, notes


def _read(corpora: Mapping[str, FileCorpus], keys: SplitColumnKeys) -> ExampleColumns:
    import pyarrow as pa

    reader, names = ExampleReader(keys), tuple(keys.example_columns)
    texts = itertools.chain.from_iterable(corpora.values())
    while block := list(itertools.islice(texts, _AT_ONCE)):
        values = [pa.array([named.row.kept[index] for named in block], pa.string()) for index in range(len(names))]
        known = {name: known_values(array, MISSING_VALUES) for name, array in zip(names, values, strict=True)}
        reader.add(known, lambda row, block=block: str(block[row].place))  # type: ignore[misc]
    return reader.columns()


def _place(corpora: Mapping[str, FileCorpus], number: int) -> str:
    texts = itertools.chain.from_iterable(corpora.values())
    return next(itertools.islice(texts, number, None)).place
