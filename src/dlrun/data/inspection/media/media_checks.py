"""Check files that are examples: unreadable ones, image sizes that suffer from resizing, and blank images."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from dlrun.data.audio.preprocess import AudioPreprocess
from dlrun.data.images.source import Images
from dlrun.data.inspection.finding import Finding, percent
from dlrun.data.inspection.inspected import Inspected, sampled
from dlrun.data.media.source import MediaSource

ENLARGED = 2.0
"""Factor by which an image may be enlarged."""

DISTORTED = 1.5
"""Factor by which one side may be stretched relative to the other."""

OFTEN = 0.1
"""Fraction of images that may be enlarged or distorted."""

_NAMED = 20


def check_corrupt(inspected: Inspected) -> Iterator[Finding]:
    """Find files that cannot be read."""
    source = inspected.source
    if inspected.files is None or not isinstance(source, MediaSource):
        return
    corrupt, total, check = inspected.files.corrupt, len(inspected.files.rows), f"corrupt {source.kind.plural}"
    if not corrupt:
        yield Finding("pass", check, f"none of {total:,} files", "none")
        return
    files = [f"{name} ({why})" for name, why in corrupt.items()]
    more = f" and {len(files) - _NAMED:,} more (use --json for all)" if len(files) > _NAMED else ""
    found = f"{len(corrupt):,} files cannot be read: {', '.join(files[:_NAMED])}{more}"
    is_skipped = source.corrupt == "skip"
    advice = "replace or remove them" + ("" if is_skipped else ", or corrupt: skip")
    yield Finding("note" if is_skipped else "failure", check, found, "none", advice)


def check_sizes(inspected: Inspected) -> Iterator[Finding]:
    """Check how much images are enlarged or distorted when they are resized."""
    files, shape = inspected.files, inspected.dataset.features.shape
    if files is None or not isinstance(inspected.source, Images):
        return
    height, width = (files.rows[side].astype(np.float64) for side in ("height", "width"))
    span = " x ".join(_span(files.rows[side]) for side in ("height", "width"))
    found = f"files have {span} pixels, the network gets {shape[0]} x {shape[1]}"
    up, across = shape[0] / height, shape[1] / width
    is_resized = inspected.source.fit == "resize"
    # The smaller factor: an image that grows along one side only is distorted, not enlarged.
    enlarged = float((np.minimum(up, across) > ENLARGED).mean())
    distorted = float((np.maximum(up / across, across / up) > DISTORTED).mean()) if is_resized else 0.0
    threshold = f"{OFTEN:.0%} enlarged more than {ENLARGED:.0f} times, or stretched {DISTORTED} times along one side"
    if enlarged > OFTEN:
        yield Finding(
            "warning", "image sizes", f"{found}; {percent(enlarged)} are enlarged", threshold, "use a smaller size"
        )
    elif distorted > OFTEN:
        found = f"{found}; {percent(distorted)} are distorted"
        yield Finding("warning", "image sizes", found, threshold, "fit: pad, or fit: crop")
    else:
        yield Finding("pass", "image sizes", found, threshold)


def check_blank(inspected: Inspected) -> Iterator[Finding]:
    """Find images whose pixels are all the same."""
    if inspected.dataset.features.kind != "image" or isinstance(inspected.dataset.preprocess, AudioPreprocess):
        return
    images = sampled(inspected.dataset.splits["train"].features)
    flat = images.reshape(len(images), -1)
    blank = int((flat.min(axis=1) == flat.max(axis=1)).sum())
    found = f"{blank:,} of {len(images):,} training images have only one pixel value"
    if blank:
        yield Finding("warning", "blank images", found, "none", "remove them: they contain no information")
    else:
        yield Finding("pass", "blank images", f"none of {len(images):,} training images", "none")


def _span(sizes: np.ndarray[tuple[int], np.dtype[np.int32]]) -> str:
    low, high = int(sizes.min()), int(sizes.max())
    return f"{low:,}" if low == high else f"{low:,} to {high:,}"
