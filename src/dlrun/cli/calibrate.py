"""The command `dlrun calibrate RUN`, which chooses calibration and threshold of a trained classifier."""

from __future__ import annotations

from typing import Annotated

import typer

from dlrun.cli.options import AsJson, Overrides, Quiet, Run, RunsDir, TrustPlugins
from dlrun.decision import Calibration
from dlrun.runs import RUNS_DIR

_Calibration = Annotated[
    Calibration | None, typer.Option(help="How to calibrate probabilities.", show_default="as in the config")
]
_Threshold = Annotated[
    str | None,
    typer.Option(
        metavar="VALUE",
        help="A number, f1, balanced_accuracy, none, or YAML: {cost: {false_positive: 1, false_negative: 5}}.",
        show_default="as in the config",
    ),
]


def calibrate(
    run: Run,
    overrides: Overrides,
    calibration: _Calibration = None,
    threshold: _Threshold = None,
    runs_dir: RunsDir = RUNS_DIR,
    *,
    trust_plugins: TrustPlugins = False,
    quiet: Quiet = False,
    as_json: AsJson = False,
) -> None:
    """Choose calibration and threshold of a trained RUN.

    Both are chosen on the validation split, and replace those of the run; its weights stay as they are. Without options
    they are those of the config, or else a temperature. --calibration none --threshold none undoes both.
    """
    import dlrun
    from dlrun.cli.display.console import print_json
    from dlrun.cli.display.display import displayed

    with displayed(quiet=quiet or as_json) as display:
        record = dlrun.calibrate(
            run,
            calibration=calibration,
            threshold=threshold,
            overrides=overrides,
            trust_plugins=trust_plugins,
            runs_dir=runs_dir,
            listener=display,
        )
        display.close()
        if as_json:
            print_json(record.model_dump(mode="json"))
        else:
            display.console.result(record.summary)
