"""Check recordings: mixed sampling rates, what is cut or padded, silence, and clipping."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from dlrun.data.audio.source import Audio
from dlrun.data.audio_files.form import FULL_SCALE
from dlrun.data.inspection.finding import Finding, Status, named, percent
from dlrun.data.inspection.inspected import Inspected, distinct_splits
from dlrun.data.mapped import blocks

CUT, PADDED = 0.05, 0.5
"""Fraction of the recordings that may be cut, and of all examples that may be padding."""

SILENT_DECIBELS = -60.0
"""Peak of a recording, relative to full scale, below which it counts as silent."""

CLIPPED = 0.001
"""Fraction of the samples of a recording at full scale from which it counts as clipped."""

_FEWEST_CLIPPED = 4
"""A single loud sample may touch full scale without any harm."""

_OFTEN = 0.01
_UPSAMPLED = 0.1


def check_rates(inspected: Inspected) -> Iterator[Finding]:
    """Check the sampling rates of the files."""
    files, source = inspected.files, inspected.source
    if files is None or not isinstance(source, Audio) or not len(files.rows):
        return
    rates, counts = np.unique(files.rows["sampling_rate"], return_counts=True)
    used = source.sampling_rate or int(rates[0])
    listed = ", ".join(f"{rate:,} Hz ({count:,})" for rate, count in zip(rates, counts, strict=True))
    found = f"files have {listed}, the network gets {used:,} Hz"
    threshold = f"one rate, or at most {_UPSAMPLED:.0%} of the files below that of the network"
    lower = float(counts[rates < used].sum() / counts.sum())
    if lower > _UPSAMPLED:
        advice = f"use sampling_rate: {rates[0]}; resampling cannot add the high frequencies that a file lacks"
        yield Finding("warning", "sampling rates", found, threshold, advice)
    elif len(rates) > 1:
        advice = "check that no class or group has a rate of its own: a network would recognize that"
        yield Finding("note", "sampling rates", found, threshold, advice)
    else:
        yield Finding("pass", "sampling rates", found, threshold)


def check_durations(inspected: Inspected) -> Iterator[Finding]:
    """Check how much of the recordings is cut, and how much of the examples is padding."""
    files, source = inspected.files, inspected.source
    if files is None or not isinstance(source, Audio) or not len(files.rows):
        return
    seconds = files.rows["frames"] / files.rows["sampling_rate"]
    cut = float((seconds > source.seconds).mean())
    padding = float(1 - np.minimum(seconds, source.seconds).mean() / source.seconds)
    low, middle, high = np.quantile(seconds, (0, 0.5, 1))
    found = (
        f"files have {low:.3g} to {high:.3g} s, half of them up to {middle:.3g} s; at {source.seconds:g} s, "
        f"{percent(cut)} of them are cut, and {percent(padding)} of the examples is padding"
    )
    threshold = f"{CUT:.0%} cut, {PADDED:.0%} padding"
    fitting = f"{float(np.quantile(seconds, 1 - CUT)):.2g}"
    if cut > CUT:
        yield Finding("warning", "durations", found, threshold, f"seconds: {fitting}, or another crop")
    elif padding > PADDED and float(fitting) < source.seconds:
        yield Finding("note", "durations", found, threshold, f"seconds: {fitting} would be faster")
    else:
        yield Finding("pass", "durations", found, threshold)


def check_silence(inspected: Inspected) -> Iterator[Finding]:
    """Find recordings in which nothing is heard."""
    yield from _named_recordings(
        inspected,
        "silence",
        "are silent",
        f"a peak of {SILENT_DECIBELS:.0f} dB of full scale",
        "remove them, or check the microphone, the crop and the seconds",
    )


def check_clipping(inspected: Inspected) -> Iterator[Finding]:
    """Find recordings that were too loud for their file, so that their peaks are cut off."""
    threshold = f"{CLIPPED:.1%} of the samples of a recording at full scale"
    advice = "record them again at a lower level; clipping adds frequencies that were not there"
    yield from _named_recordings(inspected, "clipping", "are clipped", threshold, advice)


def _named_recordings(inspected: Inspected, check: str, are: str, threshold: str, advice: str) -> Iterator[Finding]:
    if not isinstance(inspected.source, Audio):
        return
    find = _are_silent if check == "silence" else _are_clipped
    names, total = [], 0
    for split in distinct_splits(inspected).values():
        marks = np.concatenate([find(block) for block in blocks(split.features)])
        origins = split.origins if split.origins is not None else np.arange(len(split)).astype(str)
        names += [str(name) for name in origins[marks]]
        total += len(split)
    if not names:
        yield Finding("pass", check, f"none of {total:,} recordings {are}", threshold)
        return
    found = f"{len(names):,} of {total:,} recordings {are}: {named(names)}"
    status: Status = "note" if check == "clipping" and len(names) < _OFTEN * total else "warning"
    yield Finding(status, check, found, threshold, advice)


def _are_silent(waves: npt.NDArray[np.int16]) -> npt.NDArray[np.bool_]:
    peaks = np.abs(waves.astype(np.int32)).max(axis=1)
    return np.asarray(peaks < FULL_SCALE * 10 ** (SILENT_DECIBELS / 20))


def _are_clipped(waves: npt.NDArray[np.int16]) -> npt.NDArray[np.bool_]:
    values = np.abs(waves.astype(np.int32))
    at_scale = (values >= FULL_SCALE - 1).sum(axis=1)
    heard = np.maximum(1, (values > 0).sum(axis=1))
    return np.asarray((at_scale >= _FEWEST_CLIPPED) & (at_scale > CLIPPED * heard))
