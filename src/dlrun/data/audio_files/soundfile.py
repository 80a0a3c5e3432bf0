"""Read sound files with libsndfile, which the package soundfile brings."""

from __future__ import annotations

import importlib.util
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from dlrun.data.media_files.foreign import describe_foreign
from dlrun.data.media_files.headers import Unreadable
from dlrun.errors import UsageError

INSTALL = "pip install 'dlrun[audio]'"

LARGEST_VALUES = 2**28
"""Largest number of samples of one file times its channels that is read as a whole: an hour and a half of CD sound."""

_START_BYTES = 512
_WAV, _FLAC, _OGG, _MP3 = "WAV", "FLAC", "OGG", "MP3"
_READ = (
    (b"RIFF", _WAV), (b"RIFX", _WAV), (b"RF64", _WAV), (b"fLaC", _FLAC), (b"OggS", _OGG), (b"ID3", _MP3),
    (b"\xff\xfb", _MP3), (b"\xff\xfa", _MP3), (b"\xff\xf3", _MP3), (b"\xff\xf2", _MP3), (b"\xff\xe3", _MP3),
    (b"\xff\xe2", _MP3),
)  # fmt: skip
"""How files of the supported formats begin. libsndfile has readers of twenty more, which are less used and tested."""
_UNREAD = (
    (b"FORM", "AIFF"), (b"caff", "a Core Audio file"), (b".snd", "a Sun audio file"), (b"#!AMR", "AMR"),
    (b"0&\xb2u", "WMA"), (b"\x1aE\xdf\xa3", "Matroska or WebM"), (b"\xff\xf1", "AAC"), (b"\xff\xf9", "AAC"),
    (b"MThd", "MIDI, which has notes and no sound"),
)  # fmt: skip
_FORMATS = ("WAV", "WAVEX", "RF64", "FLAC", "OGG", "MP3")
_FAILURES = (RuntimeError, ValueError, TypeError, OverflowError)  # what soundfile raises for damaged files


@dataclass(frozen=True)
class AudioHeader:
    """Properties of a recording that are known without decoding it.

    Args:
        frames: Number of samples of each channel.
        sampling_rate: Samples per second.
        channels: Number of channels.
        bytes: Size of the file.
        changed: Modification time of the file in nanoseconds.
    """

    frames: int
    sampling_rate: int
    channels: int
    bytes: int
    changed: int


def is_installed() -> bool:
    """Return whether the package soundfile is installed."""
    return importlib.util.find_spec("soundfile") is not None


def prepare_soundfile() -> None:
    """Import soundfile before threads need it.

    Raises:
        UsageError: It is not installed.
    """
    try:
        import soundfile  # noqa: F401
    except (ImportError, OSError) as error:  # an OSError if libsndfile itself is missing
        raise UsageError(f"sound files are read with soundfile, which is not installed: {INSTALL}") from error


def read_header(path: bytes) -> AudioHeader:
    """Read the header of a sound file; the suffix does not matter.

    Raises:
        Unreadable: The file is damaged, empty, or not in a supported format.
        OSError: The file cannot be opened or read.
    """
    with _opened(path) as (status, file):
        header = AudioHeader(file.frames, file.samplerate, file.channels, status.st_size, status.st_mtime_ns)
    if header.frames < 1:
        raise Unreadable("it has no samples")
    return header


def read_waveform(path: bytes, frames: int = -1) -> npt.NDArray[np.float32]:
    """Decode a sound file and mix its channels.

    Args:
        path: Path of the file.
        frames: Number of samples to read from the start; -1 for all.

    Formula:
        mean of the channels, from -1 to 1

    Shape:
        Result: `(samples,)`.

    Raises:
        Unreadable: The file is damaged, or too long.
    """
    with _opened(path) as (_, file):
        expected = file.frames if frames < 0 else min(frames, file.frames)
        if expected * file.channels > LARGEST_VALUES:
            minutes = expected / file.samplerate / 60
            raise Unreadable(f"it is {minutes:,.0f} minutes long: cut it into shorter files, or use crop: start")
        values = file.read(expected, dtype="float32", always_2d=True)
    if len(values) < expected:
        what = f"its header says {expected:,} samples, but only {len(values):,} can be read"
        raise Unreadable(f"{what}: it is damaged or cut short")
    mono = values[:, 0] if values.shape[1] == 1 else values.mean(axis=1, dtype=np.float32)
    if not np.isfinite(mono).all():
        raise Unreadable("it contains values that are not finite numbers")
    return np.ascontiguousarray(mono)


@contextmanager
def _opened(path: bytes) -> Iterator[tuple[os.stat_result, Any]]:
    """Open a sound file, and turn the errors of soundfile into `Unreadable`."""
    import soundfile

    start = b""
    # O_NONBLOCK, because opening a pipe would wait until somebody writes to it.
    handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    try:
        status = os.fstat(handle)
        if not stat.S_ISREG(status.st_mode):
            raise Unreadable("it is not a regular file")
        start = os.pread(handle, _START_BYTES, 0)
        if _format(start) is None:
            raise Unreadable(_describe(start))
        with soundfile.SoundFile(handle, closefd=False) as file:
            if file.format not in _FORMATS:
                raise Unreadable(f"it is {file.format}, which is not supported: convert it to WAV or FLAC")
            yield status, file
    except _FAILURES as error:
        raise Unreadable(_describe(start)) from error
    finally:
        os.close(handle)


def _format(start: bytes) -> str | None:
    if start[:4] in (b"RIFF", b"RIFX", b"RF64") and start[8:12] != b"WAVE":
        return None
    return next((name for magic, name in _READ if start.startswith(magic)), None)


def _describe(start: bytes) -> str:
    """Describe a file that cannot be read, by its first bytes."""
    if not start:
        return "it is empty"
    if (name := _format(start)) is not None:
        return f"it is a {name} file that is damaged or cut short"
    is_mp4 = start[4:8] == b"ftyp"
    name = "MP4 or AAC" if is_mp4 else next((name for magic, name in _UNREAD if start.startswith(magic)), None)
    if name is not None:
        return f"it is {name}, which is not supported: convert it to WAV or FLAC"
    return describe_foreign(start, kind="sound")
