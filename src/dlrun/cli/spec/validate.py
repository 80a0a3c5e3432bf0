"""The command `dlrun validate CONFIG`."""

from __future__ import annotations

import sys
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from dlrun.cli.display.terminal import tell, width_of, wrapped_message
from dlrun.cli.options import AsJson, Config, Overrides, TrustPlugins

if TYPE_CHECKING:
    from dlrun.spec.parse import SpecFile


def validate(
    config: Config,
    overrides: Overrides,
    *,
    explained: Annotated[
        list[str] | None,
        typer.Option("--explain", metavar="KEY", help="Print where the value of a key comes from. Repeatable."),
    ] = None,
    resolved: Annotated[
        bool, typer.Option("--resolved", help="Print the config as one file, without bases and variables.")
    ] = False,
    trust_plugins: TrustPlugins = False,
    as_json: AsJson = False,
) -> None:
    """Check CONFIG and report all its problems.

    With --json, it prints the complete spec, with defaults.
    """
    if sum((bool(explained), resolved, as_json)) > 1 and not (explained and as_json and not resolved):
        raise typer.BadParameter("give only one of --resolved, --json and --explain", param_hint="--resolved")
    from dlrun.cli.display.console import print_json
    from dlrun.spec.checks.search.summary import describe_search
    from dlrun.spec.parse import read_spec
    from dlrun.spec.sharing.origins import resolved_text

    file = read_spec(config, tuple(overrides), trust_plugins=trust_plugins)
    spec = file.spec
    _tell_notes(file)
    if explained:
        _print_origins(file, explained, as_json=as_json)
        return
    if resolved:
        typer.echo(resolved_text(file), nl=False)
        return
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


def _tell_notes(file: SpecFile) -> None:
    """Tell what to know about a config that has no problems."""
    from dlrun.data.columns import reasons
    from dlrun.spec.measured import dotted

    for note in file.notes:
        tell(f"note: {note}")
    for key in map(dotted, file.spec.measured):
        tell(f"note: {key} is measured at the start of a run; until then its default stands for it")
    description = file.spec.dataset.describe()
    if description is None:
        tell("note: the data is not available yet, so it was not checked whether the spec fits it")
    elif description.left_out:
        tell(f"note: columns left out: {reasons(description.left_out)}")


def _print_origins(file: SpecFile, keys: list[str], *, as_json: bool) -> None:
    from dlrun.cli.display.console import print_json
    from dlrun.spec.sharing.origins import explain

    found = [each for key in keys for each in explain(file, key)]
    if as_json:
        print_json([asdict(each) for each in found])
    elif len(found) == 1:
        typer.echo(f"{found[0].value}   {found[0].origin}")
    else:
        wide = [max(len(text) for text in column) for column in zip(*((e.key, e.value) for e in found), strict=True)]
        for each in found:
            typer.echo(f"{each.key:<{wide[0]}}   {each.value:<{wide[1]}}   {each.origin}")
