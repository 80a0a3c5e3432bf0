"""Raw input that is numbers already: arrays in `.npy` and `.npz` files, pictures, columns of a CSV."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from dlrun.data.image_files.form import ImageForm
from dlrun.data.image_files.reading import read_images
from dlrun.data.raw_input import Array, Examples, RawInput, as_stored
from dlrun.errors import DataError
from dlrun.signature import Target

if TYPE_CHECKING:
    import keras

_WHITE = 255
_USUAL = ("features", "x", "x_test", "x_train")


@dataclass(frozen=True)
class ArrayInput(RawInput):
    """Examples as arrays of one shape.

    Args:
        shape: Of one example.
        dtype: Of stored examples.
        white: For images: the stored value of a white pixel; picture files can be read then. None: they cannot.
        type: Tells the kinds of raw input apart.
    """

    shape: tuple[int, ...]
    dtype: str = "float32"
    white: float | None = None
    type: Literal["array"] = "array"

    def read(self, source: str, *, at_once: int, target: Target | None = None) -> Iterator[Examples]:
        """Read the rows of a `.npy` file, of the array of an `.npz` file called features, x or x_test, or pictures."""
        if self.white is not None and Path(source).suffix.lower() not in (".npy", ".npz"):
            yield from self._read_pictures(source, at_once=at_once, target=target)
            return
        values, labels = _load(Path(source).expanduser())
        if values.shape[1:] != self.shape and (*values.shape[1:], 1) != self.shape:
            raise DataError(f"{source}: one example has shape {values.shape[1:]}", expected=f"{self.shape}")
        if values.dtype.kind not in "iufb":
            raise DataError(f"{source}: its values have dtype {values.dtype}", expected="numbers")
        if target is not None and labels is None:
            raise DataError(f"{source} has no labels", expected="an .npz file with an array called target, y or y_test")
        for start in range(0, len(values), at_once):
            rows = slice(start, start + at_once)
            stored = as_stored(values[rows].reshape(-1, *self.shape), dtype=self.dtype)
            names = [f"row {row}" for row in range(start, start + len(stored))]
            yield Examples(names, stored, None if target is None or labels is None else labels[rows])

    def build(self) -> keras.Model:
        """Make the model that gives its input as it is."""
        import keras

        inputs = keras.Input(self.shape, dtype=self.dtype, name="features")
        return keras.Model(inputs, keras.layers.Identity(dtype=self.dtype, name="stored")(inputs), name="raw")

    def deployed(self, examples: Examples, index: int) -> Mapping[str, Array]:
        """The example itself."""
        return {"features": examples.stored[index : index + 1]}

    def _read_pictures(self, source: str, *, at_once: int, target: Target | None) -> Iterator[Examples]:
        """Image files, as `ImageInput` reads them, in the range of the stored values."""
        height, width, channels = self.shape
        white = self.white or 0.0
        for examples in read_images(source, ImageForm(height, width, channels), at_once=at_once, target=target):
            stored = examples.stored
            if (self.dtype, white) != ("uint8", _WHITE):
                scaled = stored.astype(np.float32) * (white / _WHITE)
                stored = scaled.astype(self.dtype) if self.dtype == "float32" else np.round(scaled).astype(self.dtype)
            yield replace(examples, stored=stored)


def _load(path: Path) -> tuple[Array, Array | None]:
    try:
        loaded: Any = np.load(path, allow_pickle=False, mmap_mode="r" if path.suffix == ".npy" else None)
    except (OSError, ValueError, EOFError) as error:
        raise DataError(f"{path} cannot be read: {error}", expected="a .npy or .npz file of numbers") from error
    if isinstance(loaded, np.ndarray):
        return np.atleast_1d(loaded), None
    with loaded as file:
        name = next((name for name in _USUAL if name in file.files), None)
        if name is None:
            raise DataError(
                f"{path} has no array of features: {', '.join(file.files) or 'it is empty'}",
                expected="one called " + " or ".join(_USUAL),
            )
        label = next((label for label in ("target", "y", "y_test", "y_train") if label in file.files), None)
        return file[name], None if label is None else file[label]
