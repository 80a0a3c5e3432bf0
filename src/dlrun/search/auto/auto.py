"""Go from a file to the best model that the minutes allow: `init`, `search` and `train --final`, one after another."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from dlrun.batching.backends.backend import LOCAL, Placement
from dlrun.batching.state import BatchListener, unheard
from dlrun.errors import DlrunError, Interrupted
from dlrun.experiment.final import train_final
from dlrun.experiment.session import TrainingResult
from dlrun.runs import RUNS_DIR
from dlrun.runs.folder import RunFolder
from dlrun.search.auto.config import AutoWishes, write_auto_config
from dlrun.search.outcome import Objective, SearchOutcome
from dlrun.search.plan import SearchOptions
from dlrun.search.search import run_search
from dlrun.search.trials import Trials
from dlrun.training.progress.events import Listener, silent

_OVERHEAD_SECONDS = 12.0
"""What comes after the last trial besides the final training: scoring the winner, reports, and starting TensorFlow."""
_MOST_RESERVED = 0.4
_ENOUGH = 0.8
"""The final training begins if so much of its expected time is left: that was measured with other runs beside it."""


@dataclass(frozen=True)
class AutoOptions:
    """How to work.

    Args:
        runs_dir: The folder for runs.
        jobs: How many runs train at a time; None for what suits the machine.
        command: The command line, which continues a stopped search.
        began: When the program began, by `time.perf_counter`.
        placement: Where the trials are trained; the final training is on this machine.
    """

    runs_dir: Path = RUNS_DIR
    jobs: int | None = None
    command: tuple[str, ...] = ()
    began: float = field(default_factory=time.perf_counter)
    placement: Placement = LOCAL


@dataclass(frozen=True)
class AutoOutcome:
    """What `dlrun auto` leaves.

    Args:
        config: The config that it wrote.
        search: The trials and the winner.
        final: The run that was trained on all rows; None if there was no time or nothing to add.
        notes: Why there is no such run, and what else to know.
        seconds: The time that everything took.
    """

    config: Path
    search: SearchOutcome
    final: TrainingResult | None
    notes: tuple[str, ...]
    seconds: float


def run_auto(
    wishes: AutoWishes,
    options: AutoOptions,
    *,
    tell: Callable[[str], object] = str,
    search_listener: BatchListener = unheard,
    listener: Listener = silent,
) -> AutoOutcome:
    """Write a config for some data, search around it, and train the winner on all rows.

    Args:
        wishes: What the user asks for.
        options: How to work.
        tell: Called with each guess on the data and how to override it, before anything is trained.
        search_listener: Receives every change of a trial.
        listener: Receives the events of the final training.

    Raises:
        DlrunError: As `dlrun init`, `dlrun search` and `dlrun train --final` raise.
        Interrupted: The user stopped it; the same command goes on.
    """
    total, began = 60 * wishes.minutes, options.began
    for message in write_auto_config(wishes):
        tell(message)
    before = time.perf_counter() - began

    def reserve(trials: Trials) -> float:
        return before + _OVERHEAD_SECONDS + final_seconds(trials, total)

    wanted = SearchOptions(
        wishes.path,
        runs_dir=options.runs_dir,
        jobs=options.jobs,
        trains_first=True,
        command=options.command,
        placement=options.placement,
    )
    outcome = run_search(wanted, listener=search_listener, reserve=reserve)
    left = total - (time.perf_counter() - began)
    final, notes = _train_winner(outcome, options, left=left, listener=listener)
    return AutoOutcome(wishes.path, outcome, final, notes, time.perf_counter() - began)


def final_seconds(trials: Trials, total: float) -> float:
    """Return how long the final training of the best trial so far would take; 0 if none is complete.

    Args:
        trials: The trials of the search.
        total: The seconds that everything may take, of which it gets at most 40 %.
    """
    objective = Objective(**trials.head["objectives"][0])
    complete = [trial for trial in trials.at("completed") if trial.epochs]
    if not complete:  # until then all time belongs to the trials: without a winner there is nothing to train
        return 0.0
    best = min(complete, key=lambda trial: objective.badness(trial.scores[0]))
    # It has the held-out rows, too, but no other run beside it.
    return min(_MOST_RESERVED * total, best.seconds)


def _train_winner(
    outcome: SearchOutcome, options: AutoOptions, *, left: float, listener: Listener
) -> tuple[TrainingResult | None, tuple[str, ...]]:
    """Train the winner on all rows if there is time; return the run, or why there is none."""
    winner = outcome.winner
    if winner is None:
        return None, ()
    record = RunFolder(options.runs_dir / winner.run).read_record()
    by_hand = f"dlrun train --final {winner.run} does it"
    expected = record.time.get("train", 0.0) + record.time.get("evaluate", 0.0)
    if left < _ENOUGH * expected:
        return None, (f"there was no time to train the winner on all rows: {by_hand}",)
    try:
        return train_final(winner.run, runs_dir=options.runs_dir, listener=listener), ()
    except Interrupted:
        raise
    except DlrunError as error:
        return None, (f"the winner was not trained on all rows: {error.what}",)
