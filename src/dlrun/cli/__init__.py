"""The command line: one file for each command, and the one place where errors become exit codes."""

from __future__ import annotations


def main() -> None:
    """Run the command that the command line names."""
    from dlrun.cli.app import app

    app()
