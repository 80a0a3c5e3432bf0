"""The command `dlrun validate CONFIG`."""

from __future__ import annotations

import sys

import typer

from dlrun.cli.display.terminal import tell, width_of, wrapped_message
from dlrun.cli.options import AsJson, Config, Overrides, TrustPlugins


def validate(
    config: Config, overrides: Overrides, *, trust_plugins: TrustPlugins = False, as_json: AsJson = False
) -> None:
    """Check CONFIG and report all its problems.

    With --json, it prints the complete spec, with defaults.
    """
    from dlrun.cli.display.console import print_json
    from dlrun.data.columns import reasons
    from dlrun.spec.checks.search.summary import describe_search
    from dlrun.spec.parse import read_spec

    file = read_spec(config, tuple(overrides), trust_plugins=trust_plugins)
    spec = file.spec
    for note in file.notes:
        tell(f"note: {note}")
    description = spec.dataset.describe()
    if description is None:
        tell("note: the data is not available yet, so it was not checked whether the spec fits it")
    elif description.left_out:
        tell(f"note: columns left out: {reasons(description.left_out)}")
    if as_json:
        search = {"search": spec.search.keys.model_dump(mode="json")} if spec.search is not None else {}
        print_json(spec.plain() | search)
        return
    named = {"dataset": spec.dataset, "model": spec.model, "optimizer": spec.optimizer, "loss": spec.loss}
    parts = ", ".join(f"{kind} {component.type_name}" for kind, component in named.items())
    runs = f", {spec.folds.label}" if spec.folds else ""
    typer.echo(wrapped_message(f"{config}: no problems ({parts}{runs})", width_of(sys.stdout)))
    if spec.search is not None:
        typer.echo(wrapped_message(describe_search(spec), width_of(sys.stdout)))
