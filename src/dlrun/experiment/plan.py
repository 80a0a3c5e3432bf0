"""Describe what a config would train, and how long that would take."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dlrun.spec.checks.search.summary import most_trials
from dlrun.spec.parse import read_config
from dlrun.system.tensorflow_start import start_tensorflow
from dlrun.training.progress.events import Listener, only_warnings, silent

if TYPE_CHECKING:
    from dlrun.training.plan import TrainingPlan


def plan(
    config: str | Path | Mapping[str, Any],
    *,
    overrides: str | Sequence[str] = (),
    trust_plugins: bool = False,
    listener: Listener = silent,
) -> TrainingPlan:
    """Describe what `train` would train, and run a few steps to estimate how long that takes.

    Args:
        config: A YAML file, or a dict of the same keys.
        overrides: `key=value` each, as `--set` takes them.
        trust_plugins: Whether to load the plugins, which are code, of a run that was made elsewhere, if the
            config is in its folder.
        listener: Called with every warning.

    Returns:
        Layers, shapes, parameters, memory, and the steps and seconds of the training.

    Raises:
        SpecError: The spec is wrong.
        DataError: The data is missing or wrong.
    """
    file = read_config(config, overrides, trust_plugins=trust_plugins)
    runs, search = len(file.spec.of_folds()), file.spec.search
    trials = 0 if search is None else (most_trials(search) or 0) * search.keys.seeds
    start_tensorflow()
    from dlrun.training.plan import make_plan
    from dlrun.training.setup import assemble

    return replace(make_plan(assemble(file.first_fold(), listener=only_warnings(listener))), runs=runs, trials=trials)
