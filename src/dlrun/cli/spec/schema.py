"""The command `dlrun schema`."""

from __future__ import annotations


def schema() -> None:
    """Print the JSON Schema of a config, for editors."""
    from dlrun.cli.display.console import print_json
    from dlrun.spec.schema import json_schema

    print_json(json_schema())
