"""Named numpy arrays to the bytes of a safetensors file and back, exact to the bit; no pickle, no code."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from safetensors import SafetensorError, deserialize
from safetensors.numpy import save

from dlrun.errors import CheckpointError

Array = npt.NDArray[Any]

# safetensors.numpy writes bfloat16 and cannot read it (0.8.0: KeyError 'BF16'), hence this table.
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
_LENGTH_BYTES = 8
_HEADER_LIMIT = 100_000_000  # that of safetensors itself


class ArraySpec(NamedTuple):
    """What an array is, without its values.

    Args:
        shape: Length of each axis; `()` for a single value.
        dtype: Name of the dtype: `float32`.
    """

    shape: tuple[int, ...]
    dtype: str


def encode_arrays(arrays: Mapping[str, Array]) -> bytes:
    """The safetensors file that holds `arrays`; equal arrays give equal bytes, in whatever order they come.

    Raises:
        CheckpointError: An array is of a dtype that cannot be stored.
    """
    for name, array in arrays.items():
        if array.dtype.name not in _DTYPES.values():
            raise CheckpointError(
                f"the array {name!r} is of dtype {array.dtype.name}", expected=f"one of {', '.join(_DTYPES.values())}"
            )
    # Order "C" and not ascontiguousarray, which makes a single value an array of one.
    return bytes(save({name: np.asarray(array, order="C") for name, array in arrays.items()}))


def decode_arrays(data: bytes, *, origin: str) -> dict[str, Array]:
    """The arrays in a safetensors file, writable, sorted by name.

    Args:
        data: The file's content.
        origin: What to call it in an error.

    Raises:
        CheckpointError: It is no safetensors file, an array leaves its bounds, or a dtype is unknown.
    """
    try:
        found = deserialize(data)  # type: ignore[no-untyped-call]
        return {
            name: np.frombuffer(entry["data"], _dtype(entry["dtype"], origin=origin)).reshape(entry["shape"])
            for name, entry in sorted(found, key=lambda pair: str(pair[0]))
        }
    except (SafetensorError, ValueError) as error:  # numpy: an empty array with axes longer than any can be
        raise CheckpointError(f"{origin}: {error}", expected="a safetensors file") from error


def header_length(start: bytes) -> int:
    """Number of bytes at the start of a safetensors file that tell what it holds, from its first eight bytes."""
    return _LENGTH_BYTES + min(int.from_bytes(start[:_LENGTH_BYTES], "little"), _HEADER_LIMIT)


def decode_header(header: bytes, *, origin: str) -> dict[str, ArraySpec]:
    """What a safetensors file holds, from its first `header_length` bytes, before anything of its size is allocated.

    Raises:
        CheckpointError: That is not the start of a safetensors file.
    """
    try:
        entries = json.loads(header[_LENGTH_BYTES:])
        return {
            str(name): ArraySpec(tuple(entry["shape"]), str(_dtype(entry["dtype"], origin=origin)))
            for name, entry in entries.items()
            if name != "__metadata__"
        }
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise CheckpointError(f"{origin}: {error!r} in the header", expected="a safetensors file") from error


def check_specs(found: Mapping[str, ArraySpec], expected: Mapping[str, ArraySpec]) -> str:
    """The first difference between the arrays found and those expected, as text; empty if there is none.

    Parts (what stands before the first slash) of which nothing is expected are not looked at.
    """
    parts = {_part(name) for name in expected}
    missing = sorted(expected.keys() - found.keys())
    extra = sorted(name for name in found.keys() - expected.keys() if _part(name) in parts)
    if missing:
        return f"{len(missing)} of {len(expected)} arrays are missing, the first is {missing[0]!r}"
    if extra:
        return f"{len(extra)} arrays are not of this model, the first is {extra[0]!r}"
    for name, spec in expected.items():
        # Metrics of an earlier version counted in float32 what is counted in float64 now.
        is_wider = _part(name) == "metrics" and (found[name].dtype, spec.dtype) == ("float32", "float64")
        if found[name] != spec and not (is_wider and found[name].shape == spec.shape):
            return f"{name!r} is {found[name].dtype} {found[name].shape}, and {spec.dtype} {spec.shape} in the model"
    return ""


def _part(name: str) -> str:
    """`model` of `model/dense/kernel`; empty for a name without a slash."""
    return name.partition("/")[0] if "/" in name else ""


def _dtype(name: str, *, origin: str) -> np.dtype[Any]:
    if name not in _DTYPES:
        raise CheckpointError(f"{origin}: arrays of dtype {name!r}", expected=f"one of {', '.join(_DTYPES)}")
    if name == "BF16":
        import ml_dtypes

        bfloat16: np.dtype[Any] = np.dtype(ml_dtypes.bfloat16)
        return bfloat16
    return np.dtype(_DTYPES[name])
