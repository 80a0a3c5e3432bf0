"""Write the config of `dlrun auto`: what `dlrun init` drafts for the data, with a section `search`."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

from dlrun.errors import UsageError
from dlrun.init_config.draft import ConfigDraft, Key, Wishes
from dlrun.init_config.guess import draft_config
from dlrun.init_config.page import config_text, written
from dlrun.init_config.write import name_of_data
from dlrun.metrics.metric import SPLIT_PREFIXES, metrics
from dlrun.names import nearest
from dlrun.search.auto.spaces import SearchedKey, keys_of, space_around
from dlrun.spec.parse import read_spec
from dlrun.system.disk import disk, explained
from dlrun.yaml_tree.source import check_new_config

_FACTOR, _RUNGS = 3, 2
_FEWEST_EPOCHS = 3
_VALIDATION = 0.2


@dataclass(frozen=True)
class AutoWishes:
    """What the user asks for.

    Args:
        data: A file, a folder, or a pattern of tables.
        path: The config to write.
        minutes: The minutes that everything may take.
        metric: The validation score to improve; empty for the loss.
        about: What the user specified about the data.
        force: Whether to overwrite another config.
    """

    data: str
    path: Path
    minutes: float
    metric: str = ""
    about: Wishes = field(default_factory=Wishes)
    force: bool = False


def write_auto_config(wishes: AutoWishes) -> tuple[str, ...]:
    """Write the config, unless it is there already.

    Args:
        wishes: What the user asks for.

    Returns:
        Messages for the user about each guess and how to override it.

    Raises:
        UsageError: Another file has the name, or the wishes do not fit the data.
        DataError: The data does not exist, cannot be read, or is not ready to train on.
        SpecError: The metric does not fit the data.
        RunError: The file cannot be written.
    """
    draft = with_more_validation(with_metric(draft_config(wishes.data, wishes.about), wishes.metric))
    text = "\n".join(
        [config_text(draft, path=str(wishes.path), name=name_of_data(wishes.data)), *_search(draft, wishes)]
    )
    if _has_text(wishes.path, text):
        return draft.messages
    check_new_config(wishes.path, force=wishes.force, has_data=True)
    with explained(f"write {wishes.path}"):
        disk.write_atomically(wishes.path, text.encode())
    read_spec(wishes.path)
    return draft.messages


def with_metric(draft: ConfigDraft, metric: str) -> ConfigDraft:
    """Return a draft that computes a metric.

    Args:
        draft: The draft.
        metric: The metric, with or without the prefix `val_`; empty for none.

    Raises:
        UsageError: The name has the prefix of another split, or is not that of a metric.
    """
    if metric.startswith(tuple(prefix for prefix in SPLIT_PREFIXES if prefix != "val_")):
        raise UsageError(f"--metric {metric} is not a score of the validation split", expected="a metric such as auc")
    name = metric.removeprefix("val_")
    if not name or name == "loss" or name in draft.metrics:
        return draft
    if metrics.find(name) is None:
        near = nearest(name, [*metrics.names()])
        raise UsageError(f"there is no metric {name!r}", hint=f"did you mean {near!r}?" if near else "")
    return replace(draft, metrics=(*draft.metrics, name))


def with_more_validation(draft: ConfigDraft) -> ConfigDraft:
    """Return a draft that holds out a fifth for validation, if it holds out less by chance.

    The best of many trials on few examples is a lucky one, and the final training has all examples anyway.
    """
    why = "a fifth: many trials are compared on it, and the final training has all"
    keys = keys_of(draft.dataset)
    fraction = keys.get("validation")
    if keys.get("type") == "series" or not isinstance(fraction, float) or fraction >= _VALIDATION:
        return draft
    lines = (Key("validation", _VALIDATION, why) if _is_validation(line) else line for line in draft.dataset)
    return replace(draft, dataset=tuple(lines))


def _is_validation(line: object) -> bool:
    return isinstance(line, Key) and line.name == "validation"


def _has_text(path: Path, text: str) -> bool:
    """Return whether the file has this text, as after an earlier command that was stopped."""
    try:
        return path.read_text(encoding="utf-8") == text
    except (OSError, UnicodeDecodeError):
        return False


def _search(draft: ConfigDraft, wishes: AutoWishes) -> Iterator[str]:
    """Yield the lines of the section `search`."""
    yield "search:"
    yield "  space:                   # what may change; the values above are tried first"
    for axis in space_around(draft):
        yield from _axis(axis)
    metric = wishes.metric.removeprefix("val_") or "loss"
    yield f"  metric: val_{metric}"
    yield f"  minutes: {wishes.minutes:g}              # for the trials and the final training"
    epochs = keys_of(draft.training).get("epochs")
    if isinstance(epochs, int) and epochs >= _FEWEST_EPOCHS:
        first = max(1, round(epochs / _FACTOR**_RUNGS))
        comment = f"one of {_FACTOR} trials trains on, to {_FACTOR} times the epochs"
        yield f"  halving: {{min_epochs: {first}, factor: {_FACTOR}}} # {comment}"
    yield ""


def _axis(axis: SearchedKey) -> Iterator[str]:
    options = axis.values.get("choices")
    comment = f" # {axis.comment}" if axis.comment else ""
    if options is None or not any(isinstance(option, dict | list) for option in options):
        yield f"    {axis.key}: {written(axis.values)}{comment}"
        return
    yield f"    {axis.key}:{comment}"
    yield "      choices:"
    yield from (f"        - {written(option)}" for option in options)
