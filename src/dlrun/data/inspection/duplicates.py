"""Examples that more than one split has: a model has then seen what it is scored by."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from dlrun.data.inspection.finding import Finding, percent
from dlrun.data.inspection.inspected import Inspected, blocks, distinct_splits
from dlrun.data.splits import Split
from dlrun.data.table.input import TableInput
from dlrun.data.text.input import TextInput

FAILING_SHARE = 0.05
"""Part of a held-out split that training has too, from which on its scores are no good."""

_CHANCE = 2
"""Examples that two splits share, up to which they may do so by chance; of large splits also what is under 1 %."""

_LITTLE = 0.01
_HASH_BYTES = 8
_Z = 1.645
_ORDINARY = 0.5

Hashes = npt.NDArray[np.uint64]


def check_duplicates(inspected: Inspected) -> Iterator[Finding]:
    """Examples of a held-out split that training has too, told by a hash of what is stored, or of the text itself."""
    splits = distinct_splits(inspected)
    if len(splits) == 1:
        yield Finding("pass", "duplicates", "there is one split only", "none in two splits")
        return
    is_text = isinstance(inspected.dataset.raw_input(), TextInput)
    features = {name: _hashes(split, is_text=is_text) for name, split in splits.items()}
    train = np.unique(features["train"])
    # Part of the training examples that have a twin among themselves.
    own = 1 - len(train) / len(features["train"])
    for name, found in features.items():
        if name != "train":
            yield _judged(name, np.isin(found, train), own, is_row=_is_row(inspected))


def _judged(name: str, seen: npt.NDArray[np.bool_], own: float, *, is_row: bool) -> Finding:
    share, check = float(seen.mean()), f"duplicates {name}"
    threshold = f"none; a failure where {FAILING_SHARE:.0%} or more are sure"
    count = int(seen.sum())
    are = "is" if count == 1 else "are"
    said = f"{count:,} of {len(seen):,} {name} examples ({percent(share)}) {are} in train too"
    if not share:
        return Finding("pass", check, f"none of {len(seen):,} {name} examples is in train", threshold)
    if is_row and own >= _ORDINARY * share:
        said += f"; of the training rows {percent(own)} repeat another one as well"
        advice = "rows of few values repeat by themselves; if yours are copies, drop them from the file"
        return Finding("note", check, said, threshold, advice)
    advice = f"remove them from one of both: the {name} scores count what was learnt by heart"
    if count <= _CHANCE or share < _LITTLE:
        return Finding("note", check, said, threshold, advice)
    is_sure = _at_least(share, len(seen)) >= FAILING_SHARE
    return Finding("failure" if is_sure else "warning", check, said, threshold, advice)


def _at_least(share: float, count: int) -> float:
    """The lower end of Wilson's interval of a share, which is below it with a probability of 5 %."""
    z = _Z**2 / count
    lower: float = (share + z / 2 - _Z * ((share * (1 - share) + z / 4) / count) ** 0.5) / (1 + z)
    return lower


def _is_row(inspected: Inspected) -> bool:
    return isinstance(inspected.dataset.raw_input(), TableInput)


def _hashes(split: Split, *, is_text: bool) -> Hashes:
    """A hash of each example; of texts without regard to white space and to capital letters."""
    if is_text and split.origins is not None:
        whole = (_hash(" ".join(str(text).casefold().split()).encode(errors="replace")) for text in split.origins)
    else:
        whole = (_hash(row.tobytes()) for block in blocks(split.features) for row in block)
    return np.fromiter(whole, np.uint64, count=len(split))


def _hash(data: bytes) -> int:
    return int.from_bytes(hashlib.blake2b(data, digest_size=_HASH_BYTES).digest())
