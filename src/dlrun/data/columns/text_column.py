"""A column of free text: the ids of its words, whose vectors the model averages."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt

from dlrun.data.columns.texts import as_texts, first_words, split_words
from dlrun.signature import Embedded

if TYPE_CHECKING:
    import pyarrow as pa


@dataclass(frozen=True)
class TextColumn:
    """Words: id 0 is no word, 1 every unknown one, then those of the training split by frequency.

    Args:
        name: Of the column.
        vocabulary: The known words.
        length: Words of a text that are read.
        size: Width of the vector that the model learns for each.
        kind: Tells the kinds of columns apart.
    """

    name: str
    vocabulary: tuple[str, ...]
    length: int
    size: int
    required: bool = False
    kind: Literal["text"] = "text"

    @property
    def width(self) -> int:
        """Numbers that a row holds of it."""
        return self.length

    @property
    def categories(self) -> int:
        """Number of ids."""
        return 2 + len(self.vocabulary)

    @property
    def embedded(self) -> Embedded | None:
        """What the model learns for its words."""
        return Embedded(self.name, self.categories, self.size, self.length)

    def code(self, known: pa.Array) -> tuple[npt.NDArray[np.float32], int | None]:
        """The stored ids of some texts; none is wrong.

        Args:
            known: Text, null for what is missing.

        Shape:
            Returns: `(rows, length)`.
        """
        import pyarrow as pa
        import pyarrow.compute as pc

        words = split_words(as_texts(known))
        flat = words.flatten()
        ids = pc.index_in(flat, value_set=pa.array(self.vocabulary, pa.string())).fill_null(-1).to_numpy(False) + 2
        ids[pc.equal(flat, "").to_numpy(zero_copy_only=False)] = 0
        return first_words(words, ids, length=self.length).astype(np.float32), None

    def build(self, tensor: Any, missing: Sequence[str]) -> Any:  # noqa: ARG002  a missing text is one without words
        """The same of a Keras tensor: strings `(batch, 1)`; gives `(batch, length)`, float32."""
        import keras

        words = keras.layers.TextVectorization(
            vocabulary=list(self.vocabulary) or ["\x00"], output_sequence_length=self.length
        )
        return keras.ops.cast(words(tensor), "float32")
