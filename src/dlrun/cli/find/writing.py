"""Put what was found into the config, or say how."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from dlrun.cli.display.terminal import tell

Write = Annotated[bool, typer.Option("--write", help="Put the values into CONFIG; its comments stay.")]


def use(config: Path, overrides: Sequence[str], *, write: bool) -> None:
    """Write values into a config, or print the options that set them.

    Args:
        config: The config.
        overrides: `key=value` each.
        write: Whether to write.

    Raises:
        UsageError: The file is written in a way that cannot be changed.
        RunError: It cannot be written.
    """
    from dlrun.errors import UsageError
    from dlrun.system.disk import disk, explained
    from dlrun.yaml_tree.edit import EditError, with_value

    options = " ".join(f"--set {override}" for override in overrides)
    if not write:
        typer.echo(f"\nuse it     dlrun train {config} {options}\n           or --write to put it into {config}")
        return
    text = config.read_text(encoding="utf-8-sig")
    try:
        for key, _, value in (override.partition("=") for override in overrides):
            text = with_value(text, key.split("."), value)
    except EditError as error:
        raise UsageError(f"{config}: {error}", hint=f"dlrun train {config} {options}") from error
    with explained(f"write {config}"):
        disk.write_atomically(config, text.encode())
    tell(f"wrote {', '.join(overrides)} into {config}")
