"""Join the datasets of the members of an ensemble: the same examples, in the stored form of each member."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from hashlib import sha256

import numpy as np

from dlrun.data.dataset import Dataset
from dlrun.data.ensemble.input import EnsembleInput
from dlrun.data.ensemble.preprocess import EnsemblePreprocess
from dlrun.data.preprocess import Preprocess
from dlrun.data.splits import Array, Split
from dlrun.errors import DataError
from dlrun.signature import Features, Target

_SPLITS = ("train", "validation", "test")


@dataclass(frozen=True)
class _Form:
    """How the members store examples.

    Args:
        is_shared: Whether all store them alike.
    """

    is_shared: bool

    def joined(self, parts: Sequence[Array]) -> Array:
        """Return the stored examples of the ensemble from those of its members."""
        if self.is_shared:
            return parts[0]
        return np.concatenate([np.asarray(part).reshape(len(part), -1) for part in parts], axis=1)


def join_datasets(datasets: Sequence[Dataset], labels: Sequence[str] = ()) -> Dataset:
    """Join the datasets of the members of an ensemble.

    If all members have the same validation split, the result has it, too. Otherwise its training split has every
    example that is not in the test split, because each of them was used to train a member.

    Args:
        datasets: The dataset of each member.
        labels: Names of the members for messages; their numbers if there are none.

    Returns:
        The splits with the stored examples of all members; the dataset itself if all members have the same.

    Raises:
        DataError: Members have different test splits, targets, or kinds of data.
    """
    first = datasets[0]
    if all(dataset is first for dataset in datasets):
        return first
    labels = labels or [f"member {number}" for number in range(1, len(datasets) + 1)]
    for dataset, label in zip(datasets[1:], labels[1:], strict=True):
        if problem := difference(first, dataset):
            raise DataError(f"{label} and {labels[0]} do not fit together: {problem}", expected="runs on the same data")
    raws = tuple(dataset.raw_input() for dataset in datasets)
    preprocess = tuple(dataset.preprocess for dataset in datasets)
    is_shared = all(raw == raws[0] for raw in raws)
    splits = _join_splits(datasets, _Form(is_shared), labels)
    raw = raws[0] if is_shared else EnsembleInput(raws, tuple(each.raw_shape for each in preprocess))
    # The quantiles of continuous features are left out when features are compared, but a network depends on them.
    learned = [(dataset.preprocess, dataset.features, dataset.features.continuous) for dataset in datasets]
    is_same = is_shared and all(each == learned[0] for each in learned)
    digests = [dataset.fingerprint for dataset in datasets]
    return replace(
        first,
        features=first.features if is_same else _join_features([dataset.features for dataset in datasets]),
        target=_join_targets([dataset.target for dataset in datasets]),
        preprocess=_join_preprocess(preprocess, is_same=is_same, is_shared=is_shared),
        splits=splits,
        fingerprint=sha256(" ".join(digests).encode()).hexdigest() if len({*digests}) > 1 else digests[0],
        notes=(),
        raw=raw,
        augmentation=None,
        naive={
            name: first.naive[name]
            for name in splits
            if name in first.naive and len(first.naive[name]) == len(splits[name])
        },
        warnings=tuple(dict.fromkeys(warning for dataset in datasets for warning in dataset.warnings)),
        times={
            name: first.times[name]
            for name in splits
            if name in first.times and len(first.times[name]) == len(splits[name])
        },
    )


def difference(one: Dataset, other: Dataset) -> str:
    """Return why the members with these two datasets cannot be joined; empty if they can.

    Args:
        one: The first dataset.
        other: The other one.
    """
    before, after = one.target, other.target
    if before is None or after is None:
        return "one of them has no target"
    if before.kind != after.kind or before.size != after.size:
        return f"one predicts {_predicted(before)}, the other {_predicted(after)}"
    if (before.class_names, before.names) != (after.class_names, after.names):
        are_same = sorted(before.class_names) == sorted(after.class_names) and sorted(before.names) == sorted(
            after.names
        )
        what = "the classes are in another order" if are_same else "the names of what they predict differ"
        return f"{what}: {', '.join(before.output_names[:8])} and {', '.join(after.output_names[:8])}"
    raw, other_raw = one.raw_input(), other.raw_input()
    if raw.type != other_raw.type:
        return f"one is trained on a dataset of kind {raw.type}, the other on {other_raw.type}"
    if ("test" in one.splits) != ("test" in other.splits):
        return "only one of them has a test split"
    is_same_form = raw == other_raw
    if "test" in one.splits and not _same_examples(one.splits["test"], other.splits["test"], is_same_form=is_same_form):
        sizes = [len(dataset.splits["test"]) for dataset in (one, other)]
        return f"their test splits have different examples ({sizes[0]:,} and {sizes[1]:,})"
    return ""


def _predicted(target: Target) -> str:
    of_what = {"values": "numbers", "input": "its own input", "class_columns": "classes of several columns"}
    return f"{target.size:,} {of_what.get(target.kind, target.kind)}"


def shares_validation(datasets: Sequence[Dataset]) -> bool:
    """Return whether all members were trained and validated on the same examples."""
    first = datasets[0]
    is_same_form = all(dataset.raw_input() == first.raw_input() for dataset in datasets)
    return all(
        dataset is first
        or all(
            _same_examples(first.splits.get(name), dataset.splits.get(name), is_same_form=is_same_form)
            for name in _SPLITS[:2]
        )
        for dataset in datasets
    )


def _same_examples(one: Split | None, other: Split | None, *, is_same_form: bool) -> bool:
    if one is None or other is None:
        return one is other
    if len(one) != len(other):
        return False
    # Only the run of a fold knows the rows of data that is not a table.
    pairs = [(one.target, other.target)]
    if one.rows is not None and other.rows is not None:
        pairs.append((one.rows, other.rows))
    if not all(_equal(*pair) for pair in pairs):
        return False
    # Examples of different forms cannot be compared with each other. Their rows can, and their targets.
    return not is_same_form or np.array_equal(one.features, other.features)


def _equal(one: Array | None, other: Array | None) -> bool:
    if one is None or other is None:
        return one is other
    return np.array_equal(one, other)


def _join_splits(datasets: Sequence[Dataset], form: _Form, labels: Sequence[str]) -> Mapping[str, Split]:
    first = datasets[0]
    if shares_validation(datasets):
        return {
            name: replace(split, features=form.joined([dataset.splits[name].features for dataset in datasets]))
            for name, split in first.splits.items()
        }
    found = {"train": _join_all(datasets, form, labels)}
    if "test" in first.splits:
        test = form.joined([dataset.splits["test"].features for dataset in datasets])
        found["test"] = replace(first.splits["test"], features=test)
    return found


def _join_all(datasets: Sequence[Dataset], form: _Form, labels: Sequence[str]) -> Split:
    """Return every example that is not in the test split, in the order of the data.

    Raises:
        DataError: The members were not trained and validated on the same examples in total.
    """
    parts, rows = [], []
    for dataset in datasets:
        whole = _concatenated([dataset.splits[name] for name in _SPLITS[:2] if name in dataset.splits])
        if whole.rows is None:
            raise DataError(
                f"{labels[0]} and others were validated on different examples, and are not folds of one batch",
                expected="runs with the same validation split, or the runs of a batch with folds",
                hint="give all of them the same dataset.seed and dataset.validation",
            )
        parts.append(whole.take(np.argsort(whole.rows, kind="stable")))
        rows.append(parts[-1].rows)
    for label, part, own in zip(labels, parts, rows, strict=True):
        if not _equal(own, rows[0]) or not _equal(part.target, parts[0].target):
            raise DataError(
                f"{label} and {labels[0]} were trained and validated on different examples",
                expected="the folds of the same data",
            )
    return replace(parts[0], features=form.joined([part.features for part in parts]))


def _concatenated(splits: Sequence[Split]) -> Split:
    def both(name: str) -> Array | None:
        arrays = [getattr(split, name) for split in splits]
        return None if any(array is None for array in arrays) else np.concatenate(arrays)

    names = [name for name in Split.__dataclass_fields__ if name != "features"]
    return Split(np.concatenate([split.features for split in splits]), **{name: both(name) for name in names})


def _join_features(features: Sequence[Features]) -> Features:
    """Return the features of an ensemble whose members have features of their own."""
    width, kinds = sum(each.size for each in features), {each.kind for each in features}
    if kinds == {"tokens"}:
        vocabulary = max(each.vocabulary_size or 1 for each in features)
        return Features("tokens", (width,), vocabulary, members=tuple(features))
    return Features("vector", (width,), members=tuple(features))


def _join_targets(targets: Sequence[Target | None]) -> Target | None:
    """Return the target in the unit of the first member, with those of the members if they differ."""
    known = tuple(target for target in targets if target is not None)
    first = known[0]
    if all(target == first and not target.last for target in known):
        return first
    # The last known value is in the features of each member, so each adds it to its own output.
    return replace(first, last=(), members=known)


def _join_preprocess(members: tuple[Preprocess, ...], *, is_same: bool, is_shared: bool) -> Preprocess:
    return members[0] if is_same else EnsemblePreprocess.of(members, is_shared=is_shared)
