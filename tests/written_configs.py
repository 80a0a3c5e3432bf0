"""Configs that `dlrun init --data` writes, and the check that they fit their data."""

from pathlib import Path

from dlrun.init_config.draft import Wishes
from dlrun.init_config.write import WrittenConfig, write_config
from dlrun.signature import Description
from dlrun.spec.parse import read_spec


def write(odd_files: dict[str, tuple[str, Wishes]], name: str, folder: Path) -> WrittenConfig:
    data, wishes = odd_files[name]
    return write_config(data, folder / f"{name.partition('.')[0]}.yaml", wishes)


def check_fits(path: Path) -> None:
    """As `dlrun train` checks a config once its data is loaded."""
    file = read_spec(path)
    dataset = file.spec.dataset.load()
    sizes = {name: len(split) for name, split in dataset.splits.items()}
    file.check(Description(dataset.features, dataset.target, sizes))
    assert file.spec.training.batch_size <= sizes["train"]
