"""Draft a config with a convolutional network for image files, sized for them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from dlrun.data.image_files.headers import scan
from dlrun.data.image_files.reader import IMAGES
from dlrun.data.images.source import Images
from dlrun.data.media.loading import media_targets
from dlrun.data.media_files.listing import MediaList
from dlrun.errors import DataError
from dlrun.init_config.draft import ConfigDraft, Key, Remark, Section, Sizes, Wishes
from dlrun.init_config.first_line import FirstLine
from dlrun.init_config.media import class_messages, loss_of, span
from dlrun.signature import Target

_LARGEST = 128
_STEPS = (32, 48, 64, 96, 128)
_SQUARE = 1.25
_SMALLEST_MAP = 4
_FILTERS = (32, 64, 128, 128, 128)
_MOST_BLOCKS = 5
_LARGE_SIDE = 96
_GREY = 1


@dataclass(frozen=True)
class ImageHeaders:
    """Sizes and channels from the headers of all files, and the number of unreadable files.

    Args:
        height: Heights in pixels.
        width: Widths in pixels.
        channels: Number of channels: 3 if any of the images has color.
        unreadable: Number of files that cannot be read.
    """

    height: npt.NDArray[np.int32]
    width: npt.NDArray[np.int32]
    channels: int
    unreadable: int

    @classmethod
    def of(cls, lists: Mapping[str, MediaList]) -> ImageHeaders:
        """Read the headers of the images of all splits.

        Raises:
            DataError: None of the images can be read.
        """
        scans = [scan(images.paths()) for images in lists.values()]
        rows = np.concatenate([scanned.readable() for scanned in scans])
        unreadable = sum(len(scanned.unreadable) for scanned in scans)
        if not len(rows):
            raise DataError("none of the images can be read", expected=IMAGES.formats)
        return cls(rows["height"], rows["width"], int(rows["channels"].max()), unreadable)

    @property
    def size(self) -> tuple[int, int] | None:
        """Size to resize the images to; None if all have the same size and are small enough."""
        height, width = int(np.median(self.height)), int(np.median(self.width))
        alike = bool((self.height == height).all() and (self.width == width).all())
        if alike and max(height, width) <= _LARGEST:
            return None
        # Mixed shapes have no common aspect ratio, so they are padded to a square.
        if self.shapes_differ or 1 / _SQUARE <= height / width <= _SQUARE:
            side = max((step for step in _STEPS if step <= min(height, width)), default=_STEPS[0])
            return side, side
        # Never above 1, because enlarged images cost time but show no more detail.
        part = _LARGEST / max(height, width, _LARGEST)
        return max(8, round(height * part)), max(8, round(width * part))

    @property
    def given(self) -> tuple[int, int]:
        """Height and width of the input of the network."""
        return self.size or (int(self.height[0]), int(self.width[0]))

    @property
    def shapes_differ(self) -> bool:
        """Whether the aspect ratios differ so much that resizing would distort many images."""
        shape = self.height / self.width
        return bool(np.quantile(shape, 0.9) > _SQUARE * np.quantile(shape, 0.1))


def draft_images(path: str, wishes: Wishes, *, column: str = "", first: FirstLine | None = None) -> ConfigDraft:
    """Draft a config of the dataset type `images`.

    Args:
        path: A folder or a CSV file.
        wishes: What the user specified about the data.
        column: Column with the paths of the images, for a CSV.
        first: First line, for a CSV.

    Raises:
        DataError: Images cannot be found or read.
    """
    first = first or FirstLine()
    source = Images(path=path)
    if column:
        source = Images(path=path, image_column=column, label_column=wishes.target, **first.keys)
    lists = source.lists()
    _, target, _ = media_targets(lists)
    found = ImageHeaders.of(lists)
    total = sum(len(images) for images in lists.values())
    sizes = Sizes(total, passes=150_000, patience=10, test=wishes.test)
    names = ", ".join(f"{name} {len(images):,}" for name, images in lists.items())
    classes = f" of {target.size} classes" if target is not None and target.kind == "classes" else ""
    is_value = target is not None and target.kind == "values"
    loss, metrics = loss_of(target)
    return ConfigDraft(
        f"The images of {path}: {names}{classes}, {span(found.height)} x {span(found.width)} pixels.",
        tuple(_dataset(source, found, sizes, lists, first=first if column else None, is_value=is_value)),
        tuple(_network(found, target)),
        loss,
        metrics,
        sizes.training,
        (*first.messages(), *_guesses(found, target, Path(path).expanduser())),
    )


def _dataset(
    source: Images,
    found: ImageHeaders,
    sizes: Sizes,
    lists: Mapping[str, MediaList],
    *,
    first: FirstLine | None,
    is_value: bool,
) -> Iterator[Key | Remark]:
    yield Key("type", "images")
    yield Key("path", source.path)
    if first is not None:
        yield from first.lines()
        yield Key("image_column", source.image_column, "paths of the images, relative to the CSV")
        yield Key("label_column", source.label_column, "what is predicted")
    yield from size_keys(found)
    yield Remark("Random changes of the training images. Remove flip if a mirrored image is wrong, as for letters.")
    yield Key("augmentation", _augmentation(found, is_value=is_value))
    yield from held_out_keys(sizes, lists)


def size_keys(found: ImageHeaders) -> Iterator[Key]:
    """Yield the keys that make images of one size, if they are not, and that leave out unreadable ones."""
    if found.size is not None:
        yield Key(
            "size", list(found.size), "height and width to resize to; a larger size is slower and shows more detail"
        )
        if found.shapes_differ:
            yield Key("fit", "pad", "pad instead of distorting, because the aspect ratios differ")
    if found.unreadable:
        yield Key(
            "corrupt",
            "skip",
            f"skip {found.unreadable:,} unreadable files; dlrun data check lists them",
        )


def held_out_keys(sizes: Sizes, lists: Mapping[str, MediaList]) -> Iterator[Key | Remark]:
    """Yield the keys for the splits that the files do not give."""
    for line in sizes.held_out:
        if not (isinstance(line, Key) and line.name in lists):
            yield line


def size_messages(found: ImageHeaders) -> Iterator[str]:
    """Yield messages on the keys of `size_keys`."""
    if found.size is not None:
        yield f"size: {found.size[0]} x {found.size[1]}; the files have {span(found.height)} x {span(found.width)}"
    if found.unreadable:
        yield f"corrupt: skip, because {found.unreadable:,} files cannot be read"


def _augmentation(found: ImageHeaders, *, is_value: bool) -> dict[str, str | float]:
    # For a numeric target, no zoom: the value may be the size of the object in the image.
    zoom = {} if is_value else {"zoom": 0.1}
    if found.channels == _GREY:
        return {"translation": 0.1, "rotation": 5.0, **zoom}
    return {"flip": "horizontal", "translation": 0.1, "rotation": 10.0, **zoom}


def _network(found: ImageHeaders, target: Target | None) -> Section:
    if target is None:
        why = "there are no classes, so it learns to reconstruct its input"
        layers = (Key("type", "autoencoder", why), Key("units", [256]), Key("latent_units", 32))
        return (*layers, Key("output_activation", "sigmoid"))
    return (
        Key("type", "cnn"),
        Remark("Each block halves the height and width."),
        Key("blocks", cnn_blocks(min(found.given))),
        Key("head_units", [128]),
        *cnn_dropout(target, 0.3),
    )


def cnn_dropout(target: Target, part: float) -> Section:
    """Return the key `dropout`, or nothing for a numeric target.

    Dropout in the blocks changes the variance of the features between training and prediction. Classes are robust to
    that, but numbers are not: on 10,000 images labeled with the size of a shape, R2 fell from 0.85 to -0.18. Dense
    networks for tables showed no such loss.
    """
    return () if target.kind == "values" else (Key("dropout", part),)


def cnn_blocks(side: int) -> list[dict[str, int | str]]:
    """Return blocks for images of this size, each of which halves it, down to 4 pixels.

    Args:
        side: The smaller of height and width, in pixels.
    """
    blocks: list[dict[str, int | str]] = []
    filters = (16, *_FILTERS) if side >= _LARGE_SIDE else _FILTERS
    while len(blocks) < _MOST_BLOCKS and side // 2 >= _SMALLEST_MAP:
        blocks.append({"filters": filters[len(blocks)], "kernel_size": 3, "padding": "same", "pool_size": 2})
        side //= 2
    if len(blocks) < 2:  # too small to be halved twice
        blocks.append({"filters": filters[len(blocks)], "kernel_size": 3, "padding": "same"})
    return blocks


def _guesses(found: ImageHeaders, target: Target | None, folder: Path) -> Iterator[str]:
    yield from class_messages(target, folder, IMAGES)
    yield from size_messages(found)
