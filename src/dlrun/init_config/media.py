"""What the drafts for images and for sound have in common."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
import numpy.typing as npt

from dlrun.data.media_files.kind import MediaKind
from dlrun.init_config.inner_folder import inner_class_folder
from dlrun.signature import Target


def path_column(values: Mapping[str, list[str]], kind: MediaKind) -> str | None:
    """Return the column of a CSV whose values are names of files of a kind, or None.

    Args:
        values: First values of each column.
        kind: The kind of files.
    """
    return next(iter(path_columns(values, kind)), None)


def path_columns(values: Mapping[str, list[str]], kind: MediaKind) -> list[str]:
    """Return all columns of a CSV whose values are names of files of a kind.

    Args:
        values: First values of each column.
        kind: The kind of files.
    """
    return [
        name for name, found in values.items() if found and all(value.lower().endswith(kind.endings) for value in found)
    ]


def has_files(folder: Path, kind: MediaKind) -> bool:
    """Return whether a folder contains a file of a kind at any depth."""
    return any(path.suffix.lower() in kind.endings for path in folder.rglob("*") if path.is_file())


def loss_of(target: Target | None) -> tuple[str, tuple[str, ...]]:
    """Return the loss and the metrics for a target; None for an autoencoder."""
    if target is None:
        return "mean_squared_error", ()
    if target.kind == "values":
        return "mean_squared_error", ("mean_absolute_error",)
    return "sparse_categorical_crossentropy", ("accuracy",)


def class_messages(target: Target | None, folder: Path, kind: MediaKind) -> Iterator[str]:
    """Yield a message on the classes, or on how to have some."""
    if target is None:
        yield f"no classes, so this is an autoencoder; for a classifier, {_way_to_classes(folder, kind)}"
    elif target.kind == "classes":
        yield f"classes: {target.size}: {', '.join(target.class_names[:10])}" + (", ..." if target.size > 10 else "")


def span(sizes: npt.NDArray[np.integer]) -> str:
    """Return the smallest and the largest of some numbers: `16 to 64`."""
    low, high = int(sizes.min()), int(sizes.max())
    return f"{low:,}" if low == high else f"{low:,} to {high:,}"


def _way_to_classes(folder: Path, kind: MediaKind) -> str:
    inner = inner_class_folder(folder, kind.endings) if folder.is_dir() else None
    if inner is not None:
        return f"use --data {shlex.quote(str(inner))} if its folders are the classes"
    return f"put the {kind.plural} of each class into a folder"
