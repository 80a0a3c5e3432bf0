"""Images: files that cannot be read, by name; sizes that suffer when all are brought to one; images of one colour."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from dlrun.data.images.source import Images
from dlrun.data.inspection.finding import Finding, percent
from dlrun.data.inspection.inspected import Inspected, sampled

ENLARGED = 2.0
"""How many times larger than the file's an image's side may become."""

DISTORTED = 1.5
"""How much more one side may be stretched than the other."""

OFTEN = 0.1
"""Part of the images of which either may be true."""

_NAMED = 20


def check_corrupt(inspected: Inspected) -> Iterator[Finding]:
    """Image files that cannot be read."""
    if inspected.images is None:
        return
    corrupt, total = inspected.images.corrupt, len(inspected.images.height)
    if not corrupt:
        yield Finding("pass", "corrupt images", f"none of {total:,} files", "none")
        return
    told = [f"{name} ({why})" for name, why in corrupt.items()]
    more = f" and {len(told) - _NAMED:,} more (all of them: --json)" if len(told) > _NAMED else ""
    said = f"{len(corrupt):,} files cannot be read: {', '.join(told[:_NAMED])}{more}"
    is_skipped = isinstance(inspected.source, Images) and inspected.source.corrupt == "skip"
    advice = "replace or remove them" + ("" if is_skipped else ", or corrupt: skip")
    yield Finding("note" if is_skipped else "failure", "corrupt images", said, "none", advice)


def check_sizes(inspected: Inspected) -> Iterator[Finding]:
    """What bringing images to one size does to them."""
    files, shape = inspected.images, inspected.dataset.features.shape
    if files is None:
        return
    height, width = files.height.astype(np.float64), files.width.astype(np.float64)
    said = (
        f"files have {_span(files.height)} x {_span(files.width)} pixels, the network is given {shape[0]} x {shape[1]}"
    )
    up, across = shape[0] / height, shape[1] / width
    is_resized = isinstance(inspected.source, Images) and inspected.source.fit == "resize"
    enlarged = float((np.minimum(up, across) > ENLARGED).mean())
    distorted = float((np.maximum(up / across, across / up) > DISTORTED).mean()) if is_resized else 0.0
    threshold = f"{OFTEN:.0%} enlarged more than {ENLARGED:.0f} times or stretched {DISTORTED} times to one side"
    if enlarged > OFTEN:
        yield Finding(
            "warning", "image sizes", f"{said}; {percent(enlarged)} are enlarged", threshold, "a smaller size"
        )
    elif distorted > OFTEN:
        said = f"{said}; {percent(distorted)} are distorted"
        yield Finding("warning", "image sizes", said, threshold, "fit: pad, or fit: crop")
    else:
        yield Finding("pass", "image sizes", said, threshold)


def check_blank(inspected: Inspected) -> Iterator[Finding]:
    """Images of which every pixel is the same."""
    if inspected.dataset.features.kind != "image":
        return
    images = sampled(inspected.dataset.splits["train"].features)
    flat = images.reshape(len(images), -1)
    blank = int((flat.min(axis=1) == flat.max(axis=1)).sum())
    said = f"{blank:,} of {len(images):,} training images have one value everywhere"
    if blank:
        yield Finding("warning", "blank images", said, "none", "remove them: nothing can be learnt from them")
    else:
        yield Finding("pass", "blank images", f"none of {len(images):,} training images", "none")


def _span(sizes: np.ndarray[tuple[int], np.dtype[np.int32]]) -> str:
    low, high = int(sizes.min()), int(sizes.max())
    return f"{low:,}" if low == high else f"{low:,} to {high:,}"
