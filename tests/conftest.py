"""What every test may use: the shared data, where this machine has it."""

import os
from pathlib import Path

import pytest

_BESIDE_THE_CHECKOUT = Path(__file__).parents[2] / "shared" / "data"


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real data that is too large for the repository; the test is skipped where there is none."""
    folder = Path(os.environ.get("DLRUN_TEST_DATA") or _BESIDE_THE_CHECKOUT)
    if not folder.is_dir():
        pytest.skip(f"needs the test data: DLRUN_TEST_DATA is not set and {folder} does not exist")
    return folder.resolve()
