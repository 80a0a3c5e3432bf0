"""Recordings of any rate, length and number of channels become waveforms of one form, in the order of the files."""

import os
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("soundfile")

from dlrun.data.audio_files.form import AudioForm
from dlrun.data.audio_files.reader import AudioReader, scan
from dlrun.data.audio_files.resampling import resample
from sounds import tone, write_sound


def test_a_recording_at_44_khz_in_stereo_is_that_at_8_khz(tmp_path: Path) -> None:
    wave = tone(1000, 0.5, 44_100)
    path = os.fsencode(write_sound(tmp_path / "a.wav", np.stack([wave, wave], axis=1), 44_100))
    (found,) = AudioReader(AudioForm(8000, 3000)).decode([path], scan([path]))
    assert (found.values.shape, str(found.values.dtype)) == ((1, 3000), "int16")
    expected = 32768 * tone(1000, 0.375, 8000)
    np.testing.assert_allclose(found.values[0, 100:], expected[100:], atol=2)


@pytest.mark.parametrize("crop", ["start", "center", "end"])
@pytest.mark.parametrize("seconds", [0.2, 1.3])
def test_only_the_kept_part_is_computed_and_is_that_of_the_whole(crop: str, seconds: float, tmp_path: Path) -> None:
    wave = np.random.default_rng(0).uniform(-0.9, 0.9, round(seconds * 11_025)).astype(np.float32)
    path = os.fsencode(write_sound(tmp_path / "a.flac", wave, 11_025))
    reader = AudioReader(AudioForm(8000, 4000, crop))  # type: ignore[arg-type]
    (found,) = reader.decode([path], scan([path]))
    np.testing.assert_array_equal(found.values[0], reader.form.fit(reader.whole(path)))
    assert len(reader.whole(path)) == len(resample(wave, 11_025, 8000))


def test_files_that_fail_are_named_by_their_place_and_the_others_stay_in_order(tmp_path: Path) -> None:
    good = [write_sound(tmp_path / f"{level}.wav", tone(440, level=level / 10)) for level in (1, 2, 3)]
    bad = tmp_path / "bad.flac"
    content = write_sound(bad, np.random.default_rng(0).uniform(-1, 1, 20_000)).read_bytes()
    paths = [os.fsencode(path) for path in (good[0], bad, good[1], good[2])]
    scanned = scan(paths)
    bad.write_bytes(content[: len(content) // 2])
    (found,) = AudioReader(AudioForm(8000, 800, "end")).decode(paths, scanned)
    assert list(found.failed) == [1]
    assert "damaged or cut short" in found.failed[1]
    # Of a long file only the start is read, if that is all that is kept.
    assert not next(AudioReader(AudioForm(8000, 800)).decode(paths, scanned)).failed
    peaks = np.abs(found.values.astype(int)).max(axis=1) / 32768
    np.testing.assert_allclose(peaks, [0.1, 0.2, 0.3], atol=0.01)
