"""Shapes and meaning of the features and the target of one example.

A dataset describes them, the loss chooses the encoding of the target, and a model is built for them. Datasets and
models never import each other; both import this module.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import accumulate
from typing import Literal

from dlrun.decision import Decision
from dlrun.monotone import MonotoneCurve

FeatureKind = Literal["image", "vector", "sequence", "tokens"]
TargetKind = Literal["classes", "class_columns", "labels", "values", "input", "mask"]
IGNORED_CLASS = 255
"""Class index of the pixels of a mask that count neither in losses nor in metrics."""

LAST_VALUE, SEASONAL_VALUE = "the last value", "the value one season before"
"""Names of the naive forecasts of a series, for people; the second is followed by the length of the season."""

_FAR_FROM_0 = 10_000
"""Ratio of mean to standard deviation above which float32 keeps fewer than three digits of the deviation."""

_MARKS = ("=", ": ", " is ")
"""Separators between the names of a column and a class. The first that makes all names unique is used."""

MEDIAN = 0.5

Transform = Literal["none", "log1p", "quantile"]

Encoding = Literal["index", "one_hot", "binary", "value"]


@dataclass(frozen=True)
class Embedded:
    """A column of category ids for which the model learns vectors.

    Args:
        name: Name of the column.
        categories: Number of ids, which run from 0 to `categories - 1`.
        size: Width of the vector that is learned for each id.
        words: For a text column, the number of ids in each example. Their vectors are averaged, and id 0 is padding.
            None for a column with one id, where 0 is an id like any other.
    """

    name: str
    categories: int
    size: int
    words: int | None = None

    @property
    def columns(self) -> int:
        """Number of feature columns that hold its ids."""
        return self.words or 1


@dataclass(frozen=True)
class Continuous:
    """A feature that is a number on a scale, neither a mark of 0 or 1 nor an id.

    Args:
        place: Index in the last axis of the features.
        edges: Ascending quantiles of the training split, in the unit of the features, without repetitions: the first
            is the smallest value, the last is the largest. At least two.
    """

    place: int
    edges: tuple[float, ...]


@dataclass(frozen=True)
class PixelRange:
    """The features of a black and of a white pixel, for each channel of an image."""

    black: tuple[float, ...]
    white: tuple[float, ...]


@dataclass(frozen=True)
class Features:
    """The features of one example, as the model receives them (after `preprocess`).

    Args:
        kind: Meaning of the axes.
        shape: Shape without the batch axis: image `(height, width, channels)`, vector `(width,)`, sequence
            `(steps, width)`, tokens `(steps,)` of integer ids.
        vocabulary_size: Number of token ids, which run from 0 to `vocabulary_size - 1` (kind `tokens` only).
        embedded: Columns of category ids, which occupy the end of the last axis (kinds `vector` and `sequence`).
        continuous: Continuous numbers, in the order of their places; for these a model can learn numeric embeddings.
            None if it is not known which features are continuous, as before the data is loaded.
        members: For an ensemble, the features of each member, which lie flattened one after the other in a vector;
            empty if all members have these same features.
        pixel_range: Features of a black and of a white pixel (kind `image` only). None if they are not known, as before
            the data is loaded.
    """

    kind: FeatureKind
    shape: tuple[int, ...]
    vocabulary_size: int | None = None
    embedded: tuple[Embedded, ...] = ()
    continuous: tuple[Continuous, ...] | None = field(default=None, compare=False)
    members: tuple[Features, ...] = ()
    pixel_range: PixelRange | None = field(default=None, compare=False)

    @property
    def size(self) -> int:
        """Number of values in one example."""
        return math.prod(self.shape)


@dataclass(frozen=True)
class LastValue:
    """Where the features of a sequence hold a known value of the target: the last one, or that of the last season.

    Formula:
        value in its own unit = features[-rows_back, place] * scale + offset

    Args:
        place: Index in the last axis of the features.
        scale: Factor that converts the feature into the unit of the target.
        offset: Number that is added after scaling.
        rows_back: Number of rows before the end of the features; 1 for the last row.
    """

    place: int
    scale: float
    offset: float
    rows_back: int = 1


@dataclass(frozen=True)
class Target:
    """What a model predicts for one example.

    Args:
        kind: `classes` (one label), `class_columns` (several columns, each with its own classes and one label),
            `labels` (several yes-or-no labels), `values` (real numbers), `input` (the features themselves), `mask` (a
            class for each pixel of an image).
        size: Number of classes (summed over all class columns), of labels, or of values.
        class_names: Names of the classes in the order of their indices, prefixed by the column for class columns. For
            labels, the name of the column and the value that counts as 1, or just the column. May be empty.
        encoding: Form of `y_true`, chosen by the loss: `index`, int32 `(n,)`, or `(n, columns)` for class columns;
            `one_hot`, float32 `(n, size)`, class columns side by side; `binary`, float32 0 or 1, `(n, 1)`, or
            `(n, size)` for labels; `value`, float32 `(n, ...)`. For masks: `index`, int32 `(n, height, width)` with
            `IGNORED_CLASS` where a pixel does not count; `one_hot`, float32 `(n, height, width, size)`, zeros there.
        activation: Name of the Keras activation that ends the model. The loss proposes it for the shared head; a model
            with its own last layer replaces it with what that layer applies.
        names: Display names of the values, labels or class columns. May be empty except for class columns.
        mean: Mean of each value, after `transform`. With `scale`, the model learns (value - mean) / scale. If empty,
            the model learns the value itself.
        scale: Standard deviation of each value, after `transform`.
        class_counts: Number of classes in each class column.
        last: Location of a known value of each target value, the last one or that of the last season. It is added to
            the output of the network, which then learns the difference. If empty, the network learns the value itself.
        transform: Transformation of each value before it is standardized. Predictions and metrics undo it.
        curves: For `quantile`, the transformation of each value.
        decision: Calibration and thresholds that were chosen after the training; None: probabilities as the network
            gives them, and the most probable class.
        levels: Levels of the quantiles of each value that the model predicts, ascending, chosen by the loss. Its
            outputs are all values at the first level, then at the second. If empty, it predicts one number for each
            value.
        members: For an ensemble, the target of each member, which may learn the values in another unit; empty if all
            members have this same target.
    """

    kind: TargetKind
    size: int
    class_names: tuple[str, ...] = ()
    encoding: Encoding = "index"
    activation: str = "linear"
    names: tuple[str, ...] = ()
    mean: tuple[float, ...] = ()
    scale: tuple[float, ...] = ()
    class_counts: tuple[int, ...] = ()
    last: tuple[LastValue, ...] = ()
    transform: Transform = "none"
    curves: tuple[MonotoneCurve, ...] = ()
    decision: Decision | None = None
    levels: tuple[float, ...] = ()
    members: tuple[Target, ...] = ()

    @classmethod
    def of_input(cls, features: Features) -> Target:
        """Return the target of an autoencoder, which is its own input."""
        return cls("input", features.size, encoding="value")

    @classmethod
    def of_columns(cls, classes: Mapping[str, Sequence[str]]) -> Target:
        """Return the target for several class columns.

        Args:
            classes: Names of the classes of each column, in the order of their indices.
        """
        # With `=`, class `c` of column `a=b` and class `b=c` of column `a` would have the same name.
        for mark in _MARKS:
            full_names = tuple(f"{column}{mark}{name}" for column, names in classes.items() for name in names)
            if len(set(full_names)) == len(full_names):
                break
        counts = tuple(len(names) for names in classes.values())
        return cls("class_columns", sum(counts), full_names, names=tuple(classes), class_counts=counts)

    @property
    def parts(self) -> tuple[Part, ...]:
        """Each class column as a target of its own; for every other kind, the target itself."""
        if self.kind != "class_columns":
            return (Part("", 0, self),)
        firsts = accumulate(self.class_counts, initial=0)
        return tuple(
            Part(name, first, self._of_column(name, first, size))
            for name, first, size in zip(self.names, firsts, self.class_counts, strict=False)
        )

    @property
    def names_its_columns(self) -> bool:
        """Whether the name of each class starts with the name of its column."""
        firsts = accumulate(self.class_counts, initial=0)
        parts = zip(self.names, firsts, self.class_counts, strict=False)
        return all(
            any(all(each.startswith(name + mark) for each in self.class_names[first : first + size]) for mark in _MARKS)
            for name, first, size in parts
        )

    def _of_column(self, name: str, first: int, size: int) -> Target:
        full_names = self.class_names[first : first + size]
        # The mark that `of_columns` chose is not stored, but all names of the column start with it.
        mark = next(mark for mark in _MARKS if all(each.startswith(name + mark) for each in full_names))
        plain = tuple(each.removeprefix(name + mark) for each in full_names)
        return Target("classes", size, plain, self.encoding, self.activation)

    @property
    def is_decided(self) -> bool:
        """Whether a prediction consists of probabilities, from which a class is chosen."""
        return self.kind in ("classes", "class_columns", "labels")

    @property
    def has_threshold(self) -> bool:
        """Whether a threshold can be chosen: between two classes, or for each label."""
        return self.kind == "labels" or (self.kind == "classes" and self.size == 2)

    @property
    def threshold_names(self) -> tuple[str, ...]:
        """Name of what each threshold belongs to: the second class, or each label."""
        return self.output_names if self.kind == "labels" else self.output_names[1:]

    @property
    def units(self) -> int:
        """Number of outputs of the model; for masks, of each pixel."""
        # With a binary loss, one probability decides between two classes.
        return 1 if self.encoding == "binary" and self.kind == "classes" else self.size * max(1, len(self.levels))

    @property
    def main_level(self) -> int:
        """Index of the level that is the prediction of a value: the median, or else the middle one."""
        return self.levels.index(MEDIAN) if MEDIAN in self.levels else len(self.levels) // 2

    @property
    def is_logits(self) -> bool:
        """Whether the model returns logits, to which softmax or sigmoid has not been applied."""
        return self.activation == "linear" and self.encoding != "value"

    @property
    def output_names(self) -> tuple[str, ...]:
        """A unique name for each class, label or value; a number where the data has no names."""
        # Names that are incomplete or repeated cannot be told apart, so they are not used at all.
        for names in (self.names, self.class_names) if self.kind == "values" else (self.class_names, self.names):
            if len(names) == self.size == len(set(names)):
                return names
        if self.kind == "values":
            return ("value",) if self.size == 1 else tuple(f"value_{index}" for index in range(self.size))
        return tuple(map(str, range(self.size)))

    @property
    def needs_float64(self) -> bool:
        """Whether the mean is so much larger than the spread that float32 loses digits of the values in their unit."""
        # After a transformation, mean and scale are not in the unit of the values.
        pairs = zip(self.mean, self.scale, strict=True) if self.transform == "none" else ()
        return any(abs(mean) > _FAR_FROM_0 * scale for mean, scale in pairs)

    def with_encoding(self, encoding: Encoding, activation: str = "linear") -> Target:
        """Return the target with the encoding of a loss, for a model that ends in `activation`."""
        return replace(self, encoding=encoding, activation=activation)

    def decided_by(self, decision: Decision | None) -> Target:
        """Return the target with another decision; None for none."""
        return replace(self, decision=decision)

    def without_scale(self) -> Target:
        """Return the target without standardization, so that the model learns it in its own unit."""
        return replace(self, mean=(), scale=())


@dataclass(frozen=True)
class Part:
    """One class column of a target, or a whole target of any other kind.

    Args:
        name: Name of the column; empty if the target is not a class column.
        first: Index of its first class among the classes of all columns.
        target: The column as a target of its own.
    """

    name: str
    first: int
    target: Target

    @property
    def places(self) -> slice:
        """Indices of its classes among the classes of all columns."""
        return slice(self.first, self.first + self.target.size)


@dataclass(frozen=True)
class Description:
    """What is known about a dataset before it is loaded.

    Args:
        features: Features of one example.
        target: Target of one example; None if the data has no target.
        examples: Number of examples in each split that exists: `train`, `validation`, `test`.
        left_out: Columns of the files that are not features, each with the reason.
    """

    features: Features
    target: Target | None
    examples: Mapping[str, int] = field(default_factory=dict)
    left_out: Mapping[str, str] = field(default_factory=dict)
