"""`dlrun init`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def init(
    path: Annotated[Path, typer.Argument(help="The file to write.")] = Path("config.yaml"),
    starter: Annotated[str, typer.Option(help="mlp, cnn, lstm, text, autoencoder, or regression.")] = "cnn",
    *,
    force: Annotated[bool, typer.Option("--force", help="Write over a file that exists.")] = False,
) -> None:
    """Write a starter config that trains as it is."""
    from importlib.resources import files

    from dlrun.errors import RunError, UsageError

    starters = {entry.name.removesuffix(".yaml"): entry for entry in files("dlrun.starters").iterdir()}
    known = sorted(name for name, entry in starters.items() if entry.name.endswith(".yaml"))
    if starter not in known:
        raise UsageError(f"there is no starter {starter!r}", expected="one of " + ", ".join(known))
    if path.exists() and not force:
        raise UsageError(f"{path} exists", expected="a new file", hint="another name, or --force")
    text = starters[starter].read_text(encoding="utf-8").replace("{file}", str(path))
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise RunError(f"cannot write {path}: {error.strerror}") from error
    typer.echo(f"wrote {path}; train it with: dlrun train {path}")
