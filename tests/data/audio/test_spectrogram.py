"""The spectrogram is that of a Fourier transform, has a sine in the right band, and does not depend on the level."""

import numpy as np
import pytest

from dlrun.data.audio.preprocess import AudioPreprocess
from dlrun.data.audio.spectrogram import Spectrogram
from sounds import tone

FORM = Spectrogram(8000, 200, 100, 40, 60.0)


def noise(samples: int = 2000, level: float = 0.1) -> np.ndarray[tuple[int], np.dtype[np.float32]]:
    return (level * np.random.default_rng(0).standard_normal(samples)).astype(np.float32)


def test_it_equals_numpys_fourier_transform_behind_mel_filters_written_out() -> None:
    wave, form = noise(), Spectrogram(8000, 200, 100, 40, 60.0, is_relative=False)
    hann = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(200) / 200)
    frames = np.stack([wave[start : start + 200] * hann for start in range(0, 1801, 100)])
    power = np.abs(np.fft.rfft(frames, 256)) ** 2 / (hann.sum() / 2) ** 2
    mels = np.linspace(2595 * np.log10(1 + 60 / 700), 2595 * np.log10(1 + 4000 / 700), 42)
    bands = np.zeros((129, 40))
    for k in range(129):
        mel = 2595 * np.log10(1 + k * 8000 / 256 / 700)
        for band in range(40):
            left, middle, right = mels[band : band + 3]
            bands[k, band] = max(0.0, min((mel - left) / (middle - left), (right - mel) / (right - middle)))
    expected = np.maximum(0, 1 + 10 * np.log10(power @ bands) / 60)
    assert form.frames(2000) == len(frames)
    np.testing.assert_allclose(form.measure(wave), expected, atol=1e-4)


@pytest.mark.parametrize("frequency", [500, 1000, 2500])
def test_a_sine_of_full_scale_has_0_decibels_in_its_band(frequency: int) -> None:
    found = Spectrogram(8000, 200, 100, 20, 60.0, is_relative=False).measure(tone(frequency, 0.2, level=1.0))
    band = int(found[3].argmax())
    below, above = Spectrogram(8000, 200, 100, 20).frequencies()[[band, band + 2]]
    assert below < frequency < above
    assert found[3].max() == pytest.approx(1.0, abs=0.05)  # 3 decibels: a sine may lie between two frequencies


def test_the_relative_level_does_not_depend_on_the_volume_and_silence_is_0() -> None:
    loud, soft = FORM.measure(noise()), FORM.measure(noise(level=0.001))
    np.testing.assert_allclose(loud, soft, atol=1e-4)
    assert loud.max() == pytest.approx(1.0)
    assert FORM.measure(np.zeros(2000, np.float32)).max() == 0
    absolute = Spectrogram(8000, 200, 100, 40, 60.0, is_relative=False)
    assert absolute.measure(noise()).max() > absolute.measure(noise(level=0.01)).max() + 0.2


def test_bands_without_a_frequency_are_counted_and_a_short_waveform_has_no_window() -> None:
    assert FORM.empty_bands() == 0
    assert Spectrogram(8000, 80, 40, 128).empty_bands() > 0
    assert (FORM.frames(199), FORM.frames(200), FORM.fft_length) == (0, 1, 256)


def test_a_picture_has_time_to_the_right_and_low_frequencies_at_the_bottom() -> None:
    preprocess = AudioPreprocess((2000,), FORM)
    features = np.arange(19 * 40, dtype=np.float32).reshape(19, 40, 1)
    for shown in (preprocess.pictured(features)[..., 0], preprocess.pictured(features[..., 0])):
        assert shown.shape == (40, 19)
        assert shown[-1].tolist() == features[:, 0, 0].tolist()
    assert preprocess.pictured(features[None]).shape == (1, 40, 19, 1)
    assert preprocess.shape == (19, 40, 1)
    assert preprocess.pixel_range(np.zeros(0)).white == (1.0,)


@pytest.mark.tensorflow
def test_the_model_computes_the_same_from_stored_integers() -> None:
    stored = np.round(noise() * 32768).astype(np.int16)[None].repeat(2, axis=0)
    stored[1] //= 50
    for form in (FORM, Spectrogram(8000, 200, 100, 40, 60.0, is_relative=False)):
        model = AudioPreprocess((2000,), form).build()
        found = np.asarray(model(stored, training=False))
        assert found.shape == (2, 19, 40, 1)
        for wave, features in zip(stored, found, strict=True):
            np.testing.assert_allclose(features[..., 0], form.measure(wave / np.float32(32768)), atol=1e-4)
