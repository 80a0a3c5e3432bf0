"""A fake Slurm for what a healthy one does not show, and a real one of one node where it is installed."""

from collections.abc import Iterator

import pytest

from fake_slurm import driven, fake_slurm
from slurm_node import SlurmNode, why_not
from started_commands import records, run, start

__all__ = ["driven", "fake_slurm", "records", "run", "start"]


@pytest.fixture(scope="session")
def real_slurm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SlurmNode]:
    if reason := why_not():
        pytest.skip(reason)
    node = SlurmNode(tmp_path_factory.mktemp("slurm"), largest_array=2)
    yield node
    node.close()
