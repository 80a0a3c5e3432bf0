"""Columns of free text: the numbers of words of their texts, and word ids, whose vectors the model averages."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt

from dlrun.data.columns.texts import as_texts, first_words, known_values, split_words
from dlrun.data.files.table_files import TableFiles
from dlrun.signature import Embedded

if TYPE_CHECKING:
    import pyarrow as pa


@dataclass
class TextLengths:
    """The lengths of texts in words.

    Args:
        counts: Number of texts of each length.
    """

    counts: Counter[int] = field(default_factory=Counter)

    def add(self, words: pa.ListArray) -> None:
        """Count some texts, given as lists of words."""
        import pyarrow.compute as pc

        counted = pc.value_counts(pc.list_value_length(words))
        self.counts.update(
            dict(zip(counted.field("values").to_pylist(), counted.field("counts").to_pylist(), strict=True))
        )

    @property
    def texts(self) -> int:
        """The number of texts."""
        return self.counts.total()

    @property
    def longest(self) -> int:
        """The number of words of the longest text."""
        return max(self.counts, default=0)

    def longer_than(self, length: int) -> int:
        """Return the number of texts with more words than `length`."""
        return sum(count for words, count in self.counts.items() if words > length)

    def length_of(self, part: float) -> int:
        """Return the number of words that a fraction of the texts does not exceed."""
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
        table: The table.
        names: Names of the columns.
        missing: Texts that mark missing values, which have no words.
        most: Number of rows after which to stop; None to read all.

    Raises:
        DataError: A file is damaged; the error names the line.
    """
    lengths = {name: TextLengths() for name in names}
    for block in table.blocks(names) if names else ():
        for name, array in block.columns.items():
            lengths[name].add(split_words(as_texts(known_values(array, missing))))
        if most is not None and block.first + block.rows >= most:
            break
    return lengths


@dataclass(frozen=True)
class TextColumn:
    """A column of texts as word ids: 0 is padding, 1 is unknown, then the words of the training split by frequency.

    Args:
        name: Name of the column.
        vocabulary: Known words.
        length: Number of words that are read from a text.
        size: Width of the vectors that the model learns.
        required: Always False: a missing text has no words.
        kind: Discriminator of the kinds of columns.
    """

    name: str
    vocabulary: tuple[str, ...]
    length: int
    size: int
    required: bool = False
    kind: Literal["text"] = "text"

    @property
    def width(self) -> int:
        """The number of stored values per row."""
        return self.length

    @property
    def categories(self) -> int:
        """The number of ids."""
        return 2 + len(self.vocabulary)

    @property
    def embedded(self) -> Embedded | None:
        """The vectors that the model learns for its words."""
        return Embedded(self.name, self.categories, self.size, self.length)

    def code(self, known: pa.Array) -> tuple[npt.NDArray[np.float32], int | None]:
        """Return the stored ids of some texts, and None, because every text is valid.

        Args:
            known: Texts, null if missing.

        Shape:
            Returns: `(rows, length)`.
        """
        import pyarrow as pa
        import pyarrow.compute as pc

        words = split_words(as_texts(known))
        flat = words.flatten()
        ids = pc.index_in(flat, value_set=pa.array(self.vocabulary, pa.string())).fill_null(-1).to_numpy(False) + 2
        # pyarrow splits a text without words into one empty word, which is padding.
        ids[pc.equal(flat, "").to_numpy(zero_copy_only=False)] = 0
        return first_words(words, ids, length=self.length).astype(np.float32), None

    def build(self, tensor: Any, missing: Sequence[str]) -> Any:  # noqa: ARG002  a missing text has no words
        """Build the Keras layers that do the same as `code`.

        Shape:
            tensor: strings `(batch, 1)`. Returns: `(batch, length)`, float32.
        """
        import keras

        # Keras refuses an empty vocabulary, so it gets a word that texts do not have.
        words = keras.layers.TextVectorization(
            vocabulary=list(self.vocabulary) or ["\x00"], output_sequence_length=self.length
        )
        return keras.ops.cast(words(tensor), "float32")
