"""The content of a config with its comments, before it is formatted as YAML."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Key:
    """A line of a section: a key, its value, and a comment.

    Args:
        name: Name of the key.
        value: Value in plain Python: text, numbers, lists, dicts.
        comment: Comment after the value; may be empty.
    """

    name: str
    value: Any
    comment: str = ""


@dataclass(frozen=True)
class Remark:
    """A comment on lines of its own between the keys of a section."""

    text: str


Section = tuple[Key | Remark, ...]


@dataclass(frozen=True)
class ConfigDraft:
    """The content of a config.

    Args:
        summary: Description of the data and the target in one or two sentences.
        dataset: Section of the dataset.
        model: Section of the model.
        loss: Name of the loss.
        metrics: Names of the metrics.
        training: Section of the training.
        messages: Messages for the user about each guess and how to override it.
        optimizer: The line of the optimizer, or only the learning rate of adam.
        schedule: Name of the schedule of the learning rate.
    """

    summary: str
    dataset: Section
    model: Section
    loss: str
    metrics: tuple[str, ...]
    training: Section
    messages: tuple[str, ...] = ()
    optimizer: float | Key = 1e-3
    schedule: str = "constant"


@dataclass(frozen=True)
class Wishes:
    """What the user specified about the data. Empty or None: guess it.

    Args:
        kind: Type of the dataset.
        target: Column to predict.
        history: Number of rows that a prediction is made from, for a series.
        horizon: Number of rows to predict, for a series.
        more_targets: More columns to predict, for a table.
        test: Fraction of the examples to hold out for the test; None: by the number of examples.
    """

    kind: str = ""
    target: str = ""
    history: int | None = None
    horizon: int | None = None
    more_targets: tuple[str, ...] = ()
    test: float | None = None


@dataclass(frozen=True)
class Sizes:
    """Choices that depend on the number of examples.

    Args:
        examples: Number of examples before the hold-out.
        passes: Approximate number of examples that training should process over all epochs.
        patience: Minimum patience of early stopping, in epochs.
        test: Fraction of the examples to hold out for the test; None: by their number.
    """

    examples: int
    passes: int = 400_000
    patience: int = 5
    test: float | None = None

    @property
    def held_out(self) -> Section:
        """The keys `test` and `validation`; with few examples, a remark instead."""
        if self.examples < _HARDLY_ANY:
            return (Remark("Too few examples to hold some out; to do so anyway: test: 0.2 and validation: 0.1."),)
        large = self.examples >= _VERY_MANY
        test, validation = (0.05, 0.05) if large else (0.2, 0.1)
        test = test if self.test is None else self.test
        return (Key("test", test, "fractions of the examples to hold out"), Key("validation", validation))

    @property
    def batch_size(self) -> int:
        """Number of examples in a step."""
        usual = next(size for most, size in _BATCHES if self.examples < most)
        # A power of two that leaves at least a few steps in an epoch.
        most = max(1, self.examples // _FEWEST_STEPS)
        return min(usual, 1 << (most.bit_length() - 1))

    @property
    def epochs(self) -> int:
        """Number of epochs, more for fewer examples."""
        return min(100, max(5, round(self.passes / max(1, self.examples))))

    @property
    def training(self) -> Section:
        """The whole section, with early stopping if validation examples are held out."""
        keys = (Key("batch_size", self.batch_size), Key("epochs", self.epochs))
        if self.examples < _HARDLY_ANY:
            return keys
        patience = max(self.patience, self.epochs // 8)
        why = "stop if val_loss does not improve, and keep the best epoch"
        return (*keys, Key("early_stopping", {"patience_epochs": patience}, why))


_HARDLY_ANY = 30
_VERY_MANY = 1_000_000
_FEWEST_STEPS = 4
_BATCHES = ((2_000, 32), (20_000, 64), (100_000, 128), (1_000_000, 512), (float("inf"), 2048))
