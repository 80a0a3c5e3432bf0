"""Starter configs for `dlrun init`, which train without changes and without data files."""

from __future__ import annotations

from pathlib import Path


def write_starter(starter: str, path: Path, *, force: bool = False) -> Path:
    """Write a starter config.

    Args:
        starter: Name of the starter.
        path: File to write.
        force: Whether to overwrite an existing file.

    Raises:
        UsageError: The starter does not exist, the file already exists, or its suffix is not .yaml or .yml.
        RunError: The file cannot be written.
    """
    from importlib.resources import files

    from dlrun.errors import RunError, UsageError
    from dlrun.yaml_tree.source import check_new_config

    starters = {entry.name.removesuffix(".yaml"): entry for entry in files("dlrun.init_config.starters").iterdir()}
    known = sorted(name for name, entry in starters.items() if entry.name.endswith(".yaml"))
    if starter not in known:
        raise UsageError(f"there is no starter {starter!r}", expected="one of " + ", ".join(known))
    check_new_config(path, force=force)
    text = starters[starter].read_text(encoding="utf-8").replace("{file}", str(path))
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise RunError(f"cannot write {path}: {error.strerror}") from error
    return path
