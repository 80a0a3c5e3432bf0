"""The common sampling rate and length of waveforms, and the Keras layers that crop and pad to it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

Crop = Literal["start", "center", "end"]

FULL_SCALE = 32768
"""The stored value of an amplitude of 1; waveforms are stored with 16 bits, like most sound files."""


@dataclass(frozen=True)
class AudioForm:
    """Sampling rate and length of all waveforms of a dataset.

    Args:
        sampling_rate: Samples per second.
        samples: Number of samples.
        crop: The part of a longer recording that is kept. A shorter one gets silence on the other side: behind it for
            `start`, on both sides for `center`, before it for `end`.
    """

    sampling_rate: int
    samples: int
    crop: Crop = "start"

    @property
    def seconds(self) -> float:
        """Length in seconds."""
        return self.samples / self.sampling_rate

    def first(self, total: Any) -> Any:
        """Return where the kept part of `total` samples begins; negative if silence comes first."""
        if self.crop == "start":
            return 0 * total
        return (total - self.samples) // 2 if self.crop == "center" else total - self.samples

    def fit(self, waveform: npt.NDArray[np.float32], *, first: int = 0, total: int | None = None) -> Any:
        """Return a waveform cropped or padded to this length, as 16-bit integers.

        Args:
            waveform: Amplitudes from -1 to 1, perhaps only a part of the recording.
            first: Number of samples of the recording before this part.
            total: Number of samples of the whole recording; None for that of `waveform`.

        Shape:
            waveform: `(n,)`. Result: `(samples,)` int16.
        """
        begin = int(self.first(len(waveform) if total is None else total)) - first
        fitted = np.zeros(self.samples, np.float32)
        part = waveform[max(0, begin) : max(0, begin + self.samples)]
        fitted[max(0, -begin) : max(0, -begin) + len(part)] = part
        return np.clip(np.round(fitted * FULL_SCALE), -FULL_SCALE, FULL_SCALE - 1).astype(np.int16)

    def layers(self, waveform: Any) -> Any:
        """Return a tensor of waveforms of any length, cropped or padded and rounded as by `fit`.

        Shape:
            waveform: `(batch, any length)` float32. Result: `(batch, samples)` int16.
        """
        from keras import ops

        if self.crop == "start":
            fitted = ops.pad(waveform, ((0, 0), (0, self.samples)))[:, : self.samples]
        else:
            # A Keras model has no number for the length of an axis, so ones are counted. Padded on both sides, the kept
            # part lies inside for every length, without a branch.
            total = ops.sum(ops.cast(ops.ones_like(waveform), "int32"), axis=1)[0]
            first = (total + self.samples) // 2 if self.crop == "center" else total
            padded = ops.pad(waveform, ((0, 0), (self.samples, self.samples)))
            fitted = ops.take(padded, first + np.arange(self.samples, dtype=np.int32), axis=1)
        whole = ops.clip(ops.round(fitted * float(FULL_SCALE)), -float(FULL_SCALE), float(FULL_SCALE - 1))
        return ops.cast(whole, "int16")
