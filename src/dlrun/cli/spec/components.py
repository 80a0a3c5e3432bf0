"""The command `dlrun components [NAME]`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from dlrun.cli.options import AsJson, TrustPlugins


def components(
    name: Annotated[str, typer.Argument(help="A component: cnn, adam, ...", metavar="[NAME]", show_default=False)] = "",
    plugins: Annotated[list[Path] | None, typer.Option("--plugin", help="A plugin file to load first.")] = None,
    *,
    trust_plugins: TrustPlugins = False,
    as_json: AsJson = False,
) -> None:
    """List all components, or the keys of one.

    Components are the models, datasets, optimizers, losses and metrics that a spec can name.
    """
    from dlrun.cli.display.console import print_json
    from dlrun.plugins import load_plugin
    from dlrun.runs.provenance.trust import refuse_foreign_plugin
    from dlrun.spec.describe import describe_component, list_components

    for plugin in plugins or ():
        if not trust_plugins:
            refuse_foreign_plugin(plugin)
        load_plugin(plugin, beside=Path())
    if not name:
        listed = list_components()
        if as_json:
            print_json(listed)
            return
        for kind, names in listed.items():
            typer.echo(f"{kind}\n" + "\n".join(f"  {known:<34} {summary}" for known, summary in names.items()) + "\n")
        typer.echo("every key of one: dlrun components NAME")
        return
    described = describe_component(name)
    if as_json:
        print_json(described)
    else:
        typer.echo("\n\n".join(map(_page, described)))


def _page(component: dict[str, Any]) -> str:
    rows = [f"{component['kind']} {component['name']}: {component['summary']}", f"  from {component['origin']}"]
    for key in component["keys"]:
        default = "required" if key["required"] else f"default {key['default']}"
        rows.append(f"\n  {key['name']}: {key['type']} ({default})")
        rows += [f"      {key['description']}"] if key["description"] else []
    return "\n".join(rows)
