"""Preprocessing of texts within the training step: token ids stay unchanged or become a vector of counts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from dlrun.data.preprocess import Preprocess

if TYPE_CHECKING:
    import keras

OutputMode = Literal["int", "multi_hot", "count", "tf_idf"]


@dataclass(frozen=True)
class TokenPreprocess(Preprocess):
    """Preprocessing of stored token ids (0 is padding) for the model.

    Args:
        raw_shape: Shape of a stored row: `(length,)`.
        vocabulary_size: Number of token ids.
        output_mode: Form of the output: `int` for the ids, or a vector with one entry per id: `multi_hot` for its
            presence, `count` for its number of occurrences, `tf_idf` for that number times the weight of the id.
        idf: Weight of each id for `tf_idf`.
        type: Discriminator of the kinds of preprocessing.
    """

    vocabulary_size: int
    output_mode: OutputMode = "int"
    idf: tuple[float, ...] = ()
    type: Literal["tokens"] = "tokens"

    def build(self) -> keras.Model:
        """Return the Keras model of this preprocessing.

        Shape:
            Input: `(batch, length)` int32. Output: the same, or `(batch, vocabulary_size)` float32, in which the entry
            for padding is always 0.
        """
        import keras

        inputs = keras.Input(self.raw_shape, dtype="int32", name="raw")
        if self.output_mode == "int":
            return keras.Model(inputs, inputs, name="preprocess")
        mode = "multi_hot" if self.output_mode == "multi_hot" else "count"
        counted = keras.layers.CategoryEncoding(self.vocabulary_size, mode, dtype="float32", name="bag")(inputs)
        weights = self.idf if self.output_mode == "tf_idf" else (1.0,) * self.vocabulary_size
        # The count of padding is set to 0: it depends on the sequence length, and says nothing about the words.
        weighted = keras.layers.Rescaling((0.0, *weights[1:]), dtype="float32", name="weights")(counted)
        return keras.Model(inputs, weighted, name="preprocess")
