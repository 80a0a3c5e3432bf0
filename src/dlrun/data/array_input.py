"""Raw input of numbers: arrays in `.npy` and `.npz` files."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np

from dlrun.data.files.array_file import ArrayRows, opened_arrays
from dlrun.data.image_files.form import ImageForm
from dlrun.data.image_files.reader import ImageReader
from dlrun.data.labels import NamedArray, stored_targets
from dlrun.data.media_files.reading import read_media
from dlrun.data.raw_input import Array, Examples, RawInput, as_stored
from dlrun.errors import DataError
from dlrun.signature import Target

if TYPE_CHECKING:
    import keras

_WHITE = 255
_USUAL = {"features": "target", "x": "y", "x_test": "y_test", "x_train": "y_train"}
"""The usual names of features, in order of preference, and of their labels."""


@dataclass(frozen=True)
class ArrayInput(RawInput):
    """Examples as arrays of one shape.

    Args:
        shape: Shape of one example.
        dtype: Data type of stored examples.
        white: Stored value of a white pixel, for images, which can then be read from image files; otherwise None.
        type: Discriminator of the kinds of raw input.
    """

    shape: tuple[int, ...]
    dtype: str = "float32"
    white: float | None = None
    type: Literal["array"] = "array"

    def read(self, source: str, *, at_once: int, target: Target | None = None) -> Iterator[Examples]:
        """Read the rows of a `.npy` file, of standard input in that format, or of an array of an `.npz` file.

        The array is the one named features, x, x_test or x_train, or the only one. Its labels, if requested, are the
        array named target, y, y_test or y_train. A model of images reads image files, too.
        """
        if self._are_pictures(source):
            yield from self._read_pictures(source, at_once=at_once, target=target)
            return
        has_labels = target is not None and target.kind != "input"
        with opened_arrays(source, (*_USUAL, *(_USUAL.values() if has_labels else ()))) as arrays:
            name = next((name for name in _USUAL if name in arrays), next(iter(arrays)))
            rows, labels = arrays[name], arrays.get(_USUAL.get(name, "target")) if has_labels else None
            self._check(rows)
            if has_labels and labels is None:
                expected = f"an .npz file with an array named {_USUAL.get(name, 'target')} next to its features"
                raise DataError(f"{source} has no labels", expected=expected)
            if labels is not None and len(labels) != len(rows):
                raise DataError(
                    f"{labels.name} has {len(labels):,} rows", expected=f"{len(rows):,}, as many as {rows.name}"
                )
            for start in range(0, len(rows), at_once):
                stored = self._stored(NamedArray(rows.name, rows.take(at_once), first_row=start))
                names = [f"row {row}" for row in range(start, start + len(stored))]
                truth = None
                if labels is not None and target is not None:
                    truth = stored_targets(NamedArray(labels.name, labels.take(at_once), first_row=start), target)
                yield Examples(names, stored, truth)

    def read_several(self, sources: Sequence[str], *, at_once: int, target: Target | None = None) -> Iterator[Examples]:
        """Read several sources; image files are read together as one list."""
        if all(self._are_pictures(source) for source in sources):
            return self._read_pictures(sources, at_once=at_once, target=target)
        return super().read_several(sources, at_once=at_once, target=target)

    def build(self) -> keras.Model:
        """Build the Keras model that returns its input unchanged."""
        import keras

        inputs = keras.Input(self.shape, dtype=self.dtype, name="features")
        return keras.Model(inputs, keras.layers.Identity(dtype=self.dtype, name="stored")(inputs), name="raw")

    def deployed(self, examples: Examples, index: int) -> Mapping[str, Array]:
        """Return the example itself."""
        return {"features": examples.stored[index : index + 1]}

    def _are_pictures(self, source: str) -> bool:
        return self.white is not None and source != "-" and Path(source).suffix.lower() not in (".npy", ".npz")

    def _read_pictures(self, source: str | Sequence[str], *, at_once: int, target: Target | None) -> Iterator[Examples]:
        """Read image files like `ImageInput`, scaled to the range of the stored values."""
        height, width, channels = self.shape
        white = self.white or 0.0
        reader = ImageReader(ImageForm(height, width, channels))
        for examples in read_media(source, reader, at_once=at_once, target=target):
            stored = examples.stored
            # Image files are read as bytes from 0 to 255; in this form, nothing has to be scaled or copied.
            if (self.dtype, white) != ("uint8", _WHITE):
                scaled = stored.astype(np.float32) * (white / _WHITE)
                stored = scaled.astype(self.dtype) if self.dtype == "float32" else np.round(scaled).astype(self.dtype)
            yield replace(examples, stored=stored)

    def _check(self, rows: ArrayRows) -> None:
        """Check shape and data type. Vectors may have any shape of their size, and a last axis of 1 may be missing."""
        shape = rows.shape[1:]
        same_size = math.prod(shape) == math.prod(self.shape)
        if shape != self.shape and not (same_size and (len(self.shape) == 1 or (*shape, 1) == self.shape)):
            whole = ", ".join(map(str, ("examples", *self.shape)))
            raise DataError(
                f"{rows.name}: one example has shape {shape}",
                expected=f"{self.shape}, as in training: an array of shape ({whole})",
            )
        if rows.dtype.kind not in "iufb":
            raise DataError(f"{rows.name}: its values have dtype {rows.dtype}", expected="numbers")

    def _stored(self, rows: NamedArray) -> Array:
        """Return rows in stored form.

        Raises:
            DataError: The stored data type cannot represent a value exactly.
        """
        values = rows.values.reshape(-1, *self.shape)
        if np.dtype(self.dtype).kind == "f":
            stored = as_stored(values, dtype=self.dtype)
            NamedArray(rows.name, stored, first_row=rows.first_row).check_finite()
            return stored
        with np.errstate(invalid="ignore"):
            stored = values.astype(self.dtype, copy=False)
        # `astype` wraps large numbers and cuts off fractions silently, and NaN becomes some number, so compare.
        if stored is not values and (stored != values).any():
            row, *place = (int(index) for index in np.argwhere(stored != values)[0])
            bounds = np.iinfo(self.dtype)
            raise DataError(
                f"{rows.name}: row {row + rows.first_row} contains {values[(row, *place)]}",
                expected=f"whole numbers from {bounds.min} to {bounds.max}, as in training",
            )
        return stored
