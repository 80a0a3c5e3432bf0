"""Read the columns that describe texts, and divide the texts by them."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping

from dlrun.data.dataset import Source
from dlrun.data.example_columns.division import WrittenBlock, divide_examples, read_written
from dlrun.data.example_columns.keys import ExampleKeys
from dlrun.data.splits import Split
from dlrun.data.text.corpus import FileCorpus, Named
from dlrun.errors import DataError

_AT_ONCE = 1 << 14


def divide_texts(
    splits: Mapping[str, Split], corpora: Mapping[str, FileCorpus], keys: ExampleKeys, *, source: Source
) -> tuple[dict[str, Split], tuple[str, ...]]:
    """Return the splits that the files and the split column give, with the groups and weights of the texts.

    Args:
        splits: Splits of text numbers, counted through all corpora, one for each corpus.
        corpora: The texts, with the columns that describe them.
        keys: The keys that name these columns.
        source: The dataset.

    Returns:
        The splits, and a note on the column.

    Raises:
        DataError: A value names no split or is no weight, a split is given twice, a text has no group, or two splits
            share one.
    """
    if not keys.example_columns:
        return dict(splits), ()
    columns = read_written(_blocks(corpora, len(keys.example_columns)), keys)
    return divide_examples(splits, columns, source, keys=keys, place=lambda number: _place(corpora, number))


def _blocks(corpora: Mapping[str, FileCorpus], columns: int) -> Iterator[WrittenBlock]:
    texts = itertools.chain.from_iterable(corpora.values())
    while block := list(itertools.islice(texts, _AT_ONCE)):
        if without := next((named for named in block if len(named.row.kept) < columns), None):
            raise DataError(f"the texts of {without.file.path} have no columns", expected="a file with columns")
        written = [[named.row.kept[index] for named in block] for index in range(columns)]
        yield written, lambda row, block=block: _named_place(block[row])  # type: ignore[misc]


def _named_place(named: Named) -> str:
    return named.place


def _place(corpora: Mapping[str, FileCorpus], number: int) -> str:
    texts = itertools.chain.from_iterable(corpora.values())
    return next(itertools.islice(texts, number, None)).place
