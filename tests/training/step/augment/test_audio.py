"""Changes of recordings: each is as large as its key allows, and depends only on (seed, epoch, example)."""

from typing import Any

import numpy as np
import pytest

from dlrun.data.augmentation import AudioAugmentation

pytestmark = pytest.mark.tensorflow

NUMBERS = np.arange(200, dtype=np.int32)
RATE, SAMPLES = 1000, 400


def augment(seed: int = 0, shape: tuple[int, ...] = (30, 40, 1), **keys: Any) -> Any:
    from dlrun.training.step.augment.audio import AudioAugment

    model = AudioAugmentation.model_validate(keys)
    return AudioAugment(model, sampling_rate=RATE, samples=SAMPLES, shape=shape, seed=seed)


def changed(waves: Any, *, epoch: int = 0, numbers: Any = NUMBERS, **keys: Any) -> Any:
    return np.asarray(augment(**keys).changed_stored(waves, numbers, np.int32(epoch)))


def test_a_shift_moves_by_whole_samples_to_both_sides_and_fills_with_silence() -> None:
    wave = np.arange(1, SAMPLES + 1, dtype=np.int16)
    found = changed(np.tile(wave, (200, 1)), time_shift=0.05)
    shifts = []
    for each in found:
        first = int(np.flatnonzero(each)[0])
        shift = first or 1 - int(each[0])
        expected = np.concatenate([np.zeros(max(0, shift)), wave, np.zeros(max(0, -shift))])
        np.testing.assert_array_equal(each, expected[max(0, -shift) :][:SAMPLES])
        shifts.append(shift)
    assert min(shifts) < -45
    assert max(shifts) > 45
    assert max(map(abs, shifts)) <= 50


def test_speed_changes_the_pitch_and_keeps_the_level() -> None:
    sine = np.sin(2 * np.pi * 100 * np.arange(SAMPLES) / RATE).astype(np.float32)
    found = changed(np.tile(sine, (200, 1)), speed=0.2)[:, 100:300]
    pitch = np.abs(np.fft.rfft(found * np.hanning(200), 2000, axis=1)).argmax(axis=1) * RATE / 2000
    assert 79 < pitch.min() < 83
    assert 117 < pitch.max() < 121
    assert np.abs(found).max(axis=1).min() > 0.97


def test_gain_and_noise_have_the_decibels_of_their_keys() -> None:
    waves = np.tile(np.sin(np.arange(SAMPLES)).astype(np.float32) * 1000, (200, 1))
    gains = 20 * np.log10(np.abs(changed(waves, gain=6)).max(axis=1) / np.abs(waves).max(axis=1))
    assert -6.01 < gains.min() < -5.5
    assert 5.5 < gains.max() < 6.01
    added = changed(waves, noise=20) - waves
    distances = 20 * np.log10(waves.std(axis=1) / added.std(axis=1))
    assert 19 < distances.min() < 22
    assert 57 < distances.max() < 61
    assert np.abs(np.corrcoef(added[:20]))[~np.eye(20, dtype=bool)].max() < 0.3


def test_masks_erase_whole_stretches_of_time_and_ranges_of_frequency() -> None:
    features = np.ones((200, 30, 40, 1), np.float32)
    found = np.asarray(
        augment(time_masks=1, time_mask_width=0.2, frequency_masks=1, frequency_mask_width=0.25).changed(
            features, NUMBERS, np.int32(0)
        )
    )[..., 0]
    rows, columns = found.max(axis=2) == 0, found.max(axis=1) == 0
    for marks, widest in ((rows, 6), (columns, 10)):
        widths = marks.sum(axis=1)
        assert set(widths.tolist()) == set(range(widest + 1))
        assert all(np.ptp(np.flatnonzero(each)) + 1 == each.sum() for each in marks if each.any())
        assert marks.any(axis=0).all()  # anywhere
    np.testing.assert_array_equal(found == 0, rows[:, :, None] | columns[:, None])


def test_the_changes_depend_on_seed_epoch_and_example_and_on_nothing_else() -> None:
    waves = np.random.default_rng(0).integers(-9999, 9999, (200, SAMPLES)).astype(np.int16)
    keys: dict[str, Any] = {"time_shift": 0.1, "speed": 0.1, "gain": 3, "noise": 5}
    whole = changed(waves, **keys)
    np.testing.assert_array_equal(changed(waves, **keys), whole)
    # In a batch of another size, the last bit may be rounded differently.
    np.testing.assert_allclose(
        changed(waves[50:60], numbers=NUMBERS[50:60], **keys), whole[50:60], rtol=1e-5, atol=0.01
    )
    for other in (changed(waves, epoch=1, **keys), changed(waves, seed=1, **keys)):
        assert (np.abs(other - whole).max(axis=1) > 0).all()
    assert augment().changed_stored(waves, NUMBERS, 0) is waves
    assert augment(gain=3).changed(waves, NUMBERS, 0) is waves
    assert (augment().mixes, augment(mixup=0.3).mixes) == (False, True)
