"""Convert named numpy arrays to the bytes of a safetensors file and back, exact to the bit, without pickle."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from dlrun.errors import CheckpointError

Array = npt.NDArray[Any]

# This module writes and reads the format itself. The safetensors package needs the state three times in memory to write
# it and twice to read it, and does not read bfloat16 (0.8.0: KeyError 'BF16').
_DTYPES = {
    "BOOL": "bool",
    "I8": "int8",
    "I16": "int16",
    "I32": "int32",
    "I64": "int64",
    "U8": "uint8",
    "U16": "uint16",
    "U32": "uint32",
    "U64": "uint64",
    "BF16": "bfloat16",
    "F16": "float16",
    "F32": "float32",
    "F64": "float64",
    "C64": "complex64",
}
_NAMES = {name: kind for kind, name in _DTYPES.items()}
_LENGTH_BYTES = 8
_HEADER_LIMIT = 100_000_000  # the limit of the safetensors package


class ArraySpec(NamedTuple):
    """The shape and dtype of an array.

    Args:
        shape: The length of each axis; `()` for a scalar.
        dtype: The name of the dtype, such as `float32`.
    """

    shape: tuple[int, ...]
    dtype: str


def array_spec(array: Array) -> ArraySpec:
    """Return the shape and dtype of an array."""
    return ArraySpec(array.shape, array.dtype.name)


def encode_header(specs: Mapping[str, ArraySpec]) -> tuple[bytes, tuple[str, ...]]:
    """Return the header of a safetensors file, and the order in which the bytes of the arrays follow it.

    The result does not depend on the order of `specs`. The arrays with the widest dtype come first, so that each one is
    aligned in memory when the file is read as a whole.

    Args:
        specs: The shape and dtype of each array, by name.

    Raises:
        CheckpointError: An array has a dtype that cannot be stored.
    """
    for name, spec in specs.items():
        if spec.dtype not in _NAMES:
            raise CheckpointError(
                f"the array {name!r} has the dtype {spec.dtype}", expected=f"one of {', '.join(_DTYPES.values())}"
            )
    order = tuple(sorted(specs, key=lambda name: (-_width(_NAMES[specs[name].dtype]), name)))
    entries, position = {}, 0
    for name in order:
        kind = _NAMES[specs[name].dtype]
        end = position + _width(kind) * math.prod(specs[name].shape)
        entries[name] = {"dtype": kind, "shape": list(specs[name].shape), "data_offsets": [position, end]}
        position = end
    text = json.dumps(entries, separators=(",", ":"), ensure_ascii=False).encode()
    # Pad with spaces, so that the data starts at a multiple of 8 bytes.
    text += b" " * (-len(text) % _LENGTH_BYTES)
    return len(text).to_bytes(_LENGTH_BYTES, "little") + text, order


def array_bytes(array: Array) -> memoryview:
    """Return the bytes of an array as in a safetensors file, without copying them if the array is contiguous."""
    plain = np.asarray(array, dtype=array.dtype.newbyteorder("="), order="C")
    return plain.reshape(-1).view(np.uint8).data


def encode_arrays(arrays: Mapping[str, Array]) -> bytes:
    """Return a safetensors file with the arrays; the result does not depend on their order.

    Args:
        arrays: The arrays by name.

    Raises:
        CheckpointError: An array has a dtype that cannot be stored.
    """
    header, order = encode_header({name: array_spec(array) for name, array in arrays.items()})
    return b"".join((header, *(array_bytes(arrays[name]) for name in order)))


def decode_arrays(data: bytes, *, origin: str) -> dict[str, Array]:
    """Return the arrays in a safetensors file, sorted by name, as read-only views of `data`.

    Args:
        data: The content of the file.
        origin: The name of the file, for errors.

    Raises:
        CheckpointError: `data` is not a safetensors file, an array is out of bounds, or a dtype is unknown.
    """
    length = int.from_bytes(data[:_LENGTH_BYTES], "little")
    start = _LENGTH_BYTES + length
    if length > _HEADER_LIMIT or start > len(data):
        raise CheckpointError(f"{origin}: the header has {length} bytes", expected="a safetensors file")
    entries = _entries(data[:start], origin=origin)
    try:
        _check_offsets({name: entry["data_offsets"] for name, entry in entries.items()}, len(data) - start)
        return {name: _array(data, start, entry, origin=origin) for name, entry in sorted(entries.items())}
    except (ValueError, TypeError, KeyError, OverflowError) as error:  # OverflowError: axes too long for numpy
        raise CheckpointError(f"{origin}: {error}", expected="a safetensors file") from error


def _array(data: bytes, start: int, entry: Mapping[str, Any], *, origin: str) -> Array:
    (begin, end), shape, kind = entry["data_offsets"], entry["shape"], _dtype(entry["dtype"], origin=origin)
    if not all(type(size) is int and size >= 0 for size in shape):
        raise ValueError(f"an array has the shape {shape!r}")
    count = math.prod(shape)
    if end - begin != count * kind.itemsize:
        raise ValueError(f"an array of shape {shape!r} has {end - begin} bytes")
    if not count:
        return np.empty(shape, kind)
    return np.frombuffer(data, kind, count=count, offset=start + begin).reshape(shape)


def _check_offsets(places: Mapping[str, list[int]], length: int) -> None:
    """Check that the arrays fill the file without gaps and overlaps.

    Raises:
        ValueError: They do not.
    """
    position = 0
    for begin, end in sorted(places.values()):
        # The exact type, because true in JSON becomes a bool, which is also an int.
        if type(begin) is not int or type(end) is not int or begin != position or end < begin:
            raise ValueError(f"an array is at bytes {begin} to {end}, but the one before it ends at {position}")
        position = end
    if position != length:
        raise ValueError(f"the arrays have {position} bytes, but the file has room for {length}")


def header_length(start: bytes) -> int:
    """Return the number of bytes in the header, from the first eight bytes of a safetensors file."""
    # A damaged length could ask for more memory than there is.
    return _LENGTH_BYTES + min(int.from_bytes(start[:_LENGTH_BYTES], "little"), _HEADER_LIMIT)


def decode_header(header: bytes, *, origin: str) -> dict[str, ArraySpec]:
    """Return what a safetensors file holds, before any memory for the arrays is allocated.

    Args:
        header: The first `header_length` bytes of the file.
        origin: The name of the file, for errors.

    Raises:
        CheckpointError: This is not the header of a safetensors file.
    """
    try:
        return {
            name: ArraySpec(tuple(entry["shape"]), str(_dtype(entry["dtype"], origin=origin)))
            for name, entry in _entries(header, origin=origin).items()
        }
    except (ValueError, TypeError, KeyError) as error:
        raise CheckpointError(f"{origin}: the header is damaged: {error!r}", expected="a safetensors file") from error


def _entries(header: bytes, *, origin: str) -> dict[str, dict[str, Any]]:
    """Return the entries of a header by the names of the arrays.

    Raises:
        CheckpointError: The header is damaged, or names an array twice.
    """
    try:
        entries = json.loads(header[_LENGTH_BYTES:], object_pairs_hook=_once)
        found = {str(name): entry for name, entry in entries.items() if name != "__metadata__"}
    except (ValueError, AttributeError, RecursionError) as error:
        raise CheckpointError(f"{origin}: the header is damaged: {error!r}", expected="a safetensors file") from error
    if not all(isinstance(entry, dict) for entry in found.values()):
        raise CheckpointError(f"{origin}: an array has no dtype or shape", expected="a safetensors file")
    return found


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a name appears twice")
    return found


def check_specs(found: Mapping[str, ArraySpec], expected: Mapping[str, ArraySpec]) -> str:
    """Return the first difference between two sets of arrays as text; empty if there is none.

    A part is the text before the first slash of a name. Parts without any expected array are ignored.

    Args:
        found: The arrays in a file.
        expected: The arrays of a model.
    """
    parts = {_part(name) for name in expected}
    missing = sorted(expected.keys() - found.keys())
    extra = sorted(name for name in found.keys() - expected.keys() if _part(name) in parts)
    if missing:
        return f"{len(missing)} of {len(expected)} arrays are missing, the first is {missing[0]!r}"
    if extra:
        return f"{len(extra)} arrays do not belong to this model, the first is {extra[0]!r}"
    for name, spec in expected.items():
        # Earlier versions counted some metrics in float32 that are counted in float64 now.
        is_wider = _part(name) == "metrics" and (found[name].dtype, spec.dtype) == ("float32", "float64")
        if found[name] != spec and not (is_wider and found[name].shape == spec.shape):
            return f"{name!r} is {found[name].dtype} {found[name].shape}, but {spec.dtype} {spec.shape} in the model"
    return ""


def _part(name: str) -> str:
    """Return the part of a name, such as `model` of `model/dense/kernel`; empty for a name without a slash."""
    return name.partition("/")[0] if "/" in name else ""


def _width(kind: str) -> int:
    """Return the number of bytes of one value."""
    return 1 if kind == "BOOL" else int(re.sub("[^0-9]", "", kind)) // 8


def _dtype(name: str, *, origin: str) -> np.dtype[Any]:
    if not isinstance(name, str) or name not in _DTYPES:
        raise CheckpointError(f"{origin}: an array has the dtype {name!r}", expected=f"one of {', '.join(_DTYPES)}")
    if name == "BF16":
        import ml_dtypes

        bfloat16: np.dtype[Any] = np.dtype(ml_dtypes.bfloat16)
        return bfloat16
    return np.dtype(_DTYPES[name])
