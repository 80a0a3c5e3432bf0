"""Images with masks for tests: a bright box on a dark ground, with a mask of both."""

from pathlib import Path

import numpy as np

from pictures import png

SHAPES_CONFIG = """\
name: shapes
dataset: {type: images, path: HOME/images, masks: HOME/masks, mask_values: {ground: 0, box: 7}, KEYSvalidation: 0.25}
model: {type: unet, filters: [4, 6], batch_normalization: false}
optimizer: {type: adam, learning_rate: 0.02}
loss: dice_crossentropy
training: {batch_size: 4, epochs: 10, precision: float32, jit: off, tensorboard: false, report: false}
"""


def write_shapes(folder: Path, *, count: int = 16, height: int = 13, width: int = 10) -> Path:
    """Write `images` and `masks` into a folder; every image is another."""
    for name in ("images", "masks"):
        (folder / name).mkdir(parents=True)
    random = np.random.default_rng(0)
    for number in range(count):
        mask = np.zeros((height, width), np.uint8)
        row, column = random.integers(0, height // 2), random.integers(0, width // 2)
        mask[row : row + height // 2, column : column + width // 2] = 7
        noise = random.integers(0, 60, (height, width, 3))
        image = (noise + 180 * (mask[..., None] > 0)).astype(np.uint8)
        (folder / "images" / f"{number:03}.png").write_bytes(png(image))
        (folder / "masks" / f"{number:03}.png").write_bytes(png(mask[..., None]))
    return folder


def shapes_config(home: Path, **keys: str) -> str:
    """Return a config for images with masks in a folder, with further keys of the dataset."""
    written = "".join(f"{key}: {value}, " for key, value in keys.items())
    return SHAPES_CONFIG.replace("HOME", str(home)).replace("KEYS", written)
