"""Arrays that are too large for memory lie in files without a name."""

from pathlib import Path

import pytest

from dlrun.errors import DataError
from dlrun.system.scratch import scratch_array


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("DLRUN_CACHE", str(tmp_path))
    return tmp_path / "scratch"


def test_it_is_an_array_of_zeros_whose_file_no_one_sees(folder: Path) -> None:
    array = scratch_array((3, 5), "float32")
    assert (array.shape, str(array.dtype), float(array.sum())) == ((3, 5), "float32", 0)
    array[1] = 7
    assert array[1].tolist() == [7] * 5
    assert not list(folder.iterdir())


def test_an_array_without_rows_is_possible() -> None:
    assert scratch_array((0, 5), "int32").shape == (0, 5)


def test_a_full_disk_is_one_error_before_anything_is_written(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.posix_fallocate", full)
    with pytest.raises(DataError, match=r"1\.0 GiB of examples do not fit") as caught:
        scratch_array((2**18, 1024), "float32")
    assert "DLRUN_CACHE" in caught.value.hint
