"""`dlrun validate CONFIG`."""

from __future__ import annotations

import typer

from dlrun.cli.options import AsJson, Config, Overrides


def validate(config: Config, overrides: Overrides, *, as_json: AsJson = False) -> None:
    """Check CONFIG without training: every problem at once, or the complete spec with --json."""
    from dlrun.cli.console import print_json
    from dlrun.spec.parse import read_spec

    spec = read_spec(config, tuple(overrides)).spec
    if as_json:
        print_json(spec.plain())
        return
    parts = (f"dataset {spec.dataset.type_name}", f"model {spec.model.type_name}")
    parts += (f"optimizer {spec.optimizer.type_name}", f"loss {spec.loss.type_name}")
    typer.echo(f"{config}: no problems ({', '.join(parts)})")
