"""What one example looks like: the shapes that datasets promise, losses settle, and models are built for.

Datasets and models never import each other; both import this.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import accumulate
from typing import Literal

FeatureKind = Literal["image", "vector", "sequence", "tokens"]
TargetKind = Literal["classes", "class_columns", "labels", "values", "input"]
_FAR_FROM_0 = 10_000
"""Of a mean that is so many times the spread, float32 has three digits of the spread left."""

_MARKS = ("=", ": ", " is ")
"""Between a column and its class; the first by which all classes of all columns have names of their own."""

Encoding = Literal["index", "one_hot", "binary", "value"]


@dataclass(frozen=True)
class Embedded:
    """A column of category ids for which the model learns vectors.

    Args:
        name: Of the column.
        categories: Number of ids: they run from 0 to this less 1.
        size: Width of the vector learnt for each.
        words: Of a column of text: the number of ids that each example has, whose vectors are averaged; 0 is none.
            None: it has one id, and 0 is an id like the others.
    """

    name: str
    categories: int
    size: int
    words: int | None = None

    @property
    def columns(self) -> int:
        """How many of the features are its ids."""
        return self.words or 1


@dataclass(frozen=True)
class Features:
    """The features of one example, as the model receives them (after `preprocess`).

    Args:
        kind: What the axes mean.
        shape: Without the batch axis: image `(height, width, channels)`, vector `(width,)`, sequence
            `(steps, width)`, tokens `(steps,)` of integer ids.
        vocabulary_size: Number of token ids (kind `tokens` only): ids run from 0 to this less 1.
        embedded: What the last columns of the last axis hold in place of amounts (kinds `vector` and `sequence`): ids,
            `columns` of them for each.
    """

    kind: FeatureKind
    shape: tuple[int, ...]
    vocabulary_size: int | None = None
    embedded: tuple[Embedded, ...] = ()

    @property
    def size(self) -> int:
        """Number of values in one example."""
        return math.prod(self.shape)


@dataclass(frozen=True)
class LastValue:
    """Where the features of a sequence hold the last value of what is to be predicted.

    Args:
        place: Column of the last axis of the features, in their last step.
        scale: By which that number has to be multiplied,
        offset: and what has to be added, for the value in its own unit.
    """

    place: int
    scale: float
    offset: float


@dataclass(frozen=True)
class Target:
    """What a model is to predict for one example.

    Args:
        kind: `classes` (one label), `class_columns` (several columns, a label of its own classes in each), `labels`
            (several yes-or-no labels), `values` (real numbers), `input` (the features themselves).
        size: Number of classes, of all columns together; of labels, or of values.
        class_names: Names of the classes in the order of their indices, of columns each with its column; of labels the
            column with the value that is 1, or where that says nothing the column. May be empty.
        encoding: How the loss takes it: `index` (n,) int32, of columns (n, columns) · `one_hot` (n, size) float32, of
            columns one after the other · `binary` (n, 1) float32 of 0 and 1, of labels (n, size) · `value` (n, ...)
            float32. Settled by the loss.
        activation: Name of the Keras activation that the model's last layer applies. Settled by the loss (what the
            head is to apply) and then by the model (what its own last layer does apply).
        names: Of the values, labels or class columns: for people; may be empty, but of class columns.
        mean: Of each value in its own unit; with `scale`, the model learns (value - mean) / scale. Empty: the value.
        scale: Standard deviation of each value in its own unit.
        class_counts: Of class columns: the number of classes of each.
        last: Of each value: where its last known value is, which is added to what the network gives; it then learns the
            difference. Empty: the value itself is learnt.
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

    @classmethod
    def of_input(cls, features: Features) -> Target:
        """The target of an autoencoder: its own input."""
        return cls("input", features.size, encoding="value")

    @classmethod
    def of_columns(cls, classes: Mapping[str, Sequence[str]]) -> Target:
        """The target of several columns.

        Args:
            classes: By column, the names of its classes in the order of their indices.
        """
        for mark in _MARKS:
            said = tuple(f"{column}{mark}{name}" for column, names in classes.items() for name in names)
            if len(set(said)) == len(said):
                break
        counts = tuple(len(names) for names in classes.values())
        return cls("class_columns", sum(counts), said, names=tuple(classes), class_counts=counts)

    @property
    def parts(self) -> tuple[Part, ...]:
        """Of class columns each as a target of its own; of every other kind the target itself."""
        if self.kind != "class_columns":
            return (Part("", 0, self),)
        firsts = accumulate(self.class_counts, initial=0)
        return tuple(
            Part(name, first, self._of_column(name, first, size))
            for name, first, size in zip(self.names, firsts, self.class_counts, strict=False)
        )

    @property
    def names_its_columns(self) -> bool:
        """Whether the classes of each column are called after it."""
        firsts = accumulate(self.class_counts, initial=0)
        parts = zip(self.names, firsts, self.class_counts, strict=False)
        return all(
            any(all(each.startswith(name + mark) for each in self.class_names[first : first + size]) for mark in _MARKS)
            for name, first, size in parts
        )

    def _of_column(self, name: str, first: int, size: int) -> Target:
        said = self.class_names[first : first + size]
        mark = next(mark for mark in _MARKS if all(each.startswith(name + mark) for each in said))
        plain = tuple(each.removeprefix(name + mark) for each in said)
        return Target("classes", size, plain, self.encoding, self.activation)

    @property
    def is_decided(self) -> bool:
        """Whether a prediction is probabilities, of which one names the most probable."""
        return self.kind in ("classes", "class_columns", "labels")

    @property
    def units(self) -> int:
        """Width of the model's output."""
        return 1 if self.encoding == "binary" and self.kind == "classes" else self.size

    @property
    def is_logits(self) -> bool:
        """Whether the model's output are logits, to which softmax or sigmoid has not been applied yet."""
        return self.activation == "linear" and self.encoding != "value"

    @property
    def output_names(self) -> tuple[str, ...]:
        """What each class, label or value is called, each by a name of its own; numbers where the data has no names."""
        for names in (self.names, self.class_names) if self.kind == "values" else (self.class_names, self.names):
            if len(names) == self.size == len(set(names)):
                return names
        if self.kind == "values":
            return ("value",) if self.size == 1 else tuple(f"value_{index}" for index in range(self.size))
        return tuple(map(str, range(self.size)))

    @property
    def needs_float64(self) -> bool:
        """Whether float32 has too few digits for its values in their own unit: the mean is that large a multiple."""
        return any(abs(mean) > _FAR_FROM_0 * scale for mean, scale in zip(self.mean, self.scale, strict=True))

    def settled(self, encoding: Encoding, activation: str = "linear") -> Target:
        """The same target in the form that a loss takes, for a model that ends in `activation`."""
        return replace(self, encoding=encoding, activation=activation)

    def unscaled(self) -> Target:
        """The same target, learnt in its own unit."""
        return replace(self, mean=(), scale=())


@dataclass(frozen=True)
class Part:
    """One of the columns of a target.

    Args:
        name: Of the column; empty where the target is no column.
        first: Of its classes among those of all columns.
        target: What it is by itself.
    """

    name: str
    first: int
    target: Target

    @property
    def places(self) -> slice:
        """Of its classes among those of all columns."""
        return slice(self.first, self.first + self.target.size)


@dataclass(frozen=True)
class Description:
    """What is known of a dataset without loading it.

    Args:
        features: Of one example.
        target: None when the data has no labels.
        examples: Number of examples in each split that exists: `train`, `validation`, `test`.
        left_out: Why a column of its files is no feature, by name.
    """

    features: Features
    target: Target | None
    examples: Mapping[str, int] = field(default_factory=dict)
    left_out: Mapping[str, str] = field(default_factory=dict)
