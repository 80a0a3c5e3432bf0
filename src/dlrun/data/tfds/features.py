"""Choose the features to learn from and the class label of a prepared dataset, from its features.json."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dlrun.errors import DataError
from dlrun.names import nearest
from dlrun.signature import FeatureKind

_KINDS: dict[int, FeatureKind] = {1: "vector", 2: "sequence", 3: "image"}
_COLUMNS_OF_A_TABLE = 3  # besides a text; fewer are usually its id and similar facts
_NUMERIC = ("uint", "int", "float", "bool", "bfloat")


@dataclass(frozen=True)
class StoredFeature:
    """An array or text feature.

    Args:
        key: Name of the feature.
        kind: Meaning of its axes; `tokens` for text.
        shape: Shape of one example, with None for an axis that differs between examples; `()` for text.
        dtype: Data type of the stored values.
        columns: Names of single values that form the rows of a table; empty if `key` is the only feature.
    """

    key: str
    kind: FeatureKind
    shape: tuple[int | None, ...]
    dtype: str
    columns: tuple[str, ...] = ()


@dataclass(frozen=True)
class StoredLabel:
    """A class label: its name, the number of classes, and their names, which may be empty."""

    key: str
    num_classes: int
    class_names: tuple[str, ...]


def choose_features(
    stored: Mapping[str, Any], chosen: str | None, *, supervised: Sequence[str], name: str, label: str
) -> StoredFeature:
    """Choose the feature to learn from: the given one, or the input of the set, or the first image, text or array.

    If a set has none of these, or several single values besides its texts, these values are the columns of a table.

    Raises:
        DataError: There is no suitable feature.
    """
    arrays = {key: array for key, feature in stored.items() if (array := _array(key, feature)) is not None}
    if chosen is not None:
        return arrays.get(chosen) or _unknown(chosen, arrays, name, "image, text or array")
    single = tuple(key for key, feature in stored.items() if key != label and _is_single(feature))
    texts = [key for key, array in arrays.items() if array.kind == "tokens"]
    others = [key for key in single if key not in texts]
    # Among several values, a text is just one more column, unless the set declares the text as its input.
    is_table = len(others) >= _COLUMNS_OF_A_TABLE and len(texts) == len(arrays) and supervised[:1] != texts[:1]
    if (others and not arrays) or is_table:
        return StoredFeature("", "vector", (), "columns", single)
    first = {kind: [key for key, array in arrays.items() if array.kind == kind] for kind in ("image", "tokens")}
    for key in (*supervised[:1], *first["image"], *first["tokens"], *arrays):
        if key in arrays:
            return arrays[key]
    raise DataError(
        f"the tensorflow-datasets set {name!r} has no image, text, number, or array of numbers: {', '.join(stored)}",
        expected="a feature of type Image or Text, or of type Tensor with one shape for all examples",
    )


def choose_label(
    stored: Mapping[str, Any], chosen: str | None, *, supervised: Sequence[str], name: str, folder: Path
) -> StoredLabel:
    """Choose the class label: the given one, or the output of the set, or its only class label.

    Raises:
        DataError: There is no class label, or there are several and the set has no default.
    """
    counts = {
        key: feature["classLabel"].get("numClasses") for key, feature in stored.items() if "classLabel" in feature
    }
    if chosen is not None:
        key = chosen if chosen in counts else _unknown(chosen, counts, name, "class label")
    else:
        preferred = [key for key in (*supervised[1:2], *(counts if len(counts) == 1 else ())) if key in counts]
        if not preferred:
            found = f"several class labels: {', '.join(counts)}" if counts else f"no class label: {', '.join(stored)}"
            raise DataError(
                f"the tensorflow-datasets set {name!r} has {found}",
                expected="a feature of type ClassLabel" + (", named by the key `label`" if counts else ""),
                hint=f"label: {next(iter(counts))}" if counts else "",
            )
        key = preferred[0]
    names = class_names(folder, key)
    size = int(counts[key] or len(names))
    return StoredLabel(key, size, names if len(names) == size else ())


def class_names(folder: Path, key: str) -> tuple[str, ...]:
    """Return the class names of a feature in the order of their indices; empty if it has none."""
    names_file = folder / f"{key}.labels.txt"
    text = names_file.read_text("utf-8") if names_file.is_file() else ""
    return tuple(line.strip() for line in text.splitlines() if line.strip())


def _is_single(feature: Mapping[str, Any]) -> bool:
    """Return whether a feature is a single value: a number, a string or a class."""
    if "classLabel" in feature or "text" in feature:
        return True
    return "tensor" in feature and not feature["tensor"].get("shape", {}).get("dimensions")


def _array(key: str, feature: Mapping[str, Any]) -> StoredFeature | None:
    python_class = str(feature.get("pythonClassName", "")).rpartition(".")[-1]
    if "text" in feature and python_class == "Text":
        return StoredFeature(key, "tokens", (), "string")
    if "image" in feature and python_class == "Image":
        stored = feature["image"]
    elif "tensor" in feature and python_class == "Tensor":
        stored = feature["tensor"]
    else:
        return None
    sizes = [int(size) for size in stored.get("shape", {}).get("dimensions", [])]
    shape = tuple(size if size >= 0 else None for size in sizes)
    kind: FeatureKind | None = "image" if "image" in feature else _KINDS.get(len(shape))
    dtype = str(stored.get("dtype", "uint8"))
    if kind is None or not dtype.startswith(_NUMERIC) or (kind != "image" and None in shape) or shape[-1] is None:
        return None
    return StoredFeature(key, kind, shape, dtype)


def _unknown(chosen: str, known: Iterable[str], name: str, what: str) -> Any:
    near = nearest(chosen, known)
    raise DataError(
        f"the tensorflow-datasets set {name!r} has no {what} named {chosen!r}",
        expected="one of " + (", ".join(known) or "none: it has no such feature"),
        hint=f"did you mean {near!r}?" if near else "",
    )
