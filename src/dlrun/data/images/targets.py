"""The labels of listed images in, the target that they make up out."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from dlrun.data.image_files.listing import ImageList
from dlrun.data.image_files.reading import class_indices
from dlrun.errors import DataError
from dlrun.signature import Target

Labels = dict[str, npt.NDArray[np.generic]]


def image_targets(lists: Mapping[str, ImageList]) -> tuple[Labels, Target | None, tuple[str, ...]]:
    """What the images of every split are to be told apart by, or which value they have.

    Returns:
        By split: class indices in the training split's order of classes, or values; the target; and a note. Nothing,
        where the training images have no labels, or are all of one class.

    Raises:
        DataError: Another split has no labels though training has, or a class that training does not have.
    """
    train = lists["train"]
    if train.labels is None:
        return {}, None, ("labels: none, as there are no class folders",)
    if train.labels.dtype.kind == "f":
        return {name: _values(images) for name, images in lists.items()}, Target("values", 1, encoding="value"), ()
    if len(train.classes) == 1:
        return {}, None, (f"labels: none, as there is one class only, {train.classes[0]}",)
    for images in lists.values():
        if images.labels is None:
            raise DataError(f"{images.origin} has no class folders", expected="those of training, or some of them")
    labels: Labels = {name: class_indices(images, train.classes) for name, images in lists.items()}
    target = Target("classes", len(train.classes), train.classes)
    return labels, target, (f"classes: {len(train.classes)}, in alphabetical order",)


def _values(images: ImageList) -> npt.NDArray[np.generic]:
    if images.labels is None or images.labels.dtype.kind != "f":
        raise DataError(f"{images.origin} has labels that are no values", expected="values, as training has")
    return images.labels
