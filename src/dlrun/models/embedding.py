"""Learned vectors for token ids, for category ids among other features, and for continuous numbers."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from pydantic import Field

from dlrun.component import FieldProblem, Fields
from dlrun.models.layers import Positive
from dlrun.models.parts.numeric_embedding import NumericEmbeddingKey, Periodic, PiecewiseLinear
from dlrun.signature import Continuous, Features


class NumericEmbedding(Fields):
    """Learned vectors for continuous numbers."""

    numeric_embedding: NumericEmbeddingKey = Field(
        default="none",
        description="Vectors learned for the continuous numbers of a table or a series. none: numbers stay as they are "
        "· periodic: waves of learned frequencies · piecewise_linear: the place among the quantiles of the training "
        "split · or a group of keys with one of these types. Categories have vectors of their own.",
    )

    def embedded(self, tensor: Any, features: Features, *, rate: float = 1.0) -> Any:
        """Replace continuous numbers, and ids at the end of the features, by learned vectors.

        Args:
            tensor: Features.
            features: Description of the features.
            rate: Factor of the learning rate of periodic embeddings.

        Shape:
            Input: `(batch, ..., width)`. Output: `(batch, ..., vectors + other features + vectors of ids)`.
        """
        keys = self.keys_for(features)
        if keys is None:
            return with_embeddings(tensor, features)
        numbers = _continuous(features)
        return with_embeddings(tensor, features, numbers=numbers, embed=keys.layer(numbers, rate=rate))

    def embedded_widths(self, features: Features) -> tuple[int, ...]:
        """Return how many values of the output of `embedded` belong to each feature, in their order.

        Args:
            features: Description of a vector, or of the steps of a sequence.
        """
        keys = self.keys_for(features)
        numbers = () if keys is None else _continuous(features)
        ids = sum(column.columns for column in features.embedded)
        size = 0 if keys is None else keys.size
        others = features.shape[-1] - ids - len(numbers)
        return (*[size] * len(numbers), *[1] * others, *(column.size for column in features.embedded))

    def keys_for(self, features: Features) -> Periodic | PiecewiseLinear | None:  # noqa: ARG002  for subclasses
        """Return the keys of the embedding; None if there is none."""
        named = {
            "none": None,
            "periodic": Periodic(type="periodic"),
            "piecewise_linear": PiecewiseLinear(type="piecewise_linear"),
        }
        given = self.numeric_embedding
        return named[given] if isinstance(given, str) else given

    def numeric_misfits(self, features: Features) -> Iterator[FieldProblem]:
        """Yield a numeric embedding for features without continuous numbers."""
        if self.keys_for(features) is None:
            return
        what = ""
        if features.kind not in ("vector", "sequence"):
            what = f"numeric_embedding is for tables and series, but the features are of kind {features.kind}"
        elif features.continuous == ():
            what = "numeric_embedding needs continuous numbers, but the features have none"
        if what:
            hint = "numeric_embedding: none"
            yield FieldProblem(("numeric_embedding",), what, "a dataset with columns of numbers", hint)


class TokenEmbedding(NumericEmbedding):
    """The embedding of token ids."""

    embedding_size: Positive | None = Field(
        default=None,
        description="Width of the vector learned for each token id. Required for token ids, and only for them.",
    )

    def embed(self, tensor: Any, features: Features, *, mask_zero: bool = False) -> Any:
        """Replace token ids, and category ids among other features, by their learned vectors.

        Args:
            tensor: Features.
            features: Description of the features.
            mask_zero: Whether the following layers skip id 0.

        Shape:
            Input: `(batch, steps)` token ids. Output: `(batch, steps, embedding_size)`.
        """
        import keras

        if features.kind != "tokens":
            return self.embedded(tensor, features)
        ids, size = features.vocabulary_size, self.embedding_size
        return keras.layers.Embedding(ids, size, mask_zero=mask_zero, name="embedding")(tensor)

    def embedding_misfits(self, features: Features) -> Iterator[FieldProblem]:
        """Yield an embedding that the features need but lack, or one for other features."""
        yield from self.numeric_misfits(features)
        if features.kind == "tokens" and self.embedding_size is None:
            what = "the features are token ids, which need an embedding"
            yield FieldProblem((), what, hint="embedding_size: 64")
        for key in ("embedding_size", "mask_zero"):
            if features.kind != "tokens" and getattr(self, key, None):
                yield FieldProblem(
                    (key,),
                    f"{key} is for token ids, but the features are of kind {features.kind}",
                    expected="a dataset of token ids",
                    hint=f"remove {key}",
                )


def with_embeddings(
    tensor: Any,
    features: Features,
    *,
    numbers: Sequence[Continuous] = (),
    embed: Callable[[Any], Any] | None = None,
) -> Any:
    """Replace the ids at the end of the features by learned vectors; leave other features unchanged.

    The layers are named `embedding_1`, `embedding_2`, ... in the order of the columns. The word ids of a text become
    the mean of their vectors.

    Args:
        tensor: Features.
        features: Description of the features.
        numbers: Continuous numbers to embed, too.
        embed: Function that embeds them.

    Shape:
        Input: `(batch, ..., width)`. Output: `(batch, ..., vectors of numbers + amounts + vectors)`.
    """
    import keras

    first = features.shape[-1] - sum(column.columns for column in features.embedded)
    if embed is not None:
        parts = _with_numbers(tensor, [number.place for number in numbers], embed, others=first)
    elif features.embedded:
        parts = [tensor[..., :first]] if first else []
    else:
        return tensor
    # Cast before any layer: under mixed precision a layer rounds its input to bfloat16, which turns id 257 into 256.
    ids: Any = keras.ops.cast(tensor[..., first:], "int32") if features.embedded else None
    begun = 0
    for number, column in enumerate(features.embedded, start=1):
        embedding = keras.layers.Embedding(column.categories, column.size, name=f"embedding_{number}")
        if column.words is None:
            parts.append(embedding(ids[..., begun]))
        else:
            parts.append(_mean_of_words(embedding, ids[..., begun : begun + column.words]))
        begun += column.columns
    return keras.layers.Concatenate(name="embedded")(parts) if len(parts) > 1 else parts[0]


def _with_numbers(tensor: Any, places: list[int], embed: Callable[[Any], Any], *, others: int) -> list[Any]:
    """Return the vectors of the numbers at some places, and the remaining ones of the first features.

    Args:
        tensor: Features.
        places: Places of the numbers, ascending.
        embed: Function that embeds them.
        others: Number of features before the ids of categories.
    """
    import keras
    import numpy as np

    def chosen(wanted: list[int]) -> Any:
        if wanted == list(range(wanted[0], wanted[-1] + 1)):
            return tensor[..., wanted[0] : wanted[-1] + 1]
        return keras.ops.take(tensor, np.array(wanted, np.int32), axis=-1)

    rest = sorted(set(range(others)) - set(places))
    return [embed(chosen(places)), *([chosen(rest)] if rest else [])]


def _mean_of_words(embedding: Any, ids: Any) -> Any:
    """Return the mean of the vectors of all ids except 0 (padding), or zeros if all ids are 0.

    Shape:
        ids: `(batch, ..., words)`. Output: `(batch, ..., size)`.
    """
    import keras

    vectors = embedding(ids)
    is_word = keras.ops.cast(keras.ops.not_equal(ids, 0), vectors.dtype)[..., None]
    # At least 1, so that an empty text becomes zeros instead of 0 / 0.
    count = keras.ops.maximum(keras.ops.sum(is_word, axis=-2), 1.0)
    return keras.ops.sum(vectors * is_word, axis=-2) / count


def _continuous(features: Features) -> tuple[Continuous, ...]:
    """Return the continuous numbers.

    Raises:
        ValueError: The dataset does not say which features are numbers.
    """
    if not features.continuous:
        raise ValueError("numeric_embedding needs a table, a series, or an array of numbers that are not constant")
    return features.continuous
