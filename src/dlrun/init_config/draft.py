"""What a config is to say, with its comments, before it is written as YAML."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Key:
    """A line of a section: a key, its value, and why.

    Args:
        name: Of the key.
        value: Plain Python: text, numbers, lists, groups.
        comment: Behind the value; may be empty.
    """

    name: str
    value: Any
    comment: str = ""


@dataclass(frozen=True)
class Remark:
    """Lines of comment among the keys of a section."""

    text: str


Section = tuple[Key | Remark, ...]


@dataclass(frozen=True)
class ConfigDraft:
    """A config.

    Args:
        summary: What the data is and what is predicted, in a sentence or two.
        dataset: Its section.
        model: Its section.
        loss: Name of the loss.
        metrics: Names of the metrics.
        training: Its section.
        told: What was guessed, and how to say otherwise; for the user's eyes.
        learning_rate: Of adam.
    """

    summary: str
    dataset: Section
    model: Section
    loss: str
    metrics: tuple[str, ...]
    training: Section
    told: tuple[str, ...] = ()
    learning_rate: float = 1e-3


@dataclass(frozen=True)
class Wishes:
    """What the user says of the data; empty or None: it is guessed.

    Args:
        kind: Type of the dataset.
        target: The column to predict.
        history: Of a series: the rows that a prediction is made from.
        horizon: Of a series: the rows that are predicted.
        more_targets: Of a table: more columns to predict, from what is left.
    """

    kind: str = ""
    target: str = ""
    history: int | None = None
    horizon: int | None = None
    more_targets: tuple[str, ...] = ()


@dataclass(frozen=True)
class Sizes:
    """Choices that follow from the number of examples.

    Args:
        examples: All of them, before any is held out.
        passes: Examples that a small network needs to see, about; more for slow learners.
        patience: Fewest epochs without a lower loss after which training ends.
    """

    examples: int
    passes: int = 400_000
    patience: int = 5

    @property
    def held_out(self) -> Section:
        """The keys `test` and `validation`; of few examples nothing is held out for a test."""
        if self.examples < _HARDLY_ANY:
            return (Remark("Too few examples to hold some out; test: 0.2 and validation: 0.1 would do so."),)
        large = self.examples >= _VERY_MANY
        test, validation = (0.05, 0.05) if large else (0.2, 0.1)
        return (Key("test", test, "fractions of the examples that are held out"), Key("validation", validation))

    @property
    def batch_size(self) -> int:
        """Examples of a step."""
        usual = next(size for most, size in _BATCHES if self.examples < most)
        most = max(1, self.examples // _FEWEST_STEPS)
        return min(usual, 1 << (most.bit_length() - 1))

    @property
    def epochs(self) -> int:
        """Passes over the data: many over few examples."""
        return min(100, max(5, round(self.passes / max(1, self.examples))))

    @property
    def training(self) -> Section:
        """The whole section; where validation examples are held out, training ends once nothing gets better."""
        keys = (Key("batch_size", self.batch_size), Key("epochs", self.epochs))
        if self.examples < _HARDLY_ANY:
            return keys
        patience = max(self.patience, self.epochs // 8)
        said = "ends when val_loss has not fallen for so long, with the best epoch"
        return (*keys, Key("early_stopping", {"patience_epochs": patience}, said))


_HARDLY_ANY = 30
_VERY_MANY = 1_000_000
_FEWEST_STEPS = 4
_BATCHES = ((2_000, 32), (20_000, 64), (100_000, 128), (1_000_000, 512), (float("inf"), 2048))
