"""Draft a config with a U-Net for images with masks, in folders or in two columns of a list."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from dlrun.data.images.source import Images
from dlrun.data.masks.classes import check_values, read_some_values
from dlrun.data.masks.pixels import COLOR, shown_value, value_of
from dlrun.data.masks.reader import MASKS
from dlrun.data.media_files.listing import MediaList
from dlrun.errors import DataError
from dlrun.init_config.draft import ConfigDraft, Key, Remark, Section, Sizes, Wishes
from dlrun.init_config.first_line import FirstLine
from dlrun.init_config.images import ImageHeaders, held_out_keys, size_keys, size_messages
from dlrun.init_config.mask_places import JPEGS, MaskColumns, MaskPlaces
from dlrun.init_config.media import span

_READ_MASKS = 500
_VOID, _VOID_COLOR = 255, value_of("#e0e0c0")
"""Values of unclear borders in the masks of PASCAL VOC, as an index of the palette and as a color."""

_FILTERS = (16, 32, 64, 128, 256)
_SMALLEST_MAP = 4
_LARGEST_BATCH = 16


@dataclass(frozen=True)
class _Meaning:
    """What the values of the pixels of masks mean, and how many masks were read for that."""

    classes: tuple[int, ...]
    ignored: int | None
    read: int
    masks: int

    @property
    def is_foreground(self) -> bool:
        """Whether there are two values, of which one is black."""
        return len(self.classes) == 2 and self.classes[0] == 0


def draft_masks(
    path: str,
    wishes: Wishes,
    *,
    places: MaskPlaces | None = None,
    columns: MaskColumns | None = None,
    first: FirstLine | None = None,
) -> ConfigDraft:
    """Draft a config of the dataset type `images` with masks.

    Args:
        path: A folder or a CSV file.
        wishes: What the user specified about the data.
        places: Folders of images and masks, for a folder.
        columns: Columns of images and masks, for a CSV.
        first: First line, for a CSV.

    Raises:
        DataError: Images or masks cannot be found or read, or their values are not those of classes.
    """
    first = first or FirstLine()
    source = _source(path, places, columns, first)
    lists = source.lists()
    found = ImageHeaders.of(lists)
    values = _read_values(lists["train"])
    total = sum(len(images) for images in lists.values())
    sizes = Sizes(total, passes=40_000, patience=10, test=wishes.test)
    names = ", ".join(f"{name} {len(images):,}" for name, images in lists.items())
    what = f"masks of {len(values.classes)} classes, {span(found.height)} x {span(found.width)} pixels"
    return ConfigDraft(
        f"The images of {source.path}: {names}, with {what}.",
        tuple(_dataset(source, found, values, [*first.lines()] if columns else []))
        + tuple(held_out_keys(sizes, lists)),
        tuple(_network(found)),
        "dice_crossentropy",
        ("accuracy", "mean_io_u"),
        tuple(_training(sizes)),
        (*first.messages(), *_messages(source, found, values)),
    )


def _source(path: str, places: MaskPlaces | None, columns: MaskColumns | None, first: FirstLine) -> Images:
    if places is None or columns is not None:
        keys = {} if columns is None else {"image_column": columns.images, "mask_column": columns.masks}
        return Images.model_validate({"path": path, **keys, **first.keys})
    # As the user wrote it, not with the home folder in place of ~.
    root = Path(path).expanduser()
    images, masks = (str(Path(path) / os.path.relpath(place, root)) for place in (places.images, places.masks))
    return Images(path=images, masks=masks, mask_suffix=places.suffix)


def _dataset(
    source: Images, found: ImageHeaders, values: _Meaning, first_line: Sequence[Key | Remark]
) -> Iterator[Key | Remark]:
    yield Key("type", "images")
    yield Key("path", source.path)
    if source.masks is None:
        yield from first_line
        yield Key("image_column", source.image_column, "paths of the images, relative to the CSV")
        yield Key("mask_column", source.mask_column, "paths of their masks: the class of each pixel is predicted")
    else:
        yield Key("masks", source.masks, "the mask of each image: the class of each pixel is predicted")
        if source.mask_suffix:
            yield Key("mask_suffix", source.mask_suffix, "behind the name of the image in that of its mask")
    if values.is_foreground:
        names = dict(zip(("background", "foreground"), map(_as_key, values.classes), strict=True))
        yield Key("mask_values", names, "the value in the masks of each class; name them as you like")
    else:
        yield Remark(
            f"The classes are the values in the masks: {_listed(values.classes)}. To name or join them: "
            "mask_values: {background: 0, cat: 1, dog: [2, 3]}."
        )
    if values.ignored is not None:
        yield Key("ignored_mask_value", _as_key(values.ignored), "pixels that count neither in the loss nor in scores")
    yield from size_keys(found)
    yield Remark("Random changes of the training images and their masks. Remove flip if a mirrored image is wrong.")
    yield Key("augmentation", {"flip": "horizontal", "rotation": 10.0, "zoom": 0.1, "brightness": 0.1})


def _network(found: ImageHeaders) -> Section:
    side, levels = min(found.given), 2
    while levels < len(_FILTERS) and side >> levels >= _SMALLEST_MAP:
        levels += 1
    smallest = max(1, side >> (levels - 1))
    return (
        Key("type", "unet"),
        Remark(f"Each level has half the height and width of the one before; the last has {smallest} pixels."),
        Key("filters", list(_FILTERS[:levels])),
    )


def _training(sizes: Sizes) -> Iterator[Key | Remark]:
    for line in sizes.training:
        if isinstance(line, Remark):
            yield line
        elif line.name == "batch_size":
            batch = min(sizes.batch_size, _LARGEST_BATCH)
            yield Key("batch_size", batch, "small, because each image has thousands of pixels to learn from")
        elif line.name == "early_stopping":
            yield Key("monitor", "val_mean_io_u", "mean intersection over union of the classes, from 0 to 1")
            yield Key(line.name, line.value, "stop if val_mean_io_u does not improve, and keep the best epoch")
        else:
            yield line


def _messages(source: Images, found: ImageHeaders, values: _Meaning) -> Iterator[str]:
    of = f"the column {source.mask_column!r}" if source.masks is None else source.masks
    behind = f", with {source.mask_suffix} behind the name of the image" if source.mask_suffix else ""
    yield f"masks: those of {of}{behind}"
    read = f", the values in {values.read:,} of {values.masks:,} masks" if values.read < values.masks else ""
    named = _listed(values.classes)
    if values.is_foreground:
        named = f"background (0) and foreground ({shown_value(values.classes[1])})"
    yield f"classes: {len(values.classes)}: {named}{read}"
    if values.ignored is not None:
        shown = shown_value(values.ignored)
        yield (
            f"ignored_mask_value: {shown}, because it is that of unclear borders in masks like those of PASCAL VOC; "
            "remove it if it is a class"
        )
    yield from size_messages(found)


def _read_values(images: MediaList) -> _Meaning:
    """Return which values in some of the masks are classes.

    Raises:
        DataError: No mask can be read, all pixels have the same value, or there are too many values for classes.
    """
    masks = images.masks
    if masks is None or not len(masks):
        raise DataError(f"{images.origin} has no masks", expected="a mask for each image")
    found = sorted(read_some_values(masks, most=_READ_MASKS))
    if not found:
        hint = "JPEG changes the values of pixels" if masks.names[0].lower().endswith(JPEGS) else ""
        raise DataError(f"none of the masks in {masks.folder} can be read", expected=MASKS.formats, hint=hint)
    ignored = _ignored(found)
    classes = tuple(value for value in found if value != ignored)
    check_values(classes, masks)
    return _Meaning(classes, ignored, min(_READ_MASKS, len(masks)), len(masks))


def _ignored(values: Sequence[int]) -> int | None:
    """Return the value of unclear borders, if the values look like those of PASCAL VOC."""
    *others, last = values
    if last == _VOID and len(others) > 1 and others == list(range(len(others))):
        return last
    return _VOID_COLOR if _VOID_COLOR in values and len(values) > 2 else None


def _as_key(value: int) -> int | str:
    """Return the value of a pixel as a spec contains it."""
    return value if value < COLOR else shown_value(value)


def _listed(values: Sequence[int], most: int = 12) -> str:
    return ", ".join(map(shown_value, values[:most])) + (", ..." if len(values) > most else "")
