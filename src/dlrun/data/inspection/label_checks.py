"""Check targets: rare, missing or imbalanced classes, and numbers far from zero."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from dlrun.data.dataset import Dataset
from dlrun.data.inspection.finding import Finding, named, percent
from dlrun.data.inspection.inspected import Inspected, distinct_splits
from dlrun.data.masks.counting import pixel_counts
from dlrun.data.splits import Split
from dlrun.signature import Target

FEW_EXAMPLES = 10
"""Number of training examples below which a class can hardly be learned."""

IMBALANCE = 10.0
"""Ratio of the most frequent to the rarest class from which on a model tends to ignore the latter."""

UNSCALED_TARGET = 10.0
"""Mean or standard deviation of a value above which a network, whose outputs start near 0, learns slowly."""

Counts = Mapping[str, npt.NDArray[np.int64]]


def class_counts(dataset: Dataset, splits: Mapping[str, Split] | None = None) -> dict[str, npt.NDArray[np.int64]]:
    """Return the number of examples of each class or label in each split; empty if the target has no classes.

    For masks, these are the images with a pixel of the class.

    Shape:
        Each split: `(target.size,)`; several class columns follow one another.
    """
    target, splits = dataset.target, dataset.splits if splits is None else splits
    if target is None or target.kind not in ("classes", "class_columns", "labels", "mask"):
        return {}
    return {name: _counted(split, target) for name, split in splits.items() if split.target is not None}


def class_names(target: Target) -> tuple[str, ...]:
    """Return unique names of the classes."""
    return target.output_names


def check_few_examples(inspected: Inspected) -> Iterator[Finding]:
    """Find classes with few training examples, or none."""
    counts, target = class_counts(inspected.dataset), inspected.dataset.target
    if not counts or target is None:
        return
    shown = [f"{name} ({count:,})" for name, count in zip(class_names(target), counts["train"].tolist(), strict=True)]
    none = [shown[index] for index in np.flatnonzero(counts["train"] == 0)]
    few = [shown[index] for index in np.flatnonzero(counts["train"] < FEW_EXAMPLES)]
    threshold = f"{FEW_EXAMPLES} training examples of each class; a failure if a class has none"
    if few:
        advice = "add examples, or leave these classes out"
        found = f"{len(few):,} of {target.size:,} classes have few training examples: {named(few)}"
        yield Finding("failure" if none else "warning", "few examples", found, threshold, advice)
    else:
        least = int(np.argmin(counts["train"]))
        yield Finding("pass", "few examples", f"the rarest of {target.size:,} classes is {shown[least]}", threshold)


def check_missing_classes(inspected: Inspected) -> Iterator[Finding]:
    """Find classes that are missing in a held-out split."""
    counts, target = class_counts(inspected.dataset, distinct_splits(inspected)), inspected.dataset.target
    if target is None:
        return
    for name, found in counts.items():
        absent = [class_names(target)[index] for index in np.flatnonzero(found == 0)]
        if name == "train":
            continue
        check, threshold = f"classes {name}", "every class is in every split"
        if absent:
            missing = f"{len(absent):,} of {target.size:,} classes have no {name} example: {named(absent)}"
            advice = "hold out more examples, or draw no conclusions about these classes"
            yield Finding("warning", check, missing, threshold, advice)
        else:
            yield Finding("pass", check, f"all {target.size:,} classes are present", threshold)


def check_imbalance(inspected: Inspected) -> Iterator[Finding]:
    """Compare the most frequent class with the rarest."""
    counts, target = class_counts(inspected.dataset), inspected.dataset.target
    if not counts or target is None or target.kind in ("labels", "mask"):
        return
    names = class_names(target)
    for part in target.parts:
        train = counts["train"][part.places]
        # A class without examples is a finding of `check_few_examples`; here it would hide the ratio of the others.
        present = np.where(train > 0, train, train.max())
        most, least = int(np.argmax(train)), int(np.argmin(present))
        ratio = train[most] / max(1, present[least])
        counted = (
            f"{names[part.first + most]} has {train[most]:,} training examples ({percent(train[most] / train.sum())}), "
            f"{ratio:.1f} times as many as {names[part.first + least]} with {train[least]:,}"
        )
        if most == least:
            counted = f"every class has {train[most]:,} training examples"
        check, threshold = f"imbalance {part.name}".rstrip(), f"below {IMBALANCE:.0f} times"
        if ratio < IMBALANCE:
            yield Finding("pass", check, counted, threshold)
        else:
            weighted = "training: {class_weight: balanced}, and " if target.kind == "classes" else ""
            advice = f"{weighted}metrics that reveal it: auc, precision, recall, f1_score"
            yield Finding("warning", check, counted, threshold, advice)


def check_target_scale(inspected: Inspected) -> Iterator[Finding]:
    """Check the scale of values that are learned without standardization."""
    target, values = inspected.dataset.target, inspected.dataset.splits["train"].target
    if target is None or target.kind != "values" or values is None:
        return
    threshold = f"mean and standard deviation within {UNSCALED_TARGET:.0f}"
    if target.scale:
        yield Finding("pass", "target's scale", "it is standardized to mean 0 and variance 1", threshold)
        return
    flat = values.reshape(len(values), -1).astype(np.float64)
    mean, deviation = np.abs(flat.mean(axis=0)).max(), flat.std(axis=0).max()
    found = f"mean up to {mean:.4g}, standard deviation up to {deviation:.4g}"
    if max(mean, deviation) <= UNSCALED_TARGET:
        yield Finding("pass", "target's scale", found, threshold)
    else:
        advice = "divide the values in the file by a constant, so that they are near 1"
        yield Finding("warning", "target's scale", found, threshold, advice)


def _counted(split: Split, target: Target) -> npt.NDArray[np.int64]:
    values: Any = split.target
    if target.kind == "mask":
        return np.asarray((pixel_counts(values, target.size)[:, :-1] > 0).sum(axis=0), np.int64)
    if target.kind == "labels":
        return np.asarray(values.sum(axis=0), np.int64)
    columns = values.reshape(len(values), -1).astype(np.int64)
    counted = (np.bincount(columns[:, number], minlength=part.target.size) for number, part in enumerate(target.parts))
    return np.concatenate([*counted])
