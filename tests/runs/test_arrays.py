import ml_dtypes
import numpy as np
import pytest

from dlrun.errors import CheckpointError
from dlrun.runs.arrays import (
    Array,
    ArraySpec,
    array_bytes,
    array_spec,
    check_specs,
    decode_arrays,
    decode_header,
    encode_arrays,
    encode_header,
    header_length,
)

ARRAYS: dict[str, Array] = {
    "layer/kernel": np.arange(6, dtype=np.float32).reshape(2, 3),
    "layer/half": np.array([1.5, -0.0, np.nan, np.inf, 6e-8], np.float16),
    "layer/brain": np.array([[1.5, -0.0], [np.nan, 3e38]], ml_dtypes.bfloat16),
    "seed": np.array([2**32 - 1, 0], np.uint32),
    "iterations": np.array(-(2**62), np.int64),
    "flag": np.array([True, False, True]),
    "single_flag": np.array(True),
    "empty": np.zeros((0, 3), np.float32),
    "double": np.array([np.nextafter(1.0, 2.0), np.nan, -0.0]),
    "small": np.array([[-128]], np.int8),
    "complex": np.array([1 + 2j], np.complex64),
}


def test_every_dtype_and_shape_is_restored_to_the_bit() -> None:
    found = decode_arrays(encode_arrays(ARRAYS), origin="x")
    assert found.keys() == ARRAYS.keys()
    for name, array in ARRAYS.items():
        assert (found[name].dtype, found[name].shape) == (array.dtype, array.shape), name
        assert found[name].tobytes() == array.tobytes(), name


def test_non_contiguous_arrays_are_restored_equal() -> None:
    base = np.arange(24, dtype=np.float32).reshape(4, 6)
    arrays = {"columns": base[:, ::2], "transposed": base.T, "reversed": base[::-1], "big": base.astype(">f4")}
    found = decode_arrays(encode_arrays(arrays), origin="x")
    for name, array in arrays.items():
        np.testing.assert_array_equal(found[name], array)


def test_equal_arrays_give_equal_bytes_in_any_order() -> None:
    assert encode_arrays(ARRAYS) == encode_arrays(dict(reversed(ARRAYS.items())))


def test_a_dtype_that_cannot_be_stored_is_an_error_that_names_the_array() -> None:
    with pytest.raises(CheckpointError, match="'words' has the dtype str"):
        encode_arrays({"words": np.array(["a", "b"])})


def test_the_header_contains_names_shapes_and_dtypes() -> None:
    data = encode_arrays(ARRAYS)
    specs = decode_header(data[: header_length(data[:8])], origin="x")
    assert specs == {name: ArraySpec(array.shape, array.dtype.name) for name, array in ARRAYS.items()}


@pytest.mark.parametrize(
    "header",
    [
        b"",
        b"12345678",
        b"12345678[1]",
        b'12345678{"a":1}',
        b'12345678{"a":{"dtype":"F32"}}',
        b"12345678" + b"[" * 100_000,
    ],
)
def test_a_broken_header_is_a_checkpoint_error(header: bytes) -> None:
    with pytest.raises(CheckpointError):
        decode_header(header, origin="x")


def test_an_array_out_of_bounds_is_a_checkpoint_error() -> None:
    data = encode_arrays({"a": np.zeros(4, np.float32)})
    assert b"[0,16]" in data
    for forged in (b"[0,99]", b"[8,16]", b"[0,-1]", b"[16,0]"):
        with pytest.raises(CheckpointError, match="weights: "):
            decode_arrays(data.replace(b"[0,16]", forged), origin="weights")


def test_a_missing_an_extra_and_a_different_array_are_each_named() -> None:
    expected = {"a": ArraySpec((2,), "float32"), "b": ArraySpec((), "int64")}
    assert check_specs(expected, expected) == ""
    assert "missing, the first is 'b'" in check_specs({"a": expected["a"]}, expected)
    assert "do not belong to this model, the first is 'c'" in check_specs({**expected, "c": expected["a"]}, expected)
    assert "'a' is float32 (3,), but float32 (2,)" in check_specs(
        {**expected, "a": ArraySpec((3,), "float32")}, expected
    )
    assert "'a' is float16" in check_specs({**expected, "a": ArraySpec((2,), "float16")}, expected)


def test_the_files_equal_those_of_the_safetensors_package() -> None:
    from safetensors import deserialize
    from safetensors.numpy import load, save

    plain = {name: array for name, array in ARRAYS.items() if array.dtype.name != "bfloat16"}
    data = encode_arrays(plain)
    assert {name: array.tobytes() for name, array in load(data).items()} == {
        name: array.tobytes() for name, array in plain.items()
    }
    found = deserialize(encode_arrays(ARRAYS))  # type: ignore[no-untyped-call]
    assert {name for name, _ in found} == {*encode_header(specs_of(ARRAYS))[1]}
    theirs = decode_arrays(save(plain), origin="x")
    assert {name: array.tobytes() for name, array in theirs.items()} == {
        name: array.tobytes() for name, array in plain.items()
    }


def specs_of(arrays: dict[str, Array]) -> dict[str, ArraySpec]:
    return {name: array_spec(array) for name, array in arrays.items()}


def test_neither_writing_nor_reading_copies_an_array() -> None:
    array = np.arange(1000, dtype=np.float32)
    assert np.shares_memory(np.frombuffer(array_bytes(array), np.uint8), array)
    data = encode_arrays({"a": array})
    assert np.shares_memory(decode_arrays(data, origin="x")["a"], np.frombuffer(data, np.uint8))


def test_metrics_that_an_earlier_version_counted_in_float32_are_accepted() -> None:
    narrow, wide = ArraySpec((2,), "float32"), ArraySpec((2,), "float64")
    assert not check_specs({"metrics/r2/sum": narrow}, {"metrics/r2/sum": wide})
    assert check_specs({"model/kernel": narrow}, {"model/kernel": wide})
    assert check_specs({"metrics/r2/sum": wide}, {"metrics/r2/sum": narrow})
    assert check_specs({"metrics/r2/sum": narrow}, {"metrics/r2/sum": ArraySpec((3,), "float64")})
