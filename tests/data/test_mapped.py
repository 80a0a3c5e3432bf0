"""Windows over rows behave as the array of them, which is never made."""

from pathlib import Path

import numpy as np

from dlrun.data.mapped import Windows, drop_pages, gather

ROWS = np.arange(24, dtype=np.float32).reshape(12, 2)
WINDOWS = Windows(ROWS, np.array([0, 4, 9]), steps=3)
WHOLE = np.stack([ROWS[0:3], ROWS[4:7], ROWS[9:12]])


def test_windows_have_shape_bytes_and_values_of_the_whole_array() -> None:
    assert (WINDOWS.shape, WINDOWS.dtype, len(WINDOWS), WINDOWS.nbytes) == (
        WHOLE.shape, WHOLE.dtype, len(WHOLE), WHOLE.nbytes,
    )  # fmt: skip
    np.testing.assert_array_equal(np.asarray(WINDOWS), WHOLE)
    np.testing.assert_array_equal(WINDOWS[1:], WHOLE[1:])
    np.testing.assert_array_equal(WINDOWS[np.array([2, 0])], WHOLE[[2, 0]])


def test_rows_and_windows_are_gathered_in_the_order_of_the_indices() -> None:
    indices = np.array([2, 0, 2])
    for array, whole in ((WINDOWS, WHOLE), (WHOLE, WHOLE)):
        out = np.zeros_like(WHOLE)
        gather(array, indices, out=out)
        np.testing.assert_array_equal(out, whole[indices])


def test_pages_that_are_given_back_are_read_again(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", ROWS)
    mapped = np.load(tmp_path / "a.npy", mmap_mode="r")
    drop_pages([mapped, mapped[3:], WINDOWS, ROWS])
    np.testing.assert_array_equal(mapped, ROWS)
