"""A known sine keeps its frequency, phase and level at another rate; what the new rate cannot represent is removed."""

import numpy as np
import pytest

from dlrun.data.audio_files.resampling import resample, resampled_length, samples_needed
from sounds import tone

RATES = [(44_100, 8000), (48_000, 16_000), (8000, 44_100), (22_050, 16_000), (8000, 16_000), (16_001, 8000)]


@pytest.mark.parametrize(("rate", "new_rate"), RATES)
def test_a_sine_is_the_same_sine_at_another_rate(rate: int, new_rate: int) -> None:
    frequency = 0.35 * min(rate, new_rate)
    found = resample(tone(frequency, 0.2, rate), rate, new_rate)
    expected = tone(frequency, len(found) / new_rate, new_rate)
    inner = slice(len(found) // 5, -len(found) // 5)  # near its ends, the filter meets the silence around the sound
    assert len(found) == resampled_length(round(0.2 * rate), rate, new_rate)
    assert np.abs(found - expected)[inner].max() < 1e-5


@pytest.mark.parametrize(("rate", "new_rate"), [(rate, new) for rate, new in RATES if new < rate])
def test_frequencies_above_the_new_limit_are_removed_and_not_folded_down(rate: int, new_rate: int) -> None:
    found = resample(tone(0.53 * new_rate, 0.2, rate), rate, new_rate)
    assert np.abs(found[len(found) // 5 : -len(found) // 5]).max() < 0.5 * 10 ** (-80 / 20)


def test_a_constant_stays_constant_and_the_same_rate_changes_nothing() -> None:
    found = resample(np.full(4410, 0.25, np.float32), 44_100, 8000)
    np.testing.assert_allclose(found[100:-100], 0.25, atol=1e-6)
    wave = tone(440)
    assert resample(wave, 8000, 8000) is not None
    np.testing.assert_array_equal(resample(wave, 8000, 8000), wave)
    assert len(resample(wave[:0], 8000, 16_000)) == 0


@pytest.mark.parametrize(("rate", "new_rate"), RATES)
def test_a_part_has_the_bits_of_the_whole_and_needs_only_a_part_of_the_input(rate: int, new_rate: int) -> None:
    wave = np.random.default_rng(0).standard_normal(rate).astype(np.float32)
    whole = resample(wave, rate, new_rate)
    needed = samples_needed(5000, rate, new_rate)
    assert needed < len(wave) or new_rate <= 8000
    np.testing.assert_array_equal(resample(wave[:needed], rate, new_rate, first=3000, last=5000), whole[3000:5000])
