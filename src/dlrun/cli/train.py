"""`dlrun train CONFIG`."""

from __future__ import annotations

from dlrun.cli.options import RUNS_DIR, AsJson, Config, Overrides, Quiet, RunsDir


def train(
    config: Config, overrides: Overrides, runs_dir: RunsDir = RUNS_DIR, *, quiet: Quiet = False, as_json: AsJson = False
) -> None:
    """Train the model that CONFIG describes, and record it in a new run folder."""
    from dlrun import experiment
    from dlrun.cli.console import Console, print_json
    from dlrun.cli.display import Display
    from dlrun.cli.format import format_score, format_scores

    console = Console(quiet=quiet or as_json)
    with console.noise_kept_away():
        display = Display(console)
        try:
            result = experiment.train(config, overrides=tuple(overrides), runs_dir=runs_dir, listener=display)
        finally:
            display.close()
        if as_json:
            print_json(result.record)
            return
        console.say()
        for split, scores in result.scores.items():
            console.result(f"{split:<10} {format_scores(scores)}")
        best = result.record["best"]
        if best:
            said = f"{best['metric']} {format_score(best['value'])} in epoch {best['epoch']}"
            console.say(f"best       {said}: {result.folder.best}")
        console.say(f"evaluate   dlrun eval {result.folder.id}{_runs_dir_option(runs_dir)}")
        console.say(f"look       dlrun runs show {result.folder.id}{_runs_dir_option(runs_dir)}")


def _runs_dir_option(runs_dir: object) -> str:
    return "" if runs_dir == RUNS_DIR else f" --runs-dir {runs_dir}"
