"""The data of a work, by dlrun's own loader, for everyone: `.npy` files for the others, overrides for dlrun itself."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
from works import Work

from dlrun.spec.parse import read_spec

ROOT = Path(__file__).parents[3]
# Where start_up.py and the tests look for data, too.
BESIDE_THE_CHECKOUT = ROOT.parent / "shared" / "data"


class MissingDataError(Exception):
    """The data of a work is not on this machine."""


def config_of(work: Work) -> Path:
    """The file that dlrun trains."""
    return ROOT / "configs" / f"{work.config}.yaml"


def find_data(work: Work) -> None:
    """Set TFDS_DATA_DIR to the shared data if MNIST is needed, unless the user has set it.

    Raises:
        MissingDataError: There is no prepared MNIST in it.
    """
    if not work.config.startswith("mnist"):
        return
    shared = Path(os.environ.get("DLRUN_TEST_DATA") or BESIDE_THE_CHECKOUT)
    folder = os.environ.setdefault("TFDS_DATA_DIR", str(shared / "tensorflow_datasets"))
    if not (Path(folder) / "mnist").is_dir():
        said = f"TFDS_DATA_DIR is {folder}, which holds no MNIST as tensorflow-datasets prepares it"
        raise MissingDataError(f"{said}; set it to the folder that does")


def write_arrays(work: Work, folder: Path, *, examples: int | None) -> tuple[str, ...]:
    """Load the data as the config says, and save each split as `<split>_x.npy` and `<split>_y.npy`.

    Validation is left out of the timed epochs, and with it the validation split, but for a whole command.

    Args:
        work: What will be trained.
        folder: Where to.
        examples: dlrun trains on the first so many of each split, from an .npz file of them.

    Returns:
        What dlrun has to be told to train on the same arrays, `key=value` each.
    """
    overrides = () if work.whole_command else ("dataset.validation=0",)
    dataset = read_spec(config_of(work), overrides).spec.dataset.load()
    first: dict[str, Any] = {}
    for name, split in dataset.splits.items():
        for part, array in (("x", split.features), ("y", split.target)):
            if array is None:
                raise MissingDataError(f"{dataset.name} has no labels")
            np.save(folder / f"{name}_{part}.npy", array)
            first[f"{part}_{name}"] = array[:examples]
    if examples is None or work.whole_command:
        return overrides
    np.savez(folder / "first.npz", **first)
    return (f"dataset={{type: arrays, path: {folder / 'first.npz'}, features_kind: {dataset.features.kind}}}",)
