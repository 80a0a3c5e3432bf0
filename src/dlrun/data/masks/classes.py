"""The classes of masks: which values of pixels mean which class, from the spec or from the masks themselves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from hashlib import sha256
from typing import Annotated

import numpy as np
import numpy.typing as npt
from pydantic import AfterValidator, Discriminator, Tag
from pydantic_core import PydanticCustomError

from dlrun.data.masks.pixels import LEVELS, read_mask, shown_value, value_of, values_in
from dlrun.data.media_files.headers import Unreadable
from dlrun.data.media_files.listing import MediaList
from dlrun.data.media_files.store import SKIP, refused
from dlrun.errors import DataError
from dlrun.signature import IGNORED_CLASS, Target
from dlrun.system.cache import Cache

MOST_CLASSES = IGNORED_CLASS
_NAMED = 12
_THREADS = 4


def _check_value(written: int | str) -> int | str:
    try:
        value_of(written)
    except ValueError:
        what = "{value} is not a value of a pixel: write a level of gray (7), or a color in quotes ('#804000')"
        raise PydanticCustomError("pixel_value", what, {"value": written}) from None
    return written


PixelValue = Annotated[int | str, AfterValidator(_check_value)]
"""The value of a pixel of a mask in a spec: a level of gray, or a color."""

PixelValues = Annotated[
    Annotated[PixelValue, Tag("one")] | Annotated[tuple[PixelValue, ...], Tag("several")],
    Discriminator(lambda written: "several" if isinstance(written, (list, tuple)) else "one"),  # one error, not two
]


@dataclass(frozen=True)
class MaskClasses:
    """The classes of masks.

    Args:
        names: Name of each class.
        values: Values of pixels that mean each class, at least one; see `pixels`.
        ignored: Values of pixels that do not count.
    """

    names: tuple[str, ...]
    values: tuple[tuple[int, ...], ...]
    ignored: tuple[int, ...] = ()

    @property
    def target(self) -> Target:
        """The target of these classes."""
        return Target("mask", len(self.names), self.names)

    @property
    def written_values(self) -> tuple[int, ...]:
        """The values that `written` may return."""
        return *(values[0] for values in self.values), *self.ignored[:1]

    def indices(self, mask: npt.NDArray[np.int32]) -> npt.NDArray[np.uint8]:
        """Return the class of each pixel, or `IGNORED_CLASS`.

        Args:
            mask: The values of the pixels, `(height, width)`.

        Raises:
            Unreadable: A pixel has another value.
        """
        known = {value: place for place, values in enumerate(self.values) for value in values}
        known |= dict.fromkeys(self.ignored, IGNORED_CLASS)
        if mask.max(initial=0) < LEVELS:  # a table takes a thirtieth of the time of np.unique
            table = np.full(LEVELS, -1, np.int16)
            levels = [value for value in known if value < LEVELS]
            table[levels] = [known[value] for value in levels]
            classes = table[mask]
        else:
            found, places = np.unique(mask, return_inverse=True)
            of_values = np.array([known.get(value, -1) for value in found.tolist()], np.int16)
            classes = of_values[places].reshape(mask.shape)
        if (classes < 0).any():
            row, column = (int(place) for place in np.argwhere(classes < 0)[0])
            expected = _listed([shown_value(each) for each in known])
            value = shown_value(int(mask[row, column]))
            what = f"the pixel in row {row}, column {column} has the value {value}, which is not that of a class"
            raise Unreadable(f"{what} ({expected})")
        return classes.astype(np.uint8)

    def written(self, classes: npt.NDArray[np.uint8]) -> npt.NDArray[np.int32]:
        """Return masks with the first value of each class, as they are saved.

        Shape:
            classes: any shape of class indices or `IGNORED_CLASS`. Returns: the same shape.
        """
        # Where an image was cut off, nothing is predicted: these pixels get an ignored value, or the first class.
        table = np.full(IGNORED_CLASS + 1, self.ignored[0] if self.ignored else self.values[0][0], np.int32)
        table[: len(self.values)] = [values[0] for values in self.values]
        return table[classes]


def given_classes(mask_values: Mapping[str, PixelValues], ignored: Sequence[int]) -> MaskClasses:
    """Return the classes that the spec defines.

    Args:
        mask_values: One or several values for the name of each class.
        ignored: Values of pixels that do not count.
    """
    return MaskClasses(tuple(mask_values), tuple(listed_classes(mask_values).values()), tuple(ignored))


def listed_classes(mask_values: Mapping[str, PixelValues]) -> dict[str, tuple[int, ...]]:
    """Return the values of each class, by its name, as `read_mask` returns them."""
    listed = {name: each if isinstance(each, tuple) else (each,) for name, each in mask_values.items()}
    return {name: tuple(map(value_of, each)) for name, each in listed.items()}


def find_classes(masks: MediaList, ignored: Sequence[int], *, digest: str, skip: bool = False) -> MaskClasses:
    """Return one class for each value that occurs in some masks, in ascending order, colors last.

    Args:
        masks: The masks of the training data.
        ignored: Values of pixels that do not count.
        digest: Digest of the masks' files, for the cache.
        skip: Whether to leave out masks that cannot be read. If not, they are an error.

    Raises:
        DataError: A mask cannot be read and `skip` is False, there is only one value, or there are too many for
            classes.
    """
    cache, key = Cache("mask-values"), sha256(f"1 {digest}".encode()).hexdigest()[:32]
    known, most = cache.get_value(key), ""
    if not isinstance(known, list):
        known, is_whole, most = _values_in(masks, skip=skip)
        if is_whole and len(known) <= MOST_CLASSES + len(ignored):
            cache.put_value(key, known, what=f"values of {len(masks):,} masks in {masks.folder}")
    values = [value for value in known if value not in ignored]
    check_values(values, masks, detail=f"; {most}")
    return MaskClasses(tuple(map(shown_value, values)), tuple((value,) for value in values), tuple(ignored))


def check_values(values: Sequence[int], masks: MediaList, *, detail: str = "") -> None:
    """Check that the values in some masks can be those of classes.

    Args:
        values: The values of the pixels that count.
        masks: The masks, for the message.
        detail: What more to say of too many values.

    Raises:
        DataError: There are too many values for classes, or fewer than two.
    """
    shown = _listed([shown_value(value) for value in values])
    if len(values) > MOST_CLASSES:
        raise DataError(
            f"the masks in {masks.folder} have {len(values):,} different values: {shown}{detail}",
            expected=f"one value for each class, at most {MOST_CLASSES}",
            hint="masks must be saved without blurred edges and without JPEG compression; or set mask_values",
        )
    if len(values) < 2:
        what = f"all pixels of the masks in {masks.folder} have the value {shown}" if values else "no pixel counts"
        raise DataError(what, expected="at least two classes")


def read_some_values(masks: MediaList, *, most: int) -> set[int]:
    """Return the values in a few masks, evenly spaced; masks that cannot be read are left out."""
    places = np.unique(np.linspace(0, len(masks) - 1, min(most, len(masks))).astype(np.int64))
    found: set[int] = set()
    for path in masks.at(places).paths():
        try:
            found.update(values_in(read_mask(path)))
        except (Unreadable, OSError):
            continue
    return found


def _values_in(masks: MediaList, *, skip: bool) -> tuple[list[int], bool, str]:
    """Return every value that occurs in some masks, whether all can be read, and which has the most values.

    Raises:
        DataError: A mask cannot be read and `skip` is False, or none can be read.
    """

    def read(path: bytes) -> set[int] | str:
        try:
            return set(values_in(read_mask(path)))
        except Unreadable as error:
            return str(error)
        except OSError as error:
            return (error.strerror or str(error)).lower()

    with ThreadPoolExecutor(_THREADS, thread_name_prefix="dlrun-masks") as threads:
        found = list(threads.map(read, masks.paths()))
    failed = {place: why for place, why in enumerate(found) if isinstance(why, str)}
    if failed and (not skip or len(failed) == len(masks)):
        raise refused(failed, masks, way_out="" if len(failed) == len(masks) else SKIP)
    every: set[int] = set()
    for values in found:
        every |= values if isinstance(values, set) else set()
    counts = [len(values) if isinstance(values, set) else 0 for values in found]
    most = int(np.argmax(counts))
    return sorted(every), not failed, f"{counts[most]:,} of them are in {masks.place(most)}"


def _listed(values: Sequence[str]) -> str:
    return ", ".join(values[:_NAMED]) + (", ..." if len(values) > _NAMED else "")
