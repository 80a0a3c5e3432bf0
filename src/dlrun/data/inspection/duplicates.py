"""Find examples that occur in more than one split, so that a model is evaluated on training examples."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping

import numpy as np
import numpy.typing as npt

from dlrun.data.inspection.finding import Finding, named, percent
from dlrun.data.inspection.inspected import Inspected, distinct_splits
from dlrun.data.mapped import blocks
from dlrun.data.media.source import MediaSource
from dlrun.data.splits import Split
from dlrun.data.table.input import TableInput
from dlrun.data.text.input import TextInput

FAILING_SHARE = 0.05
"""Fraction of duplicates of training examples from which on the scores of a held-out split are misleading."""

_CHANCE = 2
"""Number of shared examples that may be chance. In large splits, less than 1 % may be chance, too."""

_LITTLE = 0.01
_HASH_BYTES = 8
_Z = 1.645
_ORDINARY = 0.5

Hashes = npt.NDArray[np.uint64]
Seen = npt.NDArray[np.bool_]


def check_duplicates(inspected: Inspected) -> Iterator[Finding]:
    """Find examples of held-out splits that are also in the training split, by hashes of examples or texts."""
    splits = distinct_splits(inspected)
    if len(splits) == 1:
        yield Finding("pass", "duplicates", "there is only one split", "none in two splits")
        return
    is_text = isinstance(inspected.dataset.raw_input(), TextInput)
    features = {name: _hashes(split, is_text=is_text) for name, split in splits.items()}
    train = np.unique(features["train"])
    # The fraction of training examples that repeat another one.
    own = 1 - len(train) / len(features["train"])
    for name, found in features.items():
        if name != "train":
            seen = np.isin(found, train)
            pairs = _pairs(splits, name, features, seen) if isinstance(inspected.source, MediaSource) else ""
            yield _judged(name, seen, own, is_row=_is_row(inspected), pairs=pairs)


def _pairs(splits: Mapping[str, Split], name: str, features: Mapping[str, Hashes], seen: Seen) -> str:
    """Return the names of the first files that are in two splits."""
    own, train = splits[name].origins, splits["train"].origins
    if own is None or train is None:
        return ""
    first = {value: place for place, value in reversed([*enumerate(features["train"].tolist())])}
    places = np.flatnonzero(seen).tolist()
    return named([f"{own[place]} ({train[first[int(features[name][place])]]} of train)" for place in places])


def _judged(name: str, seen: Seen, own: float, *, is_row: bool, pairs: str) -> Finding:
    share, check = float(seen.mean()), f"duplicates {name}"
    threshold = f"none; a failure from {FAILING_SHARE:.0%} on, with 95% confidence"
    count = int(seen.sum())
    are = "is" if count == 1 else "are"
    found = f"{count:,} of {len(seen):,} {name} examples ({percent(share)}) {are} also in train"
    found += f": {pairs}" if pairs else ""
    if not share:
        return Finding("pass", check, f"none of {len(seen):,} {name} examples is in train", threshold)
    # If training rows repeat each other about as often, there are just few different values. Images and texts do not
    # repeat by chance.
    if is_row and own >= _ORDINARY * share:
        found += f"; {percent(own)} of the training rows repeat another one, too"
        advice = "rows with few values repeat by chance; if they are copies, remove them from the file"
        return Finding("note", check, found, threshold, advice)
    advice = f"remove them from one of the splits: the {name} scores reward memorized examples"
    if count <= _CHANCE or share < _LITTLE:
        return Finding("note", check, found, threshold, advice)
    is_sure = _at_least(share, len(seen)) >= FAILING_SHARE
    return Finding("failure" if is_sure else "warning", check, found, threshold, advice)


def _at_least(share: float, count: int) -> float:
    """Return the lower bound of the Wilson interval of a fraction, with 95 % confidence."""
    z = _Z**2 / count
    lower: float = (share + z / 2 - _Z * ((share * (1 - share) + z / 4) / count) ** 0.5) / (1 + z)
    return lower


def _is_row(inspected: Inspected) -> bool:
    return isinstance(inspected.dataset.raw_input(), TableInput)


def _hashes(split: Split, *, is_text: bool) -> Hashes:
    """Return a hash of each example. For texts, it ignores case and differences in whitespace."""
    if is_text and split.origins is not None:
        # Not by token ids: all unknown words share one id, so different texts may have the same ids.
        whole = (_hash(" ".join(str(text).casefold().split()).encode(errors="replace")) for text in split.origins)
    else:
        whole = (_hash(row.tobytes()) for block in blocks(split.features) for row in block)
    return np.fromiter(whole, np.uint64, count=len(split))


def _hash(data: bytes) -> int:
    return int.from_bytes(hashlib.blake2b(data, digest_size=_HASH_BYTES).digest())
