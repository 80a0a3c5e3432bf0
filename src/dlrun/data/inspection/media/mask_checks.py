"""Check masks: images without one, other sizes, broken ones, lone and single classes, and the areas of classes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from dlrun.data.inspection.finding import Finding, named, percent
from dlrun.data.inspection.inspected import Inspected, distinct_splits
from dlrun.data.masks.counting import Counts, pixel_counts
from dlrun.data.splits import Split
from dlrun.signature import Target

PIXEL_IMBALANCE = 100.0
"""Ratio of the pixels of the largest class to the smallest from which on a model tends to ignore the latter."""

SINGLE_CLASS = 0.5
"""Fraction of masks with a single class from which on most examples show nothing to tell apart."""


def check_mask_files(inspected: Inspected) -> Iterator[Finding]:
    """Find images without a mask, masks of another size than their image, and masks that cannot be read."""
    files = inspected.masks
    if files is None:
        return
    every = f"each of {files.images:,} images"
    yield _failing("images without masks", files.absent, f"{every} has one", "add their masks, or remove the images")
    sizes = [f"{name} ({why})" for name, why in files.other_sizes.items()]
    yield _failing("mask sizes", sizes, f"{every} has a mask of its size", "save each mask in the size of its image")
    corrupt = [f"{name} ({why})" for name, why in files.corrupt.items()]
    advice = "replace them; or add their values to mask_values or ignored_mask_value"
    yield _failing("corrupt masks", corrupt, f"{every} has a mask that can be read", advice)


def check_mask_classes(inspected: Inspected) -> Iterator[Finding]:
    """Find classes that occur in one mask only, masks with a single class, and masks of which no pixel counts."""
    target = inspected.dataset.target
    if target is None or target.kind != "mask":
        return
    splits = distinct_splits(inspected)
    counts = {
        name: pixel_counts(split.target, target.size) for name, split in splits.items() if split.target is not None
    }
    yield _lone_classes(splits, counts, target)
    present = {name: (each[:, :-1] > 0).sum(axis=1) for name, each in counts.items()}
    total = sum(map(len, counts.values()))
    single = [name for split, each in present.items() for name in _names(splits, split, np.flatnonzero(each == 1))]
    check, threshold = "single-class masks", f"a warning above {SINGLE_CLASS:.0%}"
    if single:
        found = (
            f"{len(single):,} of {total:,} masks ({percent(len(single) / total)}) have a single class: {named(single)}"
        )
        advice = "an image without an object is a good example, unless its mask was forgotten"
        yield Finding("warning" if len(single) > SINGLE_CLASS * total else "note", check, found, threshold, advice)
    else:
        yield Finding("pass", check, f"none of {total:,} masks", threshold)
    empty = [name for split, each in present.items() for name in _names(splits, split, np.flatnonzero(each == 0))]
    if empty:
        found = f"{len(empty):,} of {total:,} masks have no pixel that counts: {named(empty)}"
        yield Finding("warning", "ignored masks", found, "none", "remove these images, which teach nothing")


def check_pixel_imbalance(inspected: Inspected) -> Iterator[Finding]:
    """Compare the area of the largest class with that of the smallest."""
    target, masks = inspected.dataset.target, inspected.dataset.splits["train"].target
    if target is None or masks is None or target.kind != "mask":
        return
    pixels = pixel_counts(masks, target.size)[:, :-1].sum(axis=0)
    if not pixels.any():
        return
    # A class without pixels is a finding of `check_few_examples`.
    most, least = int(np.argmax(pixels)), int(np.argmin(np.where(pixels > 0, pixels, pixels.max())))
    ratio = pixels[most] / max(1, pixels[least])
    names, shares = target.output_names, pixels / pixels.sum()
    found = (
        f"{names[most]} has {percent(shares[most])} of the training pixels, {ratio:,.1f} times as many as "
        f"{names[least]} with {percent(shares[least])}"
    )
    check, threshold = "imbalance of pixels", f"below {PIXEL_IMBALANCE:.0f} times"
    if ratio < PIXEL_IMBALANCE:
        yield Finding("pass", check, found, threshold)
    else:
        advice = "loss: dice_crossentropy, which compares areas; and more images with this class"
        yield Finding("warning", check, found, threshold, advice)


def _failing(check: str, names: Sequence[str], passes: str, advice: str) -> Finding:
    if not names:
        return Finding("pass", check, passes, "none")
    noun = "image" if len(names) == 1 else "images"
    return Finding("failure", check, f"{len(names):,} {noun}: {named(names)}", "none", advice)


def _lone_classes(splits: Mapping[str, Split], counts: Mapping[str, Counts], target: Target) -> Finding:
    """Find classes of one mask, whose value may be a slip of the pen."""
    lone = []
    for place, name in enumerate(target.output_names):
        where = {split: np.flatnonzero(each[:, place]) for split, each in counts.items()}
        if sum(map(len, where.values())) == 1:
            ((split, images),) = [(split, images) for split, images in where.items() if len(images)]
            pixels = int(counts[split][images[0], place])
            count = f"{pixels:,} {'pixel' if pixels == 1 else 'pixels'}"
            lone.append(f"{name} ({count} of {_names(splits, split, images)[0]})")
    check, threshold = "lone classes", "each class is in two masks or more"
    if not lone:
        return Finding("pass", check, f"each of {target.size:,} classes is in several masks", threshold)
    advice = "if the value is a mistake, correct the mask; or join it with another class in mask_values"
    return Finding("warning", check, f"{len(lone):,} of {target.size:,} are in one: {named(lone)}", threshold, advice)


def _names(splits: Mapping[str, Split], split: str, places: Counts) -> list[str]:
    """Return the files of some examples, or their numbers."""
    origins = splits[split].origins
    names = [f"example {place}" if origins is None else str(origins[place]) for place in places.tolist()]
    return [f"{name} of {split}" for name in names]
