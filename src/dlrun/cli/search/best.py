"""The command `dlrun search best`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from dlrun.cli.display.terminal import tell
from dlrun.cli.options import RunsDir
from dlrun.cli.search.show import Search
from dlrun.runs import RUNS_DIR

_Output = Annotated[Path, typer.Option("--output", "-o", metavar="FILE", help="The config to write.")]
_Trial = Annotated[
    int | None, typer.Option(metavar="N", help="The number of another trial than the best.", show_default=False)
]
_Force = Annotated[bool, typer.Option("--force", help="Overwrite the file.")]


def best(
    search: Search = "last",
    *,
    output: _Output = Path("best.yaml"),
    trial: _Trial = None,
    runs_dir: RunsDir = RUNS_DIR,
    force: _Force = False,
) -> None:
    """Write the best trial of a SEARCH as a config."""
    from dlrun.search.best import write_best
    from dlrun.search.folder import find_search
    from dlrun.yaml_tree.source import check_new_config

    check_new_config(output, force=force, has_data=True)
    chosen = write_best(find_search(search, runs_dir=runs_dir), output, trial=trial)
    tell(f"wrote      {output}: trial {chosen.number}, run {', '.join(chosen.runs)}")
    tell(f"train      dlrun train {output}")
