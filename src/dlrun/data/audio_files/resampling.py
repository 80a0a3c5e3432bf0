"""Change the sampling rate of a waveform with a windowed sinc filter.

A library would be another dependency with compiled code for one function of a page, so numpy does it.

Formula:
    y[n] = sum over k of x[k] h(n M/L - k), where L/M is the reduced ratio of the rates, and
    h(t) = c sinc(c t) kaiser(t / T) for |t| < T, T = 32 / c, c = 0.94 min(1, L/M)
    So c is the bandwidth that both rates can represent, less a margin for the filter to fall. The coefficients of each
    output are scaled to the sum 1, so that a constant stays the same constant.

Reference:
    Smith, "Digital Audio Resampling Home Page", CCRMA, 2002; Kaiser and Schafer, "On the use of the I0-sinh window for
    spectrum analysis", 1980, for the window.
"""

from __future__ import annotations

import functools
import math

import numpy as np
import numpy.typing as npt

Wave = npt.NDArray[np.float32]

_CROSSINGS = 32
_BETA = 9.0
_ROLLOFF = 0.94
_BLOCK = 4096
_MOST_PHASES = 2048
"""Up to this many phases, their coefficients are kept; others are computed for each output."""


def resampled_length(length: int, rate: int, new_rate: int) -> int:
    """Return the number of samples after the change of the rate."""
    return -(-length * new_rate // rate)


def samples_needed(last: int, rate: int, new_rate: int) -> int:
    """Return how many samples at the old rate the first `last` ones at the new rate depend on."""
    up, down = _ratio(rate, new_rate)
    return last if up == down else (-(-last // _BLOCK) * _BLOCK) * down // up + _reach(up, down) + 1


def resample(waveform: Wave, rate: int, new_rate: int, *, first: int = 0, last: int | None = None) -> Wave:
    """Change the sampling rate of a waveform.

    Args:
        waveform: The samples.
        rate: Their sampling rate.
        new_rate: Sampling rate of the result.
        first: First sample of the result to return.
        last: The sample after the last one; None for all.

    Shape:
        waveform: `(n,)`. Result: `(last - first,)`.
    """
    length = resampled_length(len(waveform), rate, new_rate)
    last = length if last is None else min(last, length)
    up, down = _ratio(rate, new_rate)
    if up == down:
        return waveform[first:last]
    reach = _reach(up, down)
    padded = np.concatenate([np.zeros(reach, np.float32), waveform, np.zeros(reach + 1, np.float32)])
    windows = np.lib.stride_tricks.sliding_window_view(padded, 2 * reach)
    # In blocks that begin at multiples of their size: a part of the result has the same bits as in the whole.
    begin = first // _BLOCK * _BLOCK
    parts = [_block(windows, start, min(start + _BLOCK, length), up, down) for start in range(begin, last, _BLOCK)]
    found: Wave = np.concatenate(parts)[first - begin : last - begin] if parts else np.zeros(0, np.float32)
    return found


def _block(windows: Wave, first: int, last: int, up: int, down: int) -> Wave:
    """Return consecutive samples of the result.

    Shape:
        windows: `(n, 2 reach)`: row i contains the samples from i - reach + 1 to i + reach.
    """
    places = np.arange(first, last, dtype=np.int64) * down
    phases = places % up
    coefficients = _table(up, down)[phases] if up <= _MOST_PHASES else _coefficients(phases, up, down)
    # Index + 1, because the padding before the first sample is `reach` samples long.
    found: Wave = np.einsum("nt,nt->n", windows[places // up + 1], coefficients, dtype=np.float32)
    return found


@functools.lru_cache(maxsize=8)
def _table(up: int, down: int) -> Wave:
    return _coefficients(np.arange(up), up, down)


def _coefficients(phases: npt.NDArray[np.int64], up: int, down: int) -> Wave:
    """Return the filter for outputs at the fractions `phases / up` between two samples.

    Shape:
        Result: `(phases, 2 reach)`.
    """
    reach, bandwidth = _reach(up, down), _bandwidth(up, down)
    # The distance in time from each sample to the output.
    time = phases[:, None] / up - np.arange(1 - reach, reach + 1)[None]
    inside = np.clip(1 - (time * bandwidth / _CROSSINGS) ** 2, 0, None)
    window = np.i0(_BETA * np.sqrt(inside)) * (inside > 0)
    found = np.sinc(bandwidth * time) * window
    return np.asarray(found / found.sum(axis=1, keepdims=True), np.float32)


def _bandwidth(up: int, down: int) -> float:
    return _ROLLOFF * min(1.0, up / down)


def _reach(up: int, down: int) -> int:
    """Return how many samples to either side an output depends on."""
    return math.ceil(_CROSSINGS / _bandwidth(up, down))


def _ratio(rate: int, new_rate: int) -> tuple[int, int]:
    common = math.gcd(rate, new_rate)
    return new_rate // common, rate // common
