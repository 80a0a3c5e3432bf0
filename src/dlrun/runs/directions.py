"""Find out whether a larger or a smaller score is better, from the run's record, its spec, or Keras' metric names."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Literal

from dlrun.errors import UsageError

Direction = Literal["max", "min"]


def parse_signed(text: str) -> tuple[str, Direction | None]:
    """Parse a score as a user writes it: `KEY` in its own direction, `-KEY` for the smallest, `+KEY` for the largest.

    Args:
        text: The score, perhaps with a sign.

    Returns:
        The key, and the direction of the sign; None without a sign.
    """
    signs: dict[str, Direction] = {"-": "min", "+": "max"}
    sign = signs.get(text[:1])
    return (text[1:], sign) if sign else (text, None)


def find_direction(
    key: str, known: Iterable[Mapping[str, str]], *, write: Callable[[str], str], runs: str = "runs"
) -> Direction:
    """Return the direction of a score that all runs agree on.

    Args:
        key: A score, with or without the prefix of its split.
        known: For each run that has the score, the directions of its scores by their names without a split.
        write: Shows how a user writes a key with a sign, such as `best:-val_loss`.
        runs: The word for what is compared, for messages.

    Raises:
        UsageError: No run knows the direction, or the runs disagree.
    """
    from dlrun.metrics.metric import without_split

    found = {of_run.get(without_split(key)) for of_run in known}
    if found == {"max"}:
        return "max"
    if found == {"min"}:
        return "min"
    if found >= {"max", "min"}:
        what = f"a larger {key} is better for some of the {runs}, and a smaller one for others"
    else:
        what = f"it is unknown whether a larger or a smaller {key} is better"
    expected = f"{write('+' + key)} for the largest, {write('-' + key)} for the smallest"
    raise UsageError(what, expected=expected)


def derive_directions(spec: Mapping[str, Any], scores: Iterable[str]) -> dict[str, Direction]:
    """Return the directions of the scores of an earlier version's run, whose record has none.

    Args:
        spec: The values of its spec.yaml by dotted key; empty if it cannot be read.
        scores: The names of its scores, without a split.

    Returns:
        The directions by name: for the metrics of the spec those of their types, for other scores that of Keras' metric
        with this name. A score without a known direction is omitted.
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
    """Yield the name and the type of each metric in a flat spec."""
    listed = spec.get("metrics")
    if isinstance(listed, list):
        yield from ((name, name) for name in listed if isinstance(name, str))
    number = 0
    while isinstance(kind := spec.get(f"metrics.{number}.type"), str):
        name = spec.get(f"metrics.{number}.name")
        yield (name if isinstance(name, str) else kind), kind
        number += 1
