"""Read files with weights that Keras has written, as arrays by layer. Nothing in them is run as code.

- `.weights.h5`: HDF5, a group `vars` for each layer, with its name and its numbered weights.
- `.keras`: a zip file; only its member `model.weights.h5` is read.
- `.h5`: HDF5 as earlier versions wrote it, a group for each layer, with the names of its weights.

HDF5 is read nowhere else, and only if the user names the file or Keras publishes it.
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dlrun.errors import DataError

_MEMBER = "model.weights.h5"
_OLD = "layer_names"


@dataclass(frozen=True)
class StoredWeights:
    """The weights in a file that is open.

    Args:
        path: The file.
        layers: The arrays of each layer that has any, in the order of the file. Each has a `shape`, and is read by
            `numpy.asarray`.
        others: Names of layers without weights, as far as the file names them.
        is_nested: Whether the layers inside other layers are listed on their own.
    """

    path: Path
    layers: Mapping[str, Sequence[Any]]
    others: frozenset[str]
    is_nested: bool


@contextmanager
def open_weights(path: Path) -> Iterator[StoredWeights]:
    """Open a file with weights.

    Raises:
        DataError: The file is missing, or not in one of these formats.
    """
    import h5py

    with ExitStack() as stack:
        try:
            source: Any = path
            if path.suffix == ".keras":
                archive = stack.enter_context(zipfile.ZipFile(path))
                source = io.BytesIO(archive.read(_MEMBER))
            file = stack.enter_context(h5py.File(source, "r"))
            found = _read_old(path, file) if _is_old(file) else _read_store(path, file)
        except FileNotFoundError as error:
            raise DataError(f"there is no file {path}", hint="to use another file: --set model.weights=PATH") from error
        except (OSError, KeyError, ValueError, TypeError, zipfile.BadZipFile) as error:
            reason = str(error).splitlines()[0] if str(error) else type(error).__name__
            what = f"{path} is not a file of weights that Keras has written: {reason}"
            raise DataError(what, expected="a .weights.h5, .keras or .h5 file of Keras") from error
        yield found


def _is_old(file: Any) -> bool:
    return _OLD in file.attrs or "model_weights" in file


def _read_old(path: Path, file: Any) -> StoredWeights:
    root = file if _OLD in file.attrs else file["model_weights"]
    names = [_text(name) for name in root.attrs[_OLD]]
    arrays = {name: [root[name][_text(key)] for key in root[name].attrs["weight_names"]] for name in names}
    others = frozenset(name for name in names if not arrays[name])
    return StoredWeights(path, {name: each for name, each in arrays.items() if each}, others, is_nested=False)


def _read_store(path: Path, file: Any) -> StoredWeights:
    import h5py

    found: dict[str, list[Any]] = {}
    others: set[str] = set()

    def visit(place: str, group: Any) -> None:
        parts = place.split("/")
        if not isinstance(group, h5py.Group) or parts[-1] != "vars" or parts[0] == "optimizer":
            return
        name = _text(group.attrs.get("name", ""))
        if not len(group):
            others.add(name)
        elif not name.startswith("seed_generator"):
            if not name or name in found:
                raise ValueError(f"{place} has no name of its own: save it again with a newer version of Keras")
            found[name] = [group[str(index)] for index in range(len(group))]

    file.visititems(visit)
    if not found:
        raise ValueError("it has no weights")
    return StoredWeights(path, found, frozenset(others), is_nested=True)


def _text(name: Any) -> str:
    return name.decode() if isinstance(name, bytes) else str(name)
