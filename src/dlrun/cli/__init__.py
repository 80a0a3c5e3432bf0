"""The command line: one file for each command, and the one place where errors become exit codes."""

from __future__ import annotations


def main() -> None:
    """Run the command that the command line names."""
    try:
        from dlrun.cli.app import app

        app()
    except KeyboardInterrupt:  # while the commands are imported; later ones are heard in app.py
        raise SystemExit(130) from None
