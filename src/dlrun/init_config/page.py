"""Format a draft as YAML with comments, and quote every text that YAML would read as something else."""

from __future__ import annotations

import re
import shlex
import textwrap
from collections.abc import Iterator
from typing import Any

import yaml

from dlrun.init_config.draft import ConfigDraft, Key, Remark, Section

_PLAIN = re.compile(r"[A-Za-z_/][A-Za-z0-9_./-]*")
_OTHER_THINGS = {"null", "true", "false", "yes", "no", "on", "off", "y", "n"}  # the last six only in YAML 1.1
_WIDTH = 112
_COMMENT_COLUMN = 26


def config_text(draft: ConfigDraft, *, path: str, name: str = "") -> str:
    """Return the text of the config.

    Args:
        draft: Content of the config.
        path: Name of the file, for the commands in its comments.
        name: Name of the runs; empty for the name of the file.
    """
    lines = [*_comment(draft.summary), "#"]
    lines += [f"#   dlrun {command} {_one_line(shlex.quote(path))}" for command in ("data check", "train")]
    lines += ["#", f"# Every key of a component: dlrun components {_types(draft)}"]
    lines += [f"name: {written(name)}"] if name else []
    lines += ["seed: 0", "dataset:", *_section(draft.dataset), "model:", *_section(draft.model)]
    given = draft.optimizer
    key = Key("optimizer", {"type": "adam", "learning_rate": given}) if isinstance(given, float) else given
    lines += _key(key, indent="")
    falling = Key("schedule", draft.schedule, "the learning rate falls to 0 by the last epoch")
    lines += _key(falling, indent="") if draft.schedule != "constant" else []
    lines.append(f"loss: {draft.loss}")
    lines += [f"metrics: {written(list(draft.metrics))}"] if draft.metrics else []
    return "\n".join([*lines, "training:", *_section(draft.training)]) + "\n"


def written(value: Any) -> str:
    """Return a plain Python value as one line of YAML."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{written(key)}: {written(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(written, value)) + "]"
    if isinstance(value, str):
        return _text(value)
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    return f"{value:g}" if isinstance(value, float) else str(value)


def _text(text: str) -> str:
    if _PLAIN.fullmatch(text) and text.lower() not in _OTHER_THINGS:
        return text
    quoted: str = yaml.safe_dump(text, default_style='"', allow_unicode=True, width=float("inf"))
    return quoted.rstrip("\n")


def _section(section: Section) -> Iterator[str]:
    for line in section:
        if isinstance(line, Remark):
            yield from (f"  {comment}" for comment in _comment(line.text))
        elif isinstance(line.value, list) and all(isinstance(item, dict) for item in line.value):
            yield f"  {line.name}:"
            yield from (f"    - {written(item)}" for item in line.value)
        else:
            yield from _key(line)


def _key(key: Key, *, indent: str = "  ") -> Iterator[str]:
    """Yield a key with its comment after it, or above it if the line would be too long."""
    entry, comment = f"{indent}{key.name}: {written(key.value)}", _one_line(key.comment)
    line = f"{entry:<{_COMMENT_COLUMN}} # {comment}" if comment else entry
    if len(line) <= _WIDTH or not comment:
        yield line
    else:
        yield from (f"{indent}{above}" for above in _comment(f"{key.name}: {comment}"))
        yield entry


def _comment(text: str) -> list[str]:
    return textwrap.wrap(_one_line(text), _WIDTH, initial_indent="# ", subsequent_indent="# ", break_on_hyphens=False)


def _one_line(text: str) -> str:
    """Return text that is safe in a comment, since the names of columns may contain line breaks."""
    return " ".join("".join(char if char.isprintable() else " " for char in text).split())


def _types(draft: ConfigDraft) -> str:
    return next(str(key.value) for key in draft.dataset if isinstance(key, Key) and key.name == "type")
