"""Preprocessing of an ensemble: that of each member, and their features side by side."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field

from dlrun.data.audio.preprocess import AudioPreprocess
from dlrun.data.columns import ColumnsPreprocess
from dlrun.data.preprocess import ArrayPreprocess, Preprocess
from dlrun.data.text.preprocess import TokenPreprocess

if TYPE_CHECKING:
    import keras

    MemberPreprocess = Preprocess
else:
    MemberPreprocess = Annotated[
        ArrayPreprocess | AudioPreprocess | ColumnsPreprocess | TokenPreprocess, Field(discriminator="type")
    ]


@dataclass(frozen=True)
class EnsemblePreprocess(Preprocess):
    """Preprocessing of stored examples for each member of an ensemble.

    Args:
        raw_shape: Shape of one stored example, without the batch axis.
        members: Preprocessing of each member.
        is_shared: Whether all members take the same stored examples. Otherwise those of each member lie flattened one
            after the other in a stored example.
        type: Discriminator of the kinds of preprocessing.
    """

    members: tuple[MemberPreprocess, ...]
    is_shared: bool
    type: Literal["ensemble"] = "ensemble"

    @classmethod
    def of(cls, members: tuple[Preprocess, ...], *, is_shared: bool) -> EnsemblePreprocess:
        """Return the preprocessing of some members; see the class for `is_shared`."""
        width = sum(math.prod(member.raw_shape) for member in members)
        return cls(members[0].raw_shape if is_shared else (width,), members, is_shared)

    @property
    def is_standardized(self) -> bool:
        """Whether every member standardizes its numbers."""
        return all(member.is_standardized for member in self.members)

    def build(self) -> keras.Model:
        """Build the Keras model.

        Shape:
            Input: `(batch, *raw_shape)`. Output: `(batch, width)`, the flattened features of each member one after the
            other; int32 if all of them are token ids, else float32.
        """
        import keras

        models = [member.build() for member in self.members]
        is_whole = all(model.inputs[0].dtype == "int32" for model in models)
        inputs = keras.Input(self.raw_shape, dtype="int32" if is_whole else "float32", name="raw")
        dtype = "int32" if all(model.outputs[0].dtype == "int32" for model in models) else "float32"
        parts, first = [], 0
        for index, (member, model) in enumerate(zip(self.members, models, strict=True)):
            part, size = inputs, math.prod(member.raw_shape)
            if not self.is_shared:
                part = keras.layers.Reshape(member.raw_shape, dtype=inputs.dtype, name=f"stored_{index}")(
                    inputs[:, first : first + size]
                )
                first += size
            if part.dtype != model.inputs[0].dtype:
                part = keras.ops.cast(part, model.inputs[0].dtype)
            model.name = f"member_{index}"
            features: Any = model(part, training=False)
            features = features if features.dtype == dtype else keras.ops.cast(features, dtype)
            parts.append(keras.layers.Flatten(dtype=dtype, name=f"features_{index}")(features))
        return keras.Model(inputs, keras.layers.Concatenate(dtype=dtype, name="features")(parts), name="preprocess")
