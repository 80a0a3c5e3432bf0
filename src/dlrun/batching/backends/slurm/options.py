"""Read the value of `--slurm`: options of sbatch that dlrun passes on."""

from __future__ import annotations

import re
from collections.abc import Sequence

from dlrun.errors import UsageError
from dlrun.names import nearest

SbatchOptions = tuple[tuple[str, str], ...]
"""The options by their long names; a value is empty for an option that takes none."""

_OWN = {
    "array": "dlrun decides which run is which task",
    "chdir": "the tasks work in the folder of this command",
    "comment": "dlrun recognises its arrays by it",
    "dependency": "dlrun orders the parts of a large batch by it",
    "error": "what a task prints is in the folder of the batch",
    "input": "a task reads nothing",
    "job-name": "dlrun asks for its jobs by their name",
    "kill-on-invalid-dep": "dlrun orders the parts of a large batch",
    "no-requeue": "a task that is preempted or at its time limit has to come back",
    "nodes": "each run trains in one process",
    "ntasks": "each run trains in one process",
    "clusters": "dlrun follows the queue of one cluster",
    "ntasks-per-node": "each run trains in one process",
    "open-mode": "what a task prints is in the folder of the batch",
    "output": "what a task prints is in the folder of the batch",
    "parsable": "dlrun reads what sbatch answers",
    "requeue": "dlrun sets it always",
    "signal": "dlrun lets each run write a checkpoint before its time limit",
    "test-only": "--dry-run shows the script",
    "wait": "dlrun follows the jobs itself",
    "wrap": "dlrun writes the script",
}
_WITHOUT_VALUE = frozenset(
    {"contiguous", "hold", "overcommit", "oversubscribe", "reboot", "spread-job", "use-min-nodes"}
)
_WITH_VALUE = frozenset(
    {
        "account", "acctg-freq", "bb", "bbf", "begin", "cluster-constraint", "constraint", "container", "core-spec",
        "cores-per-socket", "cpu-freq", "cpus-per-gpu", "cpus-per-task", "deadline", "delay-boot", "distribution",
        "exclude", "exclusive", "export", "export-file", "extra-node-info", "get-user-env", "gpu-bind", "gpu-freq",
        "gpus", "gpus-per-node", "gpus-per-socket", "gpus-per-task", "gres", "gres-flags", "hint", "licenses",
        "mail-type", "mail-user", "mcs-label", "mem", "mem-bind", "mem-per-cpu", "mem-per-gpu", "mincpus", "network",
        "nice", "nodefile", "nodelist", "ntasks-per-core", "ntasks-per-socket", "partition", "power", "prefer",
        "priority", "profile", "propagate", "qos", "reservation", "sockets-per-node", "switches", "thread-spec",
        "threads-per-core", "time", "time-min", "tmp", "tres-bind", "tres-per-task", "wckey",
    }
)  # fmt: skip
_OPTIONAL_VALUE = frozenset({"exclusive", "nice", "get-user-env"})
_KNOWN = _WITHOUT_VALUE | _WITH_VALUE
_WRONG_CHARACTERS = re.compile(r"[\x00-\x1f\x7f\"'\\]")
_EXAMPLE = "--slurm partition=gpu,gres=gpu:1,time=4:00:00"


def parse_options(values: Sequence[str]) -> SbatchOptions:
    """Return the options in the values of `--slurm`.

    Args:
        values: One for each time that `--slurm` was given: `KEY=VALUE`, or several with commas. A part between commas
            that is not an option belongs to the value before it, as in `nodelist=n1,n2`.

    Raises:
        UsageError: One of them is not an option of sbatch, or one that dlrun sets itself; the error lists them all.
    """
    found: dict[str, str] = {}
    wrong: list[str] = []
    hints: list[str] = []
    for value in values:
        for key, content in _split(value):
            if key in found:
                wrong.append(f"{key} is given twice")
            elif (why := _problem(key, content, hints)) is not None:
                wrong.append(why)
            found[key] = content or ""
    if wrong:
        raise UsageError(
            f"--slurm: {'; '.join(wrong)}", expected=f"options of sbatch: {_EXAMPLE}", hint=" ".join(hints)
        )
    return tuple(found.items())


def _split(value: str) -> list[tuple[str, str | None]]:
    pairs: list[tuple[str, str | None]] = []
    for part in value.split(","):
        key, equals, content = part.strip().partition("=")
        key = key.strip().removeprefix("--")
        is_option = bool(equals) or key in _KNOWN or key in _OWN
        last = pairs[-1] if pairs else None
        if not is_option and last is not None and last[1] is not None:
            pairs[-1] = (last[0], f"{last[1]},{part.strip()}")
        else:
            pairs.append((key, content.strip() if equals else None))
    return pairs


def _problem(key: str, content: str | None, hints: list[str]) -> str | None:
    """Return what is wrong with an option; None if nothing is."""
    if key in _OWN:
        return f"{key} is set by dlrun: {_OWN[key]}"
    if key not in _KNOWN:
        if near := nearest(key, sorted(_KNOWN)):
            hints.append(f"did you mean {near!r}?")
        return f"{key!r} is not an option of sbatch by its long name"
    if content is None:
        return None if key in _WITHOUT_VALUE | _OPTIONAL_VALUE else f"{key} needs a value"
    if not content:
        return f"{key} has no value"
    if key in _WITHOUT_VALUE:
        return f"{key} takes no value"
    if _WRONG_CHARACTERS.search(content):
        return f"{key} has quotes, a backslash or control characters in its value"
    return None


def time_limit_seconds(options: SbatchOptions) -> float | None:
    """Return the time limit that the options ask for; None if they ask for none.

    Args:
        options: The options.

    Raises:
        UsageError: It is not in a form that sbatch reads.
    """
    text = dict(options).get("time")
    if text is None or text.lower() in {"0", "infinite", "unlimited"}:
        return None
    # minutes, minutes:seconds, hours:minutes:seconds, days-hours, days-hours:minutes, days-hours:minutes:seconds
    if not re.fullmatch(r"\d+(:\d+){0,2}|\d+-\d+(:\d+){0,2}", text):
        raise UsageError(f"--slurm: time is {text!r}", expected="4:00:00, 2-12, or minutes")
    days, _, rest = text.rpartition("-")
    parts = [int(part) for part in rest.split(":")]
    if days:
        hours, minutes, seconds = (*parts, 0, 0)[:3]
    elif len(parts) == 3:
        hours, minutes, seconds = parts
    else:
        hours, (minutes, seconds) = 0, (*parts, 0)[:2]
    return 60.0 * (60 * (24 * int(days or 0) + hours) + minutes) + seconds
