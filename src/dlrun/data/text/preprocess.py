"""The preprocessing of texts inside the step: token ids stay as they are, or become a vector that counts them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from dlrun.data.preprocess import Preprocess

if TYPE_CHECKING:
    import keras

OutputMode = Literal["int", "multi_hot", "count", "tf_idf"]


@dataclass(frozen=True)
class TokenPreprocess(Preprocess):
    """The step between a stored row of token ids, in which 0 is padding, and the model.

    Args:
        raw_shape: `(length,)`.
        vocabulary_size: Number of ids.
        output_mode: Int: the ids · multi_hot: for each id whether it is there · count: how often · tf_idf: how often,
            times the id's weight.
        idf: The weight of each id, for tf_idf.
        type: Tells the kinds of preprocessing apart.
    """

    vocabulary_size: int
    output_mode: OutputMode = "int"
    idf: tuple[float, ...] = ()
    type: Literal["tokens"] = "tokens"

    def build(self) -> keras.Model:
        """Make the Keras model that does it.

        Shape:
            Input: `(batch, length)` int32. Output: the same, or `(batch, vocabulary_size)` float32, in which the place
            of padding is always 0.
        """
        import keras

        inputs = keras.Input(self.raw_shape, dtype="int32", name="raw")
        if self.output_mode == "int":
            return keras.Model(inputs, inputs, name="preprocess")
        mode = "multi_hot" if self.output_mode == "multi_hot" else "count"
        counted = keras.layers.CategoryEncoding(self.vocabulary_size, mode, dtype="float32", name="bag")(inputs)
        weights = self.idf if self.output_mode == "tf_idf" else (1.0,) * self.vocabulary_size
        weighted = keras.layers.Rescaling((0.0, *weights[1:]), dtype="float32", name="weights")(counted)
        return keras.Model(inputs, weighted, name="preprocess")
