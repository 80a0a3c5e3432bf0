"""Sound files for tests: short tones, written by soundfile."""

from pathlib import Path
from typing import Any

import numpy as np


def tone(frequency: float, seconds: float = 0.1, rate: int = 8000, level: float = 0.5) -> Any:
    """A sine, `(samples,)` float32."""
    return (level * np.sin(2 * np.pi * frequency * np.arange(round(seconds * rate)) / rate)).astype(np.float32)


def write_sound(path: Path, wave: Any, rate: int = 8000, **options: Any) -> Path:
    """Write a sound file in the format of its suffix."""
    import soundfile

    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, wave, rate, **options)
    return path


def write_tones(folder: Path, *, count: int = 6, seconds: float = 0.1, rate: int = 8000, endings: str = "wav") -> Path:
    """Write class folders `low` and `high` with tones of three speakers, who differ in pitch and loudness."""
    draw = np.random.default_rng(0)
    for label, base in (("low", 400), ("high", 1500)):
        for number in range(count):
            speaker = ("ann", "bob", "cleo")[number % 3]
            wave = tone(base * draw.uniform(0.8, 1.25), seconds * draw.uniform(0.6, 1.0), rate, draw.uniform(0.05, 0.9))
            write_sound(folder / label / f"{speaker}_{number:02}.{endings}", wave, rate)
    return folder
