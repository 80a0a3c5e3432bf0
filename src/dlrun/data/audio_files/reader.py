"""The reader of sound files: decodes them to waveforms of one sampling rate and length, on all cores, in order."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from dlrun.data.audio_files.form import AudioForm
from dlrun.data.audio_files.resampling import resample, resampled_length, samples_needed
from dlrun.data.audio_files.soundfile import prepare_soundfile, read_header, read_waveform
from dlrun.data.media_files.headers import Scanned, Unreadable, scan_files
from dlrun.data.media_files.kind import Decoded, MediaKind, MediaReader

_ROW = np.dtype(
    [
        ("frames", np.int64), ("sampling_rate", np.int32), ("channels", np.int16), ("bytes", np.int64),
        ("changed", np.int64),
    ]
)  # fmt: skip
"""The fields of `AudioHeader`."""

_BATCH = 256
_BATCH_BYTES = 2**23


def scan(paths: Sequence[bytes]) -> Scanned:
    """Read the header of each sound file.

    Args:
        paths: Paths of the files.

    Returns:
        The headers in the same order, and the reason for each file that cannot be read.

    Raises:
        UsageError: The package soundfile is not installed.
    """
    prepare_soundfile()
    return scan_files(paths, _ROW, lambda path: tuple(vars(read_header(path)).values()))


RECORDINGS = MediaKind(
    noun="recording",
    file_noun="a sound file",
    formats="WAV, FLAC, OGG or MP3 files",
    endings=(".wav", ".flac", ".ogg", ".oga", ".opus", ".mp3"),
    unread=(".aif", ".aiff", ".aac", ".m4a", ".mp4", ".wma", ".amr", ".au", ".caf", ".webm", ".mid"),
    cache="audio",
    is_always_cached=True,
    scan=scan,
)


@dataclass(frozen=True)
class AudioReader(MediaReader):
    """Decodes sound files to waveforms, `(samples,)` int16, mixed to one channel.

    Args:
        form: Sampling rate and length of the waveforms.
    """

    form: AudioForm

    kind = RECORDINGS
    dtype = np.int16

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of one waveform."""
        return (self.form.samples,)

    @property
    def identity(self) -> Sequence[object]:
        """Sampling rate, length and crop."""
        return self.form.sampling_rate, self.form.samples, self.form.crop

    @property
    def described(self) -> str:
        """Length and sampling rate, for people."""
        return f"{self.form.seconds:g} s at {self.form.sampling_rate:,} Hz"

    def decode(self, paths: Sequence[bytes], scanned: Scanned) -> Iterator[Decoded]:
        """Decode, mix, resample, and crop or pad recordings, as many at a time as there are cores."""
        prepare_soundfile()
        rates, frames = (scanned.rows[name].tolist() for name in ("sampling_rate", "frames"))
        size = max(1, min(_BATCH, _BATCH_BYTES // self.bytes))

        def decoded(place: int) -> npt.NDArray[np.int16] | str:
            try:
                return self._fitted(paths[place], rates[place], frames[place])
            except Unreadable as error:
                return str(error)
            except OSError as error:
                return (error.strerror or str(error)).lower()

        with ThreadPoolExecutor(len(os.sched_getaffinity(0)), thread_name_prefix="dlrun-decode") as threads:
            for first in range(0, len(paths), size):
                places = range(first, min(first + size, len(paths)))
                found = dict(zip(places, threads.map(decoded, places), strict=True))
                waves = [wave for wave in found.values() if not isinstance(wave, str)]
                failed = {place: why for place, why in found.items() if isinstance(why, str)}
                values = np.stack(waves) if waves else np.zeros((0, *self.shape), self.dtype)
                yield Decoded(values, failed, places.start, places.stop)

    def whole(self, path: bytes) -> npt.NDArray[np.float32]:
        """Return a recording in its own length, as an exported model takes it.

        Shape:
            Result: `(any length,)`, amplitudes from -1 to 1.
        """
        prepare_soundfile()
        rate = read_header(path).sampling_rate
        return resample(read_waveform(path), rate, self.form.sampling_rate)

    def _fitted(self, path: bytes, rate: int, frames: int) -> npt.NDArray[np.int16]:
        """Decode and fit a recording; only the part that is kept is resampled, and of a long one only that is read."""
        form, new_rate = self.form, self.form.sampling_rate
        # A seek is not exact in every format, so only the start of a file can be read alone.
        needed = samples_needed(form.samples, rate, new_rate) if form.crop == "start" else -1
        wave = read_waveform(path, needed)
        total = resampled_length(frames if form.crop == "start" else len(wave), rate, new_rate)
        first = max(0, int(form.first(total)))
        kept = resample(wave, rate, new_rate, first=first, last=first + form.samples)
        fitted: npt.NDArray[np.int16] = form.fit(kept, first=first, total=total)
        return fitted
