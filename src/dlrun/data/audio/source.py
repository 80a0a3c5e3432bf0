"""Sound files with labels: in class folders, or listed in a file."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
from pydantic import Field

from dlrun.component import FieldProblem
from dlrun.data.audio.input import AudioInput
from dlrun.data.audio.preprocess import AudioPreprocess
from dlrun.data.audio.spectrogram import Spectrogram
from dlrun.data.audio_files.form import AudioForm, Crop
from dlrun.data.audio_files.reader import RECORDINGS, AudioReader
from dlrun.data.audio_files.soundfile import INSTALL, is_installed
from dlrun.data.augmentation import AudioAugmentation
from dlrun.data.dataset import Dataset, datasets
from dlrun.data.media.loading import load_splits, media_targets, read_headers
from dlrun.data.media.source import MediaSource
from dlrun.data.media_files.headers import Scanned
from dlrun.errors import DataError
from dlrun.signature import Description, Features

Seconds = Annotated[float, Field(gt=0, le=600)]
"""A duration in seconds."""


@datasets.register("audio")
class Audio(MediaSource):
    """WAV, FLAC, OGG and MP3 files: a folder for each class, or a file that lists paths and labels.

    Recordings of any sampling rate and number of channels are mixed to one channel, resampled, and cropped or padded to
    one length. The network gets their log-mel spectrogram, an image of time and frequency, which is computed inside the
    model: exported models take waveforms. Needs `pip install 'dlrun[audio]'`.
    """

    kind = RECORDINGS
    column_key = "audio_column"

    audio_column: str = Field(default="path", description="Column of a list with the paths of the recordings.")
    sampling_rate: Annotated[int, Field(ge=1000, le=192_000)] | None = Field(
        default=None,
        description="Samples per second, to which all recordings are resampled: 8000 for telephone speech, 16000 for "
        "speech. null: that of the files, which must all have the same.",
    )
    seconds: Seconds = Field(
        description="Length of each example in seconds. Longer recordings are cropped, which a note reports; shorter "
        "ones are padded with silence."
    )
    crop: Crop = Field(
        default="start",
        description="The part of a longer recording that is kept: start · center · end. A shorter one gets silence "
        "behind it (start), on both sides (center), or before it (end).",
    )
    mel_bins: int = Field(default=64, ge=4, le=512, description="Number of frequency bands of the spectrogram.")
    window: Annotated[float, Field(gt=0, le=1)] = Field(
        default=0.025,
        description="Length in seconds of the parts whose frequencies are measured. Longer: finer frequencies, blurred "
        "times.",
    )
    hop: Annotated[float, Field(gt=0, le=1)] = Field(
        default=0.01, description="Time in seconds from one such part to the next: a column of the spectrogram."
    )
    level: Literal["relative", "absolute"] = Field(
        default="relative",
        description="What loudness is measured from. relative: the loudest value of each recording, so that its volume "
        "and the distance of the microphone do not matter · absolute: full scale.",
    )
    dynamic_range: Annotated[float, Field(ge=10, le=120)] = Field(
        default=80.0, description="Decibels from the loudest value to silence; anything softer counts as silence."
    )
    augmentation: AudioAugmentation | None = Field(
        default=None, description="Random changes of training recordings, which differ in each epoch."
    )

    def problems(self) -> Iterator[FieldProblem]:
        """Yield a problem for each key that contradicts another, and the missing package."""
        if not is_installed():
            what = "sound files are read with the package soundfile, which is not installed"
            yield FieldProblem(("type",), what, "the extra audio", INSTALL)
        yield from super().problems()
        if self.hop > self.window:
            what = f"a hop of {self.hop:g} s leaves gaps between windows of {self.window:g} s"
            yield FieldProblem(("hop",), what, f"at most {self.window:g}")
        if self.window > self.seconds:
            what = f"a window of {self.window:g} s does not fit into {self.seconds:g} s"
            yield FieldProblem(("window",), what, f"at most {self.seconds:g}")
        elif self.sampling_rate is not None:
            yield from self._band_problems(self.sampling_rate)

    def _band_problems(self, rate: int) -> Iterator[FieldProblem]:
        """Yield a hop of less than a sample, and bands that are narrower than the resolution of the window."""
        if round(self.hop * rate) < 1 or round(self.window * rate) < 2:
            key = "hop" if round(self.hop * rate) < 1 else "window"
            what = f"a {key} of {getattr(self, key):g} s is less than {'a sample' if key == 'hop' else 'two samples'}"
            yield FieldProblem((key,), f"{what} at {rate:,} Hz", "at least some milliseconds, such as 0.01")
            return
        form = self._spectrogram(rate)
        if (empty := form.empty_bands()) > 0:
            fitting = next(
                (n for n in range(self.mel_bins - 1, 3, -1) if not self._with_bins(rate, n).empty_bands()), 0
            )
            what = f"{empty} of {self.mel_bins} bands are narrower than a window of {self.window:g} s can tell apart"
            expected = f"at most {fitting} at {rate:,} Hz" if fitting else "a longer window"
            yield FieldProblem(("mel_bins",), what, expected, f"or a longer window: {2 * self.window:g}")

    def describe(self) -> Description | None:
        """Return classes and sizes of splits from file names, and the shape from the keys and the first file.

        Returns:
            The description; None if the files cannot be read.
        """
        try:
            lists = self.lists()
            labels, target, _ = media_targets(lists)
            rate = self.sampling_rate
            if rate is None:
                rate = choose_rate({"train": self.kind.scan(lists["train"].paths()[:1])}, None)
            sizes = self.sizes({name: len(files) for name, files in lists.items()})
            if self.described_by:
                sizes = {name: len(split) for name, split in self.divide(lists, labels, target)[0].items()}
        except DataError:  # load() raises it: the data is wrong, not the spec
            return None
        return Description(Features("image", self._preprocess(self._form(rate)).shape), target, sizes)

    def load(self) -> Dataset:
        """Read the headers of all files, choose the sampling rate, hold out test and validation examples, and decode.

        Raises:
            DataError: A folder or file is missing, files cannot be read, a class has no recordings, or sampling rates
                differ and `sampling_rate` is not set.
        """
        lists, skip = self.lists(), self.corrupt == "skip"
        labels, target, target_notes = media_targets(lists)
        lists, scans, notes = read_headers(lists, labels, skip=skip)
        form = self._form(choose_rate(scans, self.sampling_rate))
        preprocess = self._preprocess(form)
        self._check_bands(form)
        changes = tuple(read_notes(scans, form))
        arranged, held_out = self.divide(lists, {name: files.labels for name, files in lists.items()}, target)
        splits, fingerprint, kept = load_splits(lists, scans, AudioReader(form), arranged, skip=skip)
        return Dataset(
            Path(self.path).expanduser().stem,
            Features("image", preprocess.shape),
            target,
            preprocess,
            splits,
            fingerprint,
            (*target_notes, *notes, *changes, *held_out, *kept),
            raw=AudioInput(form, self.audio_column, **self.input_keys),
            augmentation=self.augmentation,
            weight=self.weight or "",
        )

    def _check_bands(self, form: AudioForm) -> None:
        """Check the keys that depend on the sampling rate, which only the files show if it is not set."""
        for problem in self._band_problems(form.sampling_rate):
            raise DataError(f"{problem.path[0]}: {problem.what}", expected=problem.expected, hint=problem.hint)

    def _form(self, rate: int) -> AudioForm:
        return AudioForm(rate, max(1, round(self.seconds * rate)), self.crop)

    def _spectrogram(self, rate: int) -> Spectrogram:
        return self._with_bins(rate, self.mel_bins)

    def _with_bins(self, rate: int, bins: int) -> Spectrogram:
        window, hop = max(2, round(self.window * rate)), max(1, round(self.hop * rate))
        return Spectrogram(rate, window, hop, bins, self.dynamic_range, self.level == "relative")

    def _preprocess(self, form: AudioForm) -> AudioPreprocess:
        return AudioPreprocess((form.samples,), self._spectrogram(form.sampling_rate))


def choose_rate(scans: Mapping[str, Scanned], wanted: int | None) -> int:
    """Choose the sampling rate of all recordings, from the spec or from the files.

    Args:
        scans: Headers of the recordings of each split.
        wanted: The sampling rate of the spec; None for that of the files.

    Raises:
        DataError: The files differ and `wanted` is None, or no file can be read.
    """
    if wanted is not None:
        return wanted
    rates = np.concatenate([scanned.readable()["sampling_rate"] for scanned in scans.values()])
    if not len(rates):
        raise DataError("no recording can be read", expected=RECORDINGS.formats)
    found, counts = np.unique(rates, return_counts=True)
    if len(found) > 1:
        listed = ", ".join(f"{count:,} at {rate:,} Hz" for rate, count in zip(found, counts, strict=True))
        raise DataError(
            f"the recordings differ in their sampling rate: {listed}",
            expected="one sampling rate for all, or the key `sampling_rate`",
            hint=f"set sampling_rate: {found[0]}, to which the others are resampled",
        )
    return int(found[0])


def read_notes(scans: Mapping[str, Scanned], form: AudioForm) -> Iterator[str]:
    """Yield notes on how recordings are changed when they are read: what is cut is always told."""
    rows = np.concatenate([scanned.rows for scanned in scans.values()])
    seconds, total = rows["frames"] / rows["sampling_rate"], len(rows)
    resampled, mixed = rows["sampling_rate"] != form.sampling_rate, rows["channels"] > 1
    for change, which in (
        (f"are resampled to {form.sampling_rate:,} Hz", resampled),
        ("have several channels, which are mixed to one", mixed),
    ):
        if which.any():
            yield f"recordings: {int(which.sum()):,} of {total:,} {change}"
    longer = seconds > form.seconds + 0.5 / form.sampling_rate
    cut = int(longer.sum())
    if cut:
        lost = float((seconds[longer] - form.seconds).sum() / seconds.sum())
        yield (
            f"seconds: {cut:,} of {total:,} recordings are longer than {form.seconds:g} s and are cut, by {lost:.1%} "
            f"of all sound; the longest has {float(seconds.max()):.3g} s (crop: {form.crop})"
        )
    yield f"seconds: {total - cut:,} of {total:,} recordings fit into {form.seconds:g} s, and shorter ones are padded"
