"""Draft a config with a convolutional network for sound files, with a length and a sampling rate that fit them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from dlrun.data.audio.source import Audio
from dlrun.data.audio_files.reader import RECORDINGS
from dlrun.data.media.loading import media_targets
from dlrun.data.media_files.listing import MediaList
from dlrun.errors import DataError
from dlrun.init_config.draft import ConfigDraft, Key, Remark, Section, Sizes, Wishes
from dlrun.init_config.first_line import FirstLine
from dlrun.init_config.media import class_messages, loss_of, span
from dlrun.signature import Target

_COVERED = 0.98
_LONGEST = 10.0
_SHORTEST = 0.1
_USUAL_RATE = 16_000
"""Speech has little above 8 kHz, and most other sounds are recognized without it."""

_WIDE = 40.0
_FILTERS = (16, 32, 64, 64)


@dataclass(frozen=True)
class _Recordings:
    """Lengths and sampling rates from the headers of all files, and the number of unreadable files."""

    seconds: npt.NDArray[np.float64]
    rates: npt.NDArray[np.int32]
    unreadable: int

    @classmethod
    def of(cls, lists: Mapping[str, MediaList]) -> _Recordings:
        scans = [files.kind.scan(files.paths()) for files in lists.values()]
        rows = np.concatenate([scanned.readable() for scanned in scans])
        if not len(rows):
            raise DataError("none of the recordings can be read", expected=RECORDINGS.formats)
        rates = rows["sampling_rate"]
        return cls(rows["frames"] / rates, rates, sum(len(scanned.unreadable) for scanned in scans))

    @property
    def rate(self) -> int:
        """The lowest sampling rate of the files, so that none is resampled to a higher one; at most 16 kHz."""
        return min(int(self.rates.min()), _USUAL_RATE)

    @property
    def length(self) -> float:
        """Length of the examples: nearly all recordings fit, and a few long ones do not make all others padding."""
        usual = min(_LONGEST, max(_SHORTEST, float(np.quantile(self.seconds, _COVERED))))
        step = 0.1 if usual < 2 else 0.5
        return round(float(np.ceil(round(usual / step, 6)) * step), 6)


def draft_audio(path: str, wishes: Wishes, *, column: str = "", first: FirstLine | None = None) -> ConfigDraft:
    """Draft a config of the dataset type `audio`.

    Args:
        path: A folder or a CSV file.
        wishes: What the user specified about the data.
        column: Column with the paths of the recordings, for a CSV.
        first: First line, for a CSV.

    Raises:
        DataError: Recordings cannot be found or read.
    """
    first = first or FirstLine()
    source = Audio(path=path, seconds=1.0)
    if column:
        source = Audio(path=path, seconds=1.0, audio_column=column, label_column=wishes.target, **first.keys)
    lists = source.lists()
    _, target, _ = media_targets(lists)
    found = _Recordings.of(lists)
    sizes = Sizes(sum(map(len, lists.values())), passes=100_000, patience=10, test=wishes.test)
    names = ", ".join(f"{name} {len(files):,}" for name, files in lists.items())
    classes = f" of {target.size} classes" if target is not None and target.kind == "classes" else ""
    low, high = float(found.seconds.min()), float(found.seconds.max())
    loss, metrics = loss_of(target)
    summary = f"The recordings of {path}: {names}{classes}, {low:.3g} to {high:.3g} s at {span(found.rates)} Hz."
    return ConfigDraft(
        summary,
        tuple(_dataset(source, found, sizes, lists, first=first if column else None)),
        _network(target),
        loss,
        metrics,
        sizes.training,
        (*first.messages(), *_guesses(found, target, Path(path).expanduser())),
        schedule="cosine",
    )


def _dataset(
    source: Audio, found: _Recordings, sizes: Sizes, lists: Mapping[str, MediaList], *, first: FirstLine | None
) -> Iterator[Key | Remark]:
    yield Key("type", "audio")
    yield Key("path", source.path)
    if first is not None:
        yield from first.lines()
        yield Key("audio_column", source.audio_column, "paths of the recordings, relative to the CSV")
        yield Key("label_column", source.label_column, "what is predicted")
    yield Key("sampling_rate", found.rate, "samples per second, to which all recordings are resampled")
    cut = float((found.seconds > found.length).mean())
    yield Key("seconds", found.length, f"longer recordings are cut ({cut:.1%} of them), shorter ones padded")
    yield Key("mel_bins", 40, "frequency bands of the spectrogram")
    yield Key("dynamic_range", 60, "decibels below the loudest sound that count as silence; more for quiet details")
    if found.unreadable:
        yield Key("corrupt", "skip", f"skip {found.unreadable:,} unreadable files; dlrun data check lists them")
    yield Remark("Random changes of the training recordings. Remove speed if the pitch is what counts, as for tones.")
    changes = {"time_shift": 0.1, "speed": 0.1, "noise": 10, "time_masks": 1, "frequency_masks": 2}
    yield Key("augmentation", changes)
    yield Remark("Keep the recordings of one speaker, machine or place together, or the scores promise too much:")
    yield Remark("group: file_prefix  # or folder, or the column of a list")
    for line in sizes.held_out:
        if not (isinstance(line, Key) and line.name in lists):
            yield line


def _network(target: Target | None) -> Section:
    if target is None:
        why = "there are no classes, so it learns to reconstruct its input"
        layers = (Key("type", "autoencoder", why), Key("units", [256]), Key("latent_units", 32))
        return (*layers, Key("output_activation", "sigmoid"))
    blocks = [{"filters": filters, "kernel_size": 3, "padding": "same", "pool_size": 2} for filters in _FILTERS]
    return (
        Key("type", "cnn"),
        Remark("Each block halves time and frequency."),
        Key("blocks", blocks),
        Key("batch_normalization", True),
        Key("pooling", "global_average", "where in time and frequency something is heard does not matter much"),
    )


def _guesses(found: _Recordings, target: Target | None, folder: Path) -> Iterator[str]:
    yield from class_messages(target, folder, RECORDINGS)
    low, middle, high = np.quantile(found.seconds, (0, 0.5, 1))
    yield f"seconds: {found.length:g}; the files have {low:.3g} to {high:.3g} s, half of them up to {middle:.3g} s"
    if (found.rates != found.rate).any():
        yield f"sampling_rate: {found.rate:,}; the files have {span(found.rates)} Hz"
    if found.unreadable:
        yield f"corrupt: skip, because {found.unreadable:,} files cannot be read"
