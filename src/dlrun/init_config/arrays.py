"""Draft a config for the arrays of an `.npz` file."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from dlrun.data.arrays.keys import usual_keys
from dlrun.data.arrays.source import Arrays
from dlrun.data.files.npz import ArrayHeader, NpzFile
from dlrun.errors import DataError, UsageError
from dlrun.init_config.draft import ConfigDraft, Key, Remark, Section, Sizes, Wishes
from dlrun.init_config.images import cnn_blocks, cnn_dropout
from dlrun.signature import Description

_SMALLEST_IMAGE = 8


def draft_arrays(path: str, wishes: Wishes) -> ConfigDraft:
    """Draft a config of the dataset type `arrays`.

    Raises:
        DataError: The file is damaged, or the labels are not valid.
        UsageError: The file does not contain `wishes.target`.
    """
    file = NpzFile.open(Path(path).expanduser())
    keys = _keys(file, wishes)
    source = Arrays.model_validate({"path": path, "keys": keys})
    description = (
        source.describe() or source.load().describe()
    )  # load() reports a problem, or reads what the description needs
    total = sum(description.examples.values())
    sizes = Sizes(total, test=wishes.test)
    loss, metrics = _loss(description)
    features, target = description.features, description.target
    shape = " x ".join(map(str, features.shape))
    what = "no target" if target is None else f"{target.size} {target.kind} to predict"
    return ConfigDraft(
        f"The arrays of {path}: {total:,} examples, each a {features.kind} {shape}; {what}.",
        tuple(_dataset(source, keys, description, sizes, file.headers)),
        _network(description),
        loss,
        metrics,
        sizes.training,
        (f"arrays: {', '.join(f'{name} {header.shape}' for name, header in file.headers.items())}",),
    )


def _keys(file: NpzFile, wishes: Wishes) -> dict[str, dict[str, str]] | None:
    """Choose features and target if the names do not identify them: the largest array and the smallest one as long."""
    if "train" in usual_keys(file.headers) and not wishes.target:
        return None
    if wishes.target and wishes.target not in file.headers:
        raise UsageError(f"{file.path} has no array {wishes.target!r}", expected="one of " + ", ".join(file.headers))
    headers = {name: header for name, header in file.headers.items() if header.shape and name != wishes.target}
    if not headers:
        raise DataError(f"{file.path} has no array of features", expected="arrays x and y: np.savez(path, x=x, y=y)")
    largest = max(headers, key=lambda name: _values(headers[name]))
    count = len(headers[largest])
    others = [name for name, header in headers.items() if name != largest and len(header) == count]
    target = wishes.target or min(others, key=lambda name: _values(headers[name]), default="")
    return {"train": {"features": largest, **({"target": target} if target else {})}}


def _values(header: ArrayHeader) -> int:
    count = 1
    for length in header.shape:
        count *= length
    return count


def _dataset(
    source: Arrays,
    keys: Mapping[str, Any] | None,
    description: Description,
    sizes: Sizes,
    headers: Mapping[str, ArrayHeader],
) -> Iterator[Key | Remark]:
    yield Key("type", "arrays")
    yield Key("path", source.path)
    if keys is not None:
        yield Key("keys", keys, "roles of the arrays")
    train = keys["train"]["features"] if keys is not None else usual_keys(headers)["train"].features
    is_bytes = headers[train].dtype.itemsize == 1
    if description.features.kind != "tokens" and not (description.features.kind == "image" and is_bytes):
        yield Key("standardize", True, "scale each column to mean 0 and variance 1")
    for line in sizes.held_out:
        if not (isinstance(line, Key) and line.name in description.examples):
            yield line


def _network(description: Description) -> Section:
    features = description.features
    dropout = Key("dropout", 0.2)
    if description.target is None:
        return (Key("type", "autoencoder"), Key("units", [128]), Key("latent_units", 16))
    if features.kind == "image" and min(features.shape[:2]) >= _SMALLEST_IMAGE:
        return (
            Key("type", "cnn"),
            Key("blocks", cnn_blocks(min(features.shape[:2]))),
            Key("head_units", [64]),
            *cnn_dropout(description.target, 0.2),
        )
    if features.kind == "sequence":
        return (Key("type", "lstm"), Key("units", [64]))
    if features.kind == "tokens":
        return (Key("type", "lstm"), Key("embedding_size", 64), Key("units", [64]))
    return (Key("type", "mlp"), Key("units", [128, 64]), dropout)


def _loss(description: Description) -> tuple[str, tuple[str, ...]]:
    target = description.target
    if target is None:
        return "mean_squared_error", ()
    if target.kind == "values":
        return "mean_squared_error", ("mean_absolute_error",)
    return "sparse_categorical_crossentropy", ("accuracy",)
