"""Write the winner of a search as a config that a person can read and train."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from dlrun.errors import UsageError
from dlrun.runs.folder import RunFolder
from dlrun.search.folder import SearchFolder
from dlrun.search.ledger import Ledger
from dlrun.search.outcome import SearchOutcome, read_outcome
from dlrun.search.trials import Trials, TrialState
from dlrun.system.disk import disk, explained
from dlrun.system.paths import locate
from dlrun.yaml_tree.edit import EditError, with_value, without_key
from dlrun.yaml_tree.source import parse_yaml
from dlrun.yaml_tree.text import yaml_text

_MOST_OPTIONS = 6


def write_best(folder: SearchFolder, path: Path, *, trial: int | None = None) -> TrialState:
    """Write the config of the best trial, or of another one.

    The config of the search is kept as it is, with its comments, except for the values of the trial and without the
    section `search`. If it cannot be changed like that, the complete spec of the run is written instead.

    Args:
        folder: The search.
        path: The file to write.
        trial: The number of the trial; None for the best.

    Returns:
        The trial.

    Raises:
        UsageError: There is no such trial, or none is complete.
        RunError: The file cannot be written, or the ledger is damaged.
    """
    trials = Trials(Ledger(folder.ledger).entries)
    outcome = read_outcome(trials, folder.path)
    chosen = _chosen(outcome, trial)
    overrides = [*trials.head["overrides"], *chosen.overrides]
    with explained(f"read {folder.config}"):
        text = disk.read_file(folder.config).decode("utf-8-sig")
    try:
        body = without_key(text, "search")
        for key, _, value in (override.partition("=") for override in overrides):
            body = with_value(body, key.strip().split("."), value.strip())
        body = _with_places(body, trials.head["places"], path)
    except EditError:
        body = _complete_spec(folder, chosen)
    head = "\n".join(f"# {line}" for line in _comments(outcome, chosen, path))
    with explained(f"write {path}"):
        disk.write_atomically(path, f"{head}\n\n{body}".encode())
    return chosen


def _chosen(outcome: SearchOutcome, number: int | None) -> TrialState:
    if number is None:
        if outcome.best is None:
            what = f"no trial of the search {outcome.name} is trained to its end"
            raise UsageError(what, hint=f"dlrun search show {outcome.name}")
        return outcome.best
    found = next((each for each in outcome.trials if each.number == number and each.counts), None)
    if found is None:
        what = f"the search {outcome.name} has not trained a trial {number}"
        raise UsageError(what, hint=f"dlrun search show {outcome.name}")
    return found


def _with_places(text: str, places: Mapping[str, str], path: Path) -> str:
    """Return a config with absolute paths of its data where a relative one would not be found from a new file."""
    given = parse_yaml(text, origin=str(path))[0].child("dataset")
    for key, place in places.items():
        node = given.child(key) if given is not None else None
        found = locate(str(node.value), beside=path.absolute().parent) if node is not None else None
        if found is None or not Path(found.path).samefile(place):
            text = with_value(text, ("dataset", key), yaml_text(place))
    return text


def _complete_spec(folder: SearchFolder, trial: TrialState) -> str:
    path = RunFolder(folder.runs_dir / trial.runs[0]).spec_yaml
    with explained(f"read {path}"):
        return disk.read_file(path).decode()


def _comments(outcome: SearchOutcome, trial: TrialState, path: Path) -> Iterator[str]:
    """Yield what the file says at its top: where its values come from."""
    count = sum(each.counts for each in outcome.trials)
    scores = ", ".join(
        f"{each.name} {score:.4g}"
        for each, score in zip(outcome.objectives, trial.scores, strict=False)
        if score is not None
    )
    rank = "The best" if trial == outcome.best else f"Trial {trial.number}"
    spread = f" (standard deviation {trial.deviation:.2g} over {outcome.seeds} seeds)" if trial.deviation else ""
    yield f"{rank} of {count} trials of the search {outcome.name}: {scores}{spread}"
    yield f"in run {', '.join(trial.runs)}. Values that were searched:"
    for key, value in trial.values:
        yield f"  {key}: {value}  (of {_range(outcome, key)})"
    yield f"Train it: dlrun train {path}"


def _range(outcome: SearchOutcome, key: str) -> str:
    """Return the values that a key could have, such as `0.0001 to 0.1, log`."""
    for parameter in outcome.space:
        if parameter["name"] == key and "options" in parameter:
            options = [str(option["value"]) for option in parameter["options"]]
            return ", ".join(options[:_MOST_OPTIONS]) + (", ..." if len(options) > _MOST_OPTIONS else "")
        if parameter["name"] == key:
            return f"{parameter['low']:g} to {parameter['high']:g}" + (", log" if parameter["log"] else "")
    return "a range below a choice"
