"""How many words the texts of a column have, counted by length: what is read of them, and what would be left out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from dlrun.data.columns.texts import as_texts, known_values, split_words
from dlrun.data.files.table_files import TableFiles

if TYPE_CHECKING:
    import pyarrow as pa


@dataclass
class TextLengths:
    """Texts counted by their number of words.

    Args:
        counts: How many texts there are of each length.
    """

    counts: Counter[int] = field(default_factory=Counter)

    def add(self, words: pa.ListArray) -> None:
        """Count some texts, each a list of its words."""
        import pyarrow.compute as pc

        counted = pc.value_counts(pc.list_value_length(words))
        self.counts.update(
            dict(zip(counted.field("values").to_pylist(), counted.field("counts").to_pylist(), strict=True))
        )

    @property
    def texts(self) -> int:
        """How many were counted."""
        return self.counts.total()

    @property
    def longest(self) -> int:
        """Words of the longest text."""
        return max(self.counts, default=0)

    def longer_than(self, length: int) -> int:
        """Number of texts with more words than `length`."""
        return sum(count for words, count in self.counts.items() if words > length)

    def length_of(self, part: float) -> int:
        """The number of words that this part of the texts does not exceed."""
        passed = 0
        for length in sorted(self.counts):
            passed += self.counts[length]
            if passed >= part * self.texts:
                return length
        return 0


def count_lengths(
    table: TableFiles, names: Sequence[str], missing: Sequence[str], *, most: int | None = None
) -> Mapping[str, TextLengths]:
    """Count the words of the texts of some columns.

    Args:
        table: The rows.
        names: The columns.
        missing: The texts that mean missing; they have no words.
        most: Rows after which no further block is read; None: all are.

    Raises:
        DataError: A file is damaged; names the line.
    """
    lengths = {name: TextLengths() for name in names}
    for block in table.blocks(names) if names else ():
        for name, array in block.columns.items():
            lengths[name].add(split_words(as_texts(known_values(array, missing))))
        if most is not None and block.first + block.rows >= most:
            break
    return lengths
