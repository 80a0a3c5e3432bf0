from collections.abc import Iterator
from importlib.util import find_spec

import pytest

from ray_cluster import RayCluster


@pytest.fixture(scope="session")
def cluster() -> Iterator[RayCluster]:
    """Two nodes of one CPU each."""
    if find_spec("ray") is None:
        pytest.skip("needs the extra `ray`")
    started = RayCluster()
    yield started
    started.close()
