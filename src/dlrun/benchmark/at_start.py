"""Measure, at the start of a run, the values that are `auto` in its config."""

from __future__ import annotations

from dataclasses import replace

from dlrun.benchmark.batch_size import find_batch_size
from dlrun.benchmark.learning_rate import find_learning_rate
from dlrun.component import Path
from dlrun.errors import UsageError
from dlrun.runs.record import Choice
from dlrun.spec.measured import BATCH_SIZE, LEARNING_RATE, dotted, with_values
from dlrun.spec.parse import SpecFile
from dlrun.training.devices.cluster import Cluster
from dlrun.training.progress.events import Listener, Note


def measured(file: SpecFile, listener: Listener, *, cluster: Cluster) -> SpecFile:
    """Return the spec with numbers in the place of `auto`, and why they are these.

    The batch size comes first, and brings a learning rate that is scaled to it. The measurements have processes and
    data of their own, so that the training is what it would be with the same numbers in the config.

    Args:
        file: The spec.
        listener: Receives a note on each value.
        cluster: The processes that train together.

    Raises:
        UsageError: Several processes train together; each would measure something else.
        RunError: The measurement failed.
    """
    wanted = file.spec.measured
    if not wanted:
        return file
    if cluster.workers > 1:
        what = f"{' and '.join(map(dotted, wanted))} is auto, but {cluster.workers} processes train together"
        hint = "dlrun find batch-size and dlrun find learning-rate find the values for the config"
        raise UsageError(what, expected="a number", hint=hint)
    if BATCH_SIZE in wanted:
        size = find_batch_size(_config(file), listener=listener)
        file = _with(file, BATCH_SIZE, size.batch_size, size.reason)
        if LEARNING_RATE not in wanted and size.batch_size != size.own:
            file = _with(file, LEARNING_RATE, size.learning_rate, size.scaling)
    if LEARNING_RATE in wanted:
        found = find_learning_rate(_config(file), listener=listener)
        rate, reason = found.suggestion.rate, found.suggestion.reason
        if rate is None:
            rate, reason = found.own, f"the default: {reason}"
        file = _with(file, LEARNING_RATE, rate, reason)
    for key, choice in file.choices.items():
        listener(Note(key.partition(".")[2].replace("_", " "), f"{choice.value}: {choice.reason}"))
    return file


def _with(file: SpecFile, key: Path, value: float, reason: str) -> SpecFile:
    choice = Choice(value=f"{value:g}", reason=reason)
    choices = {**file.choices, dotted(key): choice}
    return replace(file, spec=with_values(file.spec, {key: value}), choices=choices)


def _config(file: SpecFile) -> dict[str, object]:
    """Return the spec as a config of its own."""
    plain = file.first_fold().spec.plain()
    return {key: value for key, value in plain.items() if key not in ("folds", "tracking")}
