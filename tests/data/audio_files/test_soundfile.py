"""Sound files in each format are read as they were written; what cannot be read says why."""

import os
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("soundfile")

from dlrun.data.audio_files import soundfile as module
from dlrun.data.audio_files.soundfile import prepare_soundfile, read_header, read_waveform
from dlrun.data.media_files.headers import Unreadable
from dlrun.errors import UsageError
from sounds import tone, write_sound


@pytest.mark.parametrize(("ending", "error"), [("wav", 1e-4), ("flac", 1e-4), ("ogg", 0.1), ("mp3", 0.1)])
def test_every_format_gives_the_sine_that_was_written(ending: str, error: float, tmp_path: Path) -> None:
    wave = tone(440, 0.3, 16_000)
    path = os.fsencode(write_sound(tmp_path / f"ä {ending}", wave, 16_000, format=ending.upper()))
    header = read_header(path)
    assert (header.sampling_rate, header.channels, header.bytes) == (16_000, 1, Path(os.fsdecode(path)).stat().st_size)
    found = read_waveform(path)
    assert len(found) == header.frames
    # MP3 adds a delay, so the spectrum is compared.
    spectra = [np.abs(np.fft.rfft(each[1000:4000])) for each in (wave, found)]
    assert abs(int(spectra[0].argmax()) - int(spectra[1].argmax())) <= 1
    assert spectra[1].max() == pytest.approx(spectra[0].max(), rel=error)


def test_channels_are_mixed_by_their_mean(tmp_path: Path) -> None:
    both = np.stack([tone(440), np.zeros(800, np.float32)], axis=1)
    path = os.fsencode(write_sound(tmp_path / "a.wav", both, subtype="FLOAT"))
    assert read_header(path).channels == 2
    np.testing.assert_allclose(read_waveform(path), tone(440) / 2, atol=1e-7)
    assert len(read_waveform(path, 100)) == 100


def read_both(path: Path) -> None:
    read_header(os.fsencode(path))
    read_waveform(os.fsencode(path))


def contents(folder: Path) -> dict[str, tuple[bytes, str]]:
    flac = write_sound(folder / "whole.flac", np.random.default_rng(0).uniform(-1, 1, 20_000)).read_bytes()
    aiff = write_sound(folder / "whole.aiff", tone(440)).read_bytes()
    nothing = write_sound(folder / "nothing.wav", tone(440)[:0]).read_bytes()
    infinite = write_sound(folder / "inf.wav", np.array([0, np.nan, 1.0]), subtype="FLOAT").read_bytes()
    return {
        "empty": (b"", "it is empty"),
        "text": (b"hello", "it is text"),
        "pdf": (b"%PDF-1.7 ...", "it is PDF"),
        "lfs": (b"version https://git-lfs.github.com", "it is a Git LFS pointer"),
        "aiff": (aiff, "it is AIFF, which is not supported: convert it to WAV or FLAC"),
        "m4a": (b"\0\0\0\x20ftypM4A ", "it is MP4 or AAC, which is not supported"),
        "avi": (b"RIFF\0\0\0\0AVI LIST", "it is not in a known sound format|it is text"),
        "header alone": (flac[:30], "it is a FLAC file that is damaged or cut short"),
        "cut": (flac[: len(flac) // 2], "damaged or cut short"),
        "no samples": (nothing, "it has no samples"),
        "not finite": (infinite, "it contains values that are not finite"),
    }


def test_what_cannot_be_read_says_why(tmp_path: Path) -> None:
    for name, (content, why) in contents(tmp_path).items():
        (tmp_path / name).write_bytes(content)
        with pytest.raises(Unreadable, match=why):
            read_both(tmp_path / name)
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(Unreadable, match="it is not a regular file"):
        read_header(os.fsencode(tmp_path / "pipe"))
    with pytest.raises(FileNotFoundError):
        read_header(os.fsencode(tmp_path / "none"))


def test_a_file_that_is_too_long_says_how_to_read_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LARGEST_VALUES", 500)
    path = os.fsencode(write_sound(tmp_path / "a.wav", tone(440)))
    with pytest.raises(Unreadable, match="minutes long: cut it into shorter files, or use crop: start"):
        read_waveform(path)
    assert len(read_waveform(path, 500)) == 500


def test_the_missing_package_is_named_with_the_command_that_installs_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "soundfile", None)
    with pytest.raises(UsageError, match=r"soundfile, which is not installed: pip install 'dlrun\[audio\]'"):
        prepare_soundfile()


def test_random_bytes_behind_a_header_are_an_error_and_no_crash(tmp_path: Path) -> None:
    draw: Any = np.random.default_rng(0)
    for ending in ("wav", "flac", "ogg", "mp3"):
        good = write_sound(tmp_path / f"a.{ending}", tone(440)).read_bytes()
        for place in draw.integers(0, len(good), 8):
            (tmp_path / "bad").write_bytes(good[:place] + draw.bytes(40) + good[place + 40 :])
            with suppress(Unreadable):  # any other exception fails the test
                read_both(tmp_path / "bad")
