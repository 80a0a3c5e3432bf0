"""Which way a score is better: as the metrics of a run said it, or as its spec and Keras' own names tell."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Literal

from dlrun.errors import UsageError

Direction = Literal["max", "min"]


def parse_signed(text: str) -> tuple[str, Direction | None]:
    """Read a score as a user writes it: `KEY` in its own direction, `-KEY` the smallest, `+KEY` the largest.

    Returns:
        The key, and the direction that a sign asks for; None without a sign.
    """
    signs: dict[str, Direction] = {"-": "min", "+": "max"}
    sign = signs.get(text[:1])
    return (text[1:], sign) if sign else (text, None)


def find_direction(
    key: str, known: Iterable[Mapping[str, str]], *, write: Callable[[str], str], runs: str = "runs"
) -> Direction:
    """Return the direction of a score, on which all runs that have it agree.

    Args:
        key: A score, with the prefix of its split or without.
        known: Of each run that has it, the directions of its scores by their names without a split.
        write: How the user writes a key with a sign: `best:-val_loss`.
        runs: What is compared, for messages.

    Raises:
        UsageError: None of them knows it, or they disagree.
    """
    from dlrun.metrics.metric import without_split

    found = {of_run.get(without_split(key)) for of_run in known}
    if found == {"max"}:
        return "max"
    if found == {"min"}:
        return "min"
    if found >= {"max", "min"}:
        what = f"for some of the {runs} a larger {key} is better, and for some a smaller"
    else:
        what = f"it is not known whether a larger or a smaller {key} is better"
    expected = f"{write('+' + key)} for the largest, {write('-' + key)} for the smallest"
    raise UsageError(what, expected=expected)


def derive_directions(spec: Mapping[str, Any], scores: Iterable[str]) -> dict[str, Direction]:
    """Return the directions of a run whose record has none, because an earlier version made it.

    Args:
        spec: Its spec.yaml by dotted key; empty if it cannot be read.
        scores: The names of its scores, without a split.

    Returns:
        By name: of the metrics in the spec those of their types, whatever their names; of other scores that of Keras'
        metric of this name. What neither tells is left out.
    """
    from dlrun.metrics.metric import direction_of_type

    types = dict(_metrics_in(spec))
    found: dict[str, Direction] = {"loss": "min"}
    for name in {*scores, *types} - {"loss"}:
        direction = direction_of_type(types.get(name, name))
        if direction is not None:
            found[name] = direction
    return found


def _metrics_in(spec: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """The name and the type of each metric of a flat spec."""
    listed = spec.get("metrics")
    if isinstance(listed, list):
        yield from ((name, name) for name in listed if isinstance(name, str))
    number = 0
    while isinstance(kind := spec.get(f"metrics.{number}.type"), str):
        name = spec.get(f"metrics.{number}.name")
        yield (name if isinstance(name, str) else kind), kind
        number += 1
