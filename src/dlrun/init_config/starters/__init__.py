"""Configs that `dlrun init` writes: each trains as it is, on data that needs no file."""

from __future__ import annotations

from pathlib import Path


def write_starter(starter: str, path: Path, *, force: bool = False) -> Path:
    """Write a starter config.

    Args:
        starter: Which one.
        path: The file to write.
        force: Whether to write over a file that exists.

    Raises:
        UsageError: There is no such starter, the file exists, or its name is not that of a config.
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
