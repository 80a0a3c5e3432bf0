"""Learned vectors for token ids, and for category ids among other features."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pydantic import Field

from dlrun.component import FieldProblem, Fields
from dlrun.models.layers import Positive
from dlrun.signature import Features


class TokenEmbedding(Fields):
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
            return with_embeddings(tensor, features)
        ids, size = features.vocabulary_size, self.embedding_size
        return keras.layers.Embedding(ids, size, mask_zero=mask_zero, name="embedding")(tensor)

    def embedding_misfits(self, features: Features) -> Iterator[FieldProblem]:
        """Yield an embedding that token ids need but lack, or one for other features."""
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


def with_embeddings(tensor: Any, features: Features) -> Any:
    """Replace the ids at the end of the features by learned vectors; leave other features unchanged.

    The layers are named `embedding_1`, `embedding_2`, ... in the order of the columns. The word ids of a text become
    the mean of their vectors.

    Shape:
        Input: `(batch, ..., width)`. Output: `(batch, ..., amounts + vectors)`.
    """
    import keras

    if not features.embedded:
        return tensor
    first = features.shape[-1] - sum(column.columns for column in features.embedded)
    parts = [tensor[..., :first]] if first else []
    # Cast before any layer: under mixed precision a layer rounds its input to bfloat16, which turns id 257 into 256.
    ids = keras.ops.cast(tensor[..., first:], "int32")
    begun = 0
    for number, column in enumerate(features.embedded, start=1):
        embedding = keras.layers.Embedding(column.categories, column.size, name=f"embedding_{number}")
        if column.words is None:
            parts.append(embedding(ids[..., begun]))
        else:
            parts.append(_mean_of_words(embedding, ids[..., begun : begun + column.words]))
        begun += column.columns
    return keras.layers.Concatenate(name="embedded")(parts) if len(parts) > 1 else parts[0]


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
