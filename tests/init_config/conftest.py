import pytest

from dlrun.init_config.draft import Wishes
from odd_files import write_odd_files


@pytest.fixture(scope="session")
def odd_files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[str, Wishes]]:
    return write_odd_files(tmp_path_factory.mktemp("odd"))
