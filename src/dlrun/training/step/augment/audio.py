"""Change training recordings at random: their waveforms, and the spectrograms made from them."""

from __future__ import annotations

from typing import Any

import numpy as np
import tensorflow as tf

from dlrun.data.augmentation import AudioAugmentation
from dlrun.training.step.augment.augment import MIXING, Augment, each_image, either_way

_MOST_MASKS = 20
_NOISE_RANGE = 40.0
"""Decibels between the loudest and the softest noise."""

_NOISE_SAMPLES = 1 << 17
_NOISE_KEY = 0x50C4


class AudioAugment(Augment):
    """Changes a batch of recordings.

    Args:
        keys: Which changes to make, and how strong they may be.
        sampling_rate: Samples per second of the stored waveforms.
        samples: The length of a stored waveform.
        shape: The shape of a spectrogram, `(frames, mel_bins, 1)`.
        seed: The seed of the run.
    """

    draws = (
        "speed", "shift", "gain", "noise level", "noise place", *MIXING,
        *(f"{what} {axis} {index}" for index in range(_MOST_MASKS) for axis in ("time", "frequency")
          for what in ("width", "first")),
    )  # fmt: skip

    def __init__(
        self, keys: AudioAugmentation, *, sampling_rate: int, samples: int, shape: tuple[int, ...], seed: int
    ) -> None:
        super().__init__(keys, shape, seed=seed)
        self._keys, self._rate, self._samples = keys, sampling_rate, samples
        self._noise = None
        if keys.noise is not None:
            generator = np.random.Generator(np.random.Philox(key=np.array([seed, _NOISE_KEY], np.uint64)))
            # Each example gets a stretch of this noise, because hashing every sample anew would take longer than the
            # spectrogram.
            self._noise = generator.standard_normal(_NOISE_SAMPLES + samples, np.float32)

    def changed_stored(self, stored: Any, numbers: Any, epoch: Any) -> Any:
        """Return the waveforms, each with another speed, place, volume and noise.

        Shape:
            stored: `(batch, samples)`, any numeric dtype. Returns: the same, float32 if anything is changed.
        """
        if not self._keys.changes_waveform:
            return stored
        draws = self._draws(numbers, epoch)
        waves = self._warp(tf.cast(stored, tf.float32), draws)
        waves = self._add_noise(waves, draws)
        if self._keys.gain:
            waves *= tf.pow(10.0, self._keys.gain / 20 * either_way(draws["gain"]))[:, None]
        return waves

    def changed(self, features: Any, numbers: Any, epoch: Any) -> Any:
        """Return the spectrograms, with stretches of time and ranges of frequencies erased.

        Formula:
            as in the paper, but with the largest widths as fractions: a width w is drawn from 0 to W, and the first of
            w steps from 0 to steps - w; erased values are 0, which is silence

        Reference:
            Park et al., 2019, "SpecAugment: A Simple Data Augmentation Method for Automatic Speech Recognition".
        """
        keys = self._keys
        if not (keys.time_masks or keys.frequency_masks):
            return features
        draws = self._draws(numbers, epoch)
        erased = tf.zeros([1, 1, 1, 1], tf.bool)
        for axis, count, size, part, form in (
            ("time", keys.time_masks, self._height, keys.time_mask_width, (1, -1, 1, 1)),
            ("frequency", keys.frequency_masks, self._width, keys.frequency_mask_width, (1, 1, -1, 1)),
        ):
            place = tf.reshape(tf.range(size, dtype=tf.float32), form)
            for index in range(count):
                width = tf.floor(each_image(draws[f"width {axis} {index}"]) * (round(part * size) + 1))
                first = tf.floor(each_image(draws[f"first {axis} {index}"]) * (size - width + 1))
                erased |= (place >= first) & (place < first + width)
        return tf.where(erased, tf.zeros([], features.dtype), features)

    def _warp(self, waves: Any, draws: dict[str, Any]) -> Any:
        """Change speed and place of waveforms.

        Formula:
            y[n] = x(c + s (n - c - d)), with the middle c, the speed s, the shift d in whole samples, x interpolated
            with the cubic of Catmull and Rom, and silence outside

        Reference:
            Ko et al., 2015, "Audio Augmentation for Speech Recognition", for changes of speed; Catmull and Rom, 1974,
            "A class of local interpolating splines".
        """
        keys = self._keys
        if not keys.warps:
            return waves
        middle = (self._samples - 1) / 2
        speed = 1 + keys.speed * either_way(draws["speed"])[:, None]
        shift = tf.round(keys.time_shift * self._rate * either_way(draws["shift"]))[:, None]
        place = middle + speed * (tf.range(self._samples, dtype=tf.float32)[None] - middle - shift)
        below = tf.floor(place)
        t, first = place - below, tf.cast(below, tf.int32)
        before, here, after, beyond = (self._taken(waves, first + step) for step in (-1, 0, 1, 2))
        if not keys.speed:
            return here
        slope = 0.5 * (after - before)
        square = before - 2.5 * here + 2 * after - 0.5 * beyond
        cube = 0.5 * (beyond - before) + 1.5 * (here - after)
        return ((cube * t + square) * t + slope) * t + here

    def _taken(self, waves: Any, places: Any) -> Any:
        """Return the samples at `places`, 0 outside."""
        inside = (places >= 0) & (places < self._samples)
        found = tf.gather(waves, tf.clip_by_value(places, 0, self._samples - 1), batch_dims=1)
        return tf.where(inside, found, 0.0)

    def _add_noise(self, waves: Any, draws: dict[str, Any]) -> Any:
        """Add white noise, with a distance from the recording that is drawn in decibels.

        Formula:
            x + sqrt(mean x^2) 10^(-d / 20) g, with d drawn from `noise` to `noise` + 40 and g standard normal
        """
        if self._keys.noise is None:
            return waves
        first = tf.cast(draws["noise place"] * _NOISE_SAMPLES, tf.int32)
        noise = tf.gather(tf.constant(self._noise), first[:, None] + tf.range(self._samples)[None])
        distance = self._keys.noise + _NOISE_RANGE * draws["noise level"]
        level = tf.sqrt(tf.reduce_mean(tf.square(waves), axis=1)) * tf.pow(10.0, -distance / 20)
        return waves + level[:, None] * noise
