"""Write a config for some data, and check it."""

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
        path: Path of the config.
        messages: Messages for the user about each guess and how to override it.
    """

    path: Path
    messages: tuple[str, ...]


def write_config(data: str, path: Path | None, wishes: Wishes, *, force: bool = False) -> WrittenConfig:
    """Write a config that trains on some data.

    Args:
        data: A file, a folder, or a pattern of tables.
        path: Path of the config; None for the name of the data, in the working directory.
        wishes: What the user specified about the data.
        force: Whether to overwrite an existing file.

    Raises:
        UsageError: The file exists, or the wishes do not fit the data.
        DataError: The data does not exist, or cannot be read.
        RunError: The file cannot be written.
    """
    name = name_of_data(data)
    path = path or Path(f"{name}.yaml")
    # First, because reading the data may take long.
    check_new_config(path, force=force, has_data=True)
    draft = draft_config(data, wishes)
    text = config_text(draft, path=str(path), name="" if RUN_NAME.fullmatch(path.stem) else name)
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise RunError(f"cannot write {path}: {error.strerror}") from error
    try:
        read_spec(path)
    except DataError as error:  # the config is correct, but the data must be fixed first, such as the order of its rows
        return WrittenConfig(path, (*draft.messages, f"not ready to train: {error.what}"))
    return WrittenConfig(path, draft.messages)


def name_of_data(data: str) -> str:
    """Return the name of the data in the form of a run name."""
    stem = Path(data).expanduser().resolve().name.partition(".")[0]
    return re.sub(r"[^A-Za-z0-9._-]+", "_", stem).strip("._-")[:60] or "config"
