"""Describe a loaded dataset: splits, classes or values, features, columns or texts, and some examples."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from dlrun.data.dataset import Dataset
from dlrun.data.inspection.column_facts import ColumnFacts, column_facts
from dlrun.data.inspection.inspected import Inspected, sampled, sampled_places
from dlrun.data.inspection.label_checks import class_counts, class_names
from dlrun.data.inspection.text_checks import token_facts
from dlrun.data.masks.counting import pixel_counts
from dlrun.data.splits import Split
from dlrun.data.text.input import TextInput

_QUANTILES = (0.0, 0.25, 0.5, 0.75, 0.95, 1.0)
_SHOWN_NUMBERS = 8
_SHOWN_CHARACTERS = 300
_NOT_COUNTED = "(not counted)"


@dataclass(frozen=True)
class ValueFacts:
    """The statistics of a value to predict in one split."""

    name: str
    split: str
    low: float
    mean: float
    median: float
    high: float
    deviation: float


@dataclass(frozen=True)
class FeatureFacts:
    """The form of an example in storage and in the network, with the range of a sample of training examples."""

    kind: str
    shape: tuple[int, ...]
    stored_shape: tuple[int, ...]
    stored_dtype: str
    low: float
    high: float


@dataclass(frozen=True)
class TextFacts:
    """The training texts: their tokens, their lengths by quantile, and the fraction of unknown tokens."""

    tokens: str
    lengths: Mapping[str, int]
    sequence_length: int
    longer: float
    vocabulary: int
    unknown: float


@dataclass(frozen=True)
class ExampleFacts:
    """A training example in readable form."""

    target: str
    values: Mapping[str, str]


@dataclass(frozen=True)
class Facts:
    """All facts of a dataset.

    Of masks, `classes` are the images with a class, and `pixels` are its pixels.
    """

    name: str
    fingerprint: str
    splits: Mapping[str, int]
    target: str
    classes: Mapping[str, Mapping[str, int]]
    pixels: Mapping[str, Mapping[str, int]]
    values: tuple[ValueFacts, ...]
    features: FeatureFacts
    columns: tuple[ColumnFacts, ...]
    texts: TextFacts | None
    examples: tuple[ExampleFacts, ...]
    notes: tuple[str, ...]

    def plain(self) -> dict[str, Any]:
        """Return the facts as a JSON object."""
        return asdict(self)


def describe_dataset(inspected: Inspected, *, samples: int = 3) -> Facts:
    """Describe a dataset.

    Args:
        inspected: The inspected dataset.
        samples: Number of training examples to show.
    """
    dataset = inspected.dataset
    train, target = dataset.splits["train"], dataset.target
    raw = dataset.raw_input()
    return Facts(
        dataset.name,
        dataset.fingerprint,
        {name: len(split) for name, split in dataset.splits.items()},
        target.kind if target is not None else "none",
        _classes(dataset),
        _pixels(dataset),
        tuple(_values(dataset)),
        _features(dataset),
        column_facts(inspected),
        _texts(train, raw) if isinstance(raw, TextInput) else None,
        tuple(_examples(dataset, samples)),
        dataset.notes,
    )


def shown_target(dataset: Dataset, split: Split, index: int) -> str:
    """Return the target of an example in readable form; empty if there is none."""
    target = dataset.target
    if target is None or split.target is None:
        return ""
    if target.kind == "mask":
        (counts,) = pixel_counts(split.target[index : index + 1], target.size)[:, :-1]
        shares = counts / max(1, counts.sum())
        order = [place for place in np.argsort(-counts, kind="stable").tolist() if counts[place]]
        return ", ".join(f"{class_names(target)[place]} {shares[place]:.0%}" for place in order[:_SHOWN_NUMBERS])
    truth = np.atleast_1d(split.target[index])
    if target.kind == "classes":
        return class_names(target)[int(truth[0])]
    if target.kind == "class_columns":
        places = (part.first + int(index) for part, index in zip(target.parts, truth, strict=True))
        return ", ".join(class_names(target)[place] for place in places)
    if target.kind == "labels":
        return ", ".join(class_names(target)[place] for place in np.flatnonzero(truth)) or "none"
    names = target.names if len(truth) > 1 and len(target.names) == len(truth) else ()
    numbers = [f"{value:.6g}" for value in truth.reshape(-1)[:_SHOWN_NUMBERS].tolist()]
    shown = [f"{name} {number}" for name, number in zip(names, numbers, strict=False)] if names else numbers
    return ", ".join(shown) + (", ..." if truth.size > _SHOWN_NUMBERS else "")


def _classes(dataset: Dataset) -> dict[str, dict[str, int]]:
    if dataset.target is None:
        return {}
    counts = class_counts(dataset)
    return {
        name: {split: int(found[index]) for split, found in counts.items()}
        for index, name in enumerate(class_names(dataset.target) if counts else ())
    }


def _pixels(dataset: Dataset) -> dict[str, dict[str, int]]:
    target = dataset.target
    if target is None or target.kind != "mask":
        return {}
    counts = {
        name: pixel_counts(split.target, target.size).sum(axis=0)
        for name, split in dataset.splits.items()
        if split.target is not None
    }
    names = (*class_names(target), _NOT_COUNTED)[: None if any(found[-1] for found in counts.values()) else -1]
    return {name: {split: int(found[place]) for split, found in counts.items()} for place, name in enumerate(names)}


def _values(dataset: Dataset) -> list[ValueFacts]:
    target = dataset.target
    if target is None or target.kind != "values":
        return []
    facts = []
    for split, part in dataset.splits.items():
        flat = np.asarray(part.target, np.float64).reshape(len(part), -1)
        for index in range(flat.shape[1]):
            name = target.names[index] if index < len(target.names) else f"value {index}" if index else "value"
            facts.append(ValueFacts(name, split, *_summary(flat[:, index])))
    return facts


def _summary(values: npt.NDArray[np.float64]) -> tuple[float, float, float, float, float]:
    found = (values.min(), values.mean(), np.median(values), values.max(), values.std())
    return tuple(float(number) for number in found)  # type: ignore[return-value]  # five, as there are five above


def _features(dataset: Dataset) -> FeatureFacts:
    stored = dataset.splits["train"].features
    some = sampled(stored)
    low, high = (float(np.nanmin(some)), float(np.nanmax(some))) if some.size else (0.0, 0.0)
    features = dataset.features
    return FeatureFacts(features.kind, features.shape, tuple(stored.shape[1:]), str(stored.dtype), low, high)


def _texts(train: Split, raw: TextInput) -> TextFacts:
    facts = token_facts(train)
    lengths = {f"{part:.0%}": int(np.quantile(facts.lengths, part)) for part in _QUANTILES}
    longer = facts.longer_than(raw.sequence_length)
    return TextFacts(raw.tokens, lengths, raw.sequence_length, longer, len(raw.vocabulary), facts.unknown)


def _examples(dataset: Dataset, samples: int) -> list[ExampleFacts]:
    """Return some evenly spaced training examples. Images have no values here; `draw_images` draws them."""
    train, raw = dataset.splits["train"], dataset.raw_input()
    facts = []
    for place in sampled_places(train.features, most=samples)[:samples].tolist() if samples else ():
        stored = np.asarray(train.features[place])
        if train.origins is not None and isinstance(raw, TextInput):
            values: dict[str, str] = {"text": _short(str(train.origins[place]))}
        elif train.origins is not None:
            values = {"file": str(train.origins[place])}
        else:
            values = {name: _short(value) for name, value in raw.shown(stored).items()}
        if not values and dataset.features.kind != "image":
            values = {"values": _numbers(stored)}
        facts.append(ExampleFacts(shown_target(dataset, train, place), values))
    return facts


def _numbers(stored: npt.NDArray[Any]) -> str:
    flat = stored.reshape(-1)
    return ", ".join(f"{value:.6g}" for value in flat[:_SHOWN_NUMBERS].tolist()) + (
        f", ... ({flat.size:,} numbers)" if flat.size > _SHOWN_NUMBERS else ""
    )


def _short(text: str) -> str:
    return text if len(text) <= _SHOWN_CHARACTERS else text[:_SHOWN_CHARACTERS] + "..."
