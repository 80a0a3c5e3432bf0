"""Waveforms are cropped and padded at the chosen side, and rounded to 16 bits."""

from typing import Any

import numpy as np
import pytest

from dlrun.data.audio_files.form import FULL_SCALE, AudioForm


@pytest.mark.parametrize(
    ("crop", "of_long", "of_short"),
    [
        ("start", [1, 2, 3, 4], [1, 2, 0, 0]),
        ("center", [2, 3, 4, 5], [0, 1, 2, 0]),
        ("end", [4, 5, 6, 7], [0, 0, 1, 2]),
    ],
)
def test_what_is_kept_and_where_silence_is_added(crop: Any, of_long: list[int], of_short: list[int]) -> None:
    form = AudioForm(8000, 4, crop)
    wave = np.arange(1, 8, dtype=np.float32) / np.float32(FULL_SCALE)
    assert form.fit(wave).tolist() == of_long
    assert form.fit(wave[:2]).tolist() == of_short
    # The same from a part of the recording.
    first = int(form.first(7))
    assert form.fit(wave[first : first + 4], first=first, total=7).tolist() == of_long


def test_amplitudes_beyond_full_scale_are_clipped_and_halves_are_rounded_to_even() -> None:
    wave = np.array([2.0, -2.0, 1.0, 0.5 / FULL_SCALE, 1.5 / FULL_SCALE], np.float32)
    assert AudioForm(8000, 5).fit(wave).tolist() == [32767, -32768, 32767, 0, 2]
    assert AudioForm(8000, 4000).seconds == 0.5
