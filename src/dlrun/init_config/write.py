"""A path to data and one for the config in; the config, written and checked, out."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from dlrun.errors import DataError, RunError
from dlrun.init_config.draft import Wishes
from dlrun.init_config.guess import draft_config
from dlrun.init_config.page import config_text
from dlrun.spec.parse import RUN_NAME, read_spec
from dlrun.yaml_tree.source import check_new_config


@dataclass(frozen=True)
class WrittenConfig:
    """A config that was written.

    Args:
        path: Where.
        told: What was guessed, and how to say otherwise.
    """

    path: Path
    told: tuple[str, ...]


def write_config(data: str, path: Path | None, wishes: Wishes, *, force: bool = False) -> WrittenConfig:
    """Write a config that trains on some data.

    Args:
        data: A file, a folder, or a pattern of tables.
        path: The config; None: called after the data, in the current folder.
        wishes: What the user says of the data.
        force: Whether to write over a file that exists.

    Raises:
        UsageError: The file exists, or what the user says does not fit.
        DataError: The data is not there, or cannot be read.
        RunError: The file cannot be written.
    """
    name = _name_of(data)
    path = path or Path(f"{name}.yaml")
    check_new_config(path, force=force, has_data=True)
    draft = draft_config(data, wishes)
    text = config_text(draft, path=str(path), name="" if RUN_NAME.fullmatch(path.stem) else name)
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise RunError(f"cannot write {path}: {error.strerror}") from error
    try:
        read_spec(path)
    except DataError as error:  # the config is right; the data has to be mended first, such as rows in another order
        return WrittenConfig(path, (*draft.told, f"not ready to train: {error.what}"))
    return WrittenConfig(path, draft.told)


def _name_of(data: str) -> str:
    """The data's name as a run may be called."""
    stem = Path(data).expanduser().resolve().name.partition(".")[0]
    return re.sub(r"[^A-Za-z0-9._-]+", "_", stem).strip("._-")[:60] or "config"
