"""Examples that more than one split has: a model has then seen what it is scored by."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from dlrun.data.dataset import Split
from dlrun.data.inspection.finding import Finding, percent
from dlrun.data.inspection.inspected import Inspected
from dlrun.data.inspection.rows import blocks
from dlrun.data.text_input import TextInput

FAILING_SHARE = 0.05
"""Part of a held-out split that training has too, from which on its scores are no good."""

_HASH_BYTES = 8
_ORDINARY = 0.5

Hashes = npt.NDArray[np.uint64]


def check_duplicates(inspected: Inspected) -> Iterator[Finding]:
    """Examples of a held-out split that training has too, told by a hash of what is stored, or of the text itself."""
    splits = inspected.dataset.splits
    if len(splits) == 1:
        yield Finding("pass", "duplicates", "there is one split only")
        return
    is_text = isinstance(inspected.dataset.raw_input(), TextInput)
    features = {name: _hashes(split, is_text=is_text) for name, split in splits.items()}
    train = np.unique(features["train"])
    # Part of the training examples that have a twin among themselves.
    own = 1 - len(train) / len(features["train"])
    for name, found in features.items():
        if name != "train" and splits[name] is not splits["train"]:
            yield _judged(name, np.isin(found, train), own, is_row=_is_row(inspected))


def _judged(name: str, seen: npt.NDArray[np.bool_], own: float, *, is_row: bool) -> Finding:
    share, check = float(seen.mean()), f"duplicates {name}"
    threshold = f"none; a failure from {FAILING_SHARE:.0%} on"
    said = f"{int(seen.sum()):,} of {len(seen):,} {name} examples ({percent(share)}) are in train too"
    if not share:
        return Finding("pass", check, f"none of {len(seen):,} {name} examples is in train", threshold)
    if is_row and own >= _ORDINARY * share:
        said += f"; of the training rows {percent(own)} repeat another one as well"
        advice = "rows of few values repeat by themselves; if yours are copies, drop them from the file"
        return Finding("warning", check, said, threshold, advice)
    advice = f"remove them from one of both: the {name} scores count what was learnt by heart"
    return Finding("failure" if share >= FAILING_SHARE else "warning", check, said, threshold, advice)


def _is_row(inspected: Inspected) -> bool:
    return inspected.columns is not None and inspected.dataset.features.kind == "vector"


def _hashes(split: Split, *, is_text: bool) -> Hashes:
    """A hash of each example; of texts without regard to white space and to capital letters."""
    if is_text and split.origins is not None:
        whole = (_hash(" ".join(str(text).casefold().split()).encode(errors="replace")) for text in split.origins)
    else:
        whole = (_hash(row.tobytes()) for block in blocks(split.features) for row in block)
    return np.fromiter(whole, np.uint64, count=len(split))


def _hash(data: bytes) -> int:
    return int.from_bytes(hashlib.blake2b(data, digest_size=_HASH_BYTES).digest())
