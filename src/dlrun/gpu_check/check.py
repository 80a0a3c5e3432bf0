"""One check: a program that measures in a process of its own, and a rule that judges what it has measured."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

Found = Mapping[str, Any]
"""What a program has measured, as JSON holds it."""


@dataclass(frozen=True)
class CheckPlace:
    """Where the checks run.

    Args:
        device: `gpu`, or `cpu` for a rehearsal.
        count: Number of devices of that kind that dlrun can use.
        folder: An empty folder for everything that a check writes.
    """

    device: Literal["gpu", "cpu"]
    count: int
    folder: Path

    @property
    def is_rehearsal(self) -> bool:
        """Whether the CPU stands in for the GPU."""
        return self.device == "cpu"


@dataclass(frozen=True)
class CheckVerdict:
    """How a check ended.

    Args:
        status: `ok`; `failed`; or `-` if the check does not apply here.
        text: What was found, or why it failed or does not apply.
    """

    status: Literal["ok", "failed", "-"]
    text: str

    @classmethod
    def of(cls, problems: list[str], text: str) -> CheckVerdict:
        """Return a failure that names the problems; without any, that the check passed, and what it found.

        Args:
            problems: What is wrong.
            text: What was found.
        """
        return cls("failed", "; ".join(problems)) if problems else cls("ok", text)


def always(place: CheckPlace) -> str:  # noqa: ARG001  the signature of `Check.hindrance`
    """Return that nothing keeps a check from running."""
    return ""


@dataclass(frozen=True)
class Check:
    """A row of the table.

    Args:
        name: What is checked.
        program: The arguments of the Python that measures. It is also given the device, their number, a folder, and the
            pipe for its answer.
        judge: Tells from what was measured whether the check has passed. A key that it needs and does not find is an
            error of the program.
        seconds: How long the program may take.
        hindrance: Returns why the check does not apply to a place; empty if it does.
        is_gate: Whether no later check can pass if this one fails.
    """

    name: str
    program: tuple[str, ...]
    judge: Callable[[Found], CheckVerdict]
    seconds: int = 120
    hindrance: Callable[[CheckPlace], str] = always
    is_gate: bool = False


@dataclass(frozen=True)
class CheckRow:
    """A check, how it ended, and how long it took."""

    name: str
    verdict: CheckVerdict
    seconds: float
