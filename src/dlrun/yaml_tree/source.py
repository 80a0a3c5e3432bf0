"""Parse YAML text into a `Node` tree, with YAML 1.2 scalars and a location for every key and value.

Features that could surprise are errors: duplicate keys, tags, anchors and aliases, and several documents. A file may
have at most 1 MiB and 30,000 values.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from dlrun.errors import Problem, SpecError, UsageError
from dlrun.system.paths import near_path
from dlrun.yaml_tree.document import Node, Place, Scalar
from dlrun.yaml_tree.syntax import explain_syntax

MAX_BYTES = 1 << 20
_SUFFIXES = (".yaml", ".yml")
_DATA_SUFFIXES = re.compile(r"\.(csv|tsv|parquet|npz|npy|jsonl|ndjson|xlsx?|txt|zip|gz|tgz|tar|png|jpe?g|h5)")
MAX_VALUES = 30_000
"""Maximum number of values in a file. Real specs have far fewer, and parsing and checking each takes about 50 us."""
_MAX_DEPTH = 40
_TOO_MANY = f"the spec has more than {MAX_VALUES:,} values; this is the first beyond the limit"
_LINE_END = re.compile("\r\n|[\r\n\x85\u2028\u2029]")  # the line breaks that the parser counts
_MAX_DIGITS = 400
_INT = re.compile(r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_WORDS: dict[str, Scalar] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL")),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
    **dict.fromkeys((".nan", ".NaN", ".NAN"), float("nan")),
    **{sign + word: float(sign + "inf") for sign in ("", "+", "-") for word in (".inf", ".Inf", ".INF")},
}


def check_new_config(path: Path, *, force: bool, has_data: bool = False) -> None:
    """Refuse to overwrite anything but a config, above all data, whose path is easily given by mistake.

    Args:
        path: Path of the config to write.
        force: Whether an existing config may be replaced.
        has_data: Whether the user has given the data with another option.

    Raises:
        UsageError: The name does not end in .yaml or .yml, or the file exists.
    """
    if path.suffix.lower() not in _SUFFIXES:
        is_data = not has_data and (path.suffix or path.is_dir())
        hint = f"dlrun init --data {path} writes a config for it" if is_data else f"{path.with_suffix('.yaml')}"
        raise UsageError(f"{path} is not the name of a config", expected="a name that ends in .yaml or .yml", hint=hint)
    if os.path.lexists(path) and not force:
        raise UsageError(f"{path} exists", expected="a new file", hint="use another name, or --force to overwrite it")


def read_yaml(path: Path, *, content: bytes | None = None) -> tuple[Node, list[Problem]]:
    """Read a spec file.

    Args:
        path: Path of the file.
        content: Content of the file if it was read before; None to read it.

    Returns:
        The tree, and problems with YAML features that are not allowed. The tree can be checked for further problems.

    Raises:
        SpecError: The file cannot be read, or is not YAML.
    """
    raw = read_config_file(path) if content is None else content
    if len(raw) > MAX_BYTES:
        raise SpecError([Problem("the file is larger than 1 MiB", "a spec of a few kilobytes", "", str(path))])
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw[: error.start].count(b"\n") + 1
        raise SpecError([Problem(f"line {line} is not UTF-8 text", "a text file", "", str(path))]) from error
    return parse_yaml(text, origin=str(path))


def read_config_file(path: Path) -> bytes:
    """Return the content of a config, of which one byte more than allowed is enough.

    Raises:
        SpecError: It cannot be read, or is of another kind.
    """
    if hint := _hint_for_another_kind(path):
        what = f"{path} is {'a folder' if path.is_dir() else 'a file of data'}, not a config"
        raise SpecError([Problem(what, "a YAML file that names the data", hint)])
    try:
        with path.open("rb") as file:
            return file.read(MAX_BYTES + 1)
    except OSError as error:
        near = near_path(str(path))
        hint = f"did you mean {near}?" if near else "dlrun init writes a starter config"
        hint = hint if isinstance(error, FileNotFoundError) else ""
        raise SpecError(
            [Problem(f"cannot read the config: {error.strerror}", "a YAML file", hint, str(path))]
        ) from error


def _hint_for_another_kind(path: Path) -> str:
    """Return a hint for a run folder or data that was given instead of a config; empty if the path may be a config."""
    if os.path.isdir(path):  # noqa: PTH112  Path.is_dir raises in a folder without permission to enter
        if os.path.isfile(path / "run.json"):  # noqa: PTH113
            return f"dlrun resume {path} continues this run, dlrun reproduce {path} trains it again"
        return f"dlrun init --data {path} writes a config for data in that folder"
    if _DATA_SUFFIXES.fullmatch(path.suffix.lower()) and os.path.isfile(path):  # noqa: PTH113
        return f"dlrun init --data {path} writes a config for it, which dlrun train accepts"
    return ""


def parse_yaml(
    text: str, *, origin: str, column_offset: int = 0, shown: str | None = None
) -> tuple[Node, list[Problem]]:
    """Parse YAML text.

    Args:
        text: YAML text.
        origin: Name of the file in problems.
        column_offset: Number added to columns of the first line, if `text` is the end of a longer line.
        shown: The longer line.

    Returns:
        The tree, and a problem for each feature that is not allowed.

    Raises:
        SpecError: The text is not YAML.
    """
    builder = _Builder(text, origin, column_offset, shown)
    try:
        return builder.document(), builder.problems
    except yaml.YAMLError as error:
        raise SpecError([*builder.problems, builder.syntax_problem(error)]) from error


def parse_scalar(event: yaml.ScalarEvent) -> Scalar:
    """Return the value of a scalar according to YAML 1.2."""
    # The style of plain text is None in PyYAML and empty in libyaml; others are quoted or block text.
    return event.value if event.style else parse_text(event.value)


def parse_text(text: str) -> Scalar:
    """Return the value of plain text, without quotes, according to YAML 1.2."""
    if text in _WORDS:
        return _WORDS[text]
    if len(text) > _MAX_DIGITS:
        return text
    if _INT.fullmatch(text):
        return int(text, 0) if text[:2] in ("0o", "0x") else int(text)
    return float(text) if _FLOAT.fullmatch(text) else text


class _Builder:
    """Build the tree from the events of the parser, and collect problems instead of stopping at the first."""

    def __init__(self, text: str, origin: str, column_offset: int, shown: str | None) -> None:
        self.lines = _LINE_END.split(text)
        self.origin = origin
        self.column_offset = column_offset
        self.shown = shown
        self.problems: list[Problem] = []
        self.values = 0
        # Use only the parser of PyYAML: its resolver and constructor implement YAML 1.1, where `no` is false.
        self.events: Iterator[yaml.Event] = yaml.parse(text, Loader=yaml.SafeLoader)

    def document(self) -> Node:
        next(self.events)  # stream start
        first = next(self.events)
        if isinstance(first, yaml.StreamEndEvent):
            self.report(first, "the file is empty", expected="a spec: dataset, model, loss, ...", hint="dlrun init")
            return Node({}, self.place(first.start_mark))
        root = self.node(next(self.events), depth=0)
        next(self.events)  # document end
        after = next(self.events)
        if not isinstance(after, yaml.StreamEndEvent):
            self.report(after, "a second document starts here", expected="only one spec in a file")
        return root

    def node(self, event: yaml.Event, *, depth: int) -> Node:
        if depth > _MAX_DEPTH:
            raise _error(event, f"nested deeper than {_MAX_DEPTH} levels")
        self.values += 1
        if self.values > MAX_VALUES:
            raise SpecError(
                [*self.problems, self.place(event.start_mark).problem(_TOO_MANY, expected="a spec of a few dozen")]
            )
        self.refuse_features(event)
        place = self.place(event.start_mark)
        if isinstance(event, yaml.MappingStartEvent):
            return self.mapping(place, depth=depth)
        if isinstance(event, yaml.SequenceStartEvent):
            items = []
            while not isinstance(item := next(self.events), yaml.SequenceEndEvent):
                items.append(self.node(item, depth=depth + 1))
            return Node(items, place)
        if isinstance(event, yaml.ScalarEvent):
            return Node(parse_scalar(event), place)
        return Node(None, place)  # an alias, already reported

    def mapping(self, place: Place, *, depth: int) -> Node:
        node = Node(entries := {}, place)
        while not isinstance(event := next(self.events), yaml.MappingEndEvent):
            self.refuse_features(event)
            if not isinstance(event, yaml.ScalarEvent):
                raise _error(event, "a key must be a word")
            key = event.value
            value = self.node(next(self.events), depth=depth + 1)
            if key in entries:
                first = node.key_places[key].line
                self.report(event, f"the key {key!r} is repeated", expected=f"only one, as on line {first}")
                continue
            entries[key] = value
            node.key_places[key] = self.place(event.start_mark)
        return node

    def refuse_features(self, event: yaml.Event) -> None:
        if isinstance(event, yaml.AliasEvent):
            self.report(
                event, f"the alias *{event.anchor}", expected="the value itself, because aliases are not supported"
            )
        elif isinstance(event, yaml.NodeEvent) and event.anchor:
            self.report(event, f"the anchor &{event.anchor}", expected="plain YAML without anchors")
        if getattr(event, "tag", None):
            self.report(event, f"the tag {event.tag}", expected="plain YAML without tags")  # type: ignore[attr-defined]

    def report(self, event: yaml.Event, what: str, *, expected: str = "", hint: str = "") -> None:
        self.problems.append(self.place(event.start_mark).problem(what, expected=expected, hint=hint))

    def syntax_problem(self, error: yaml.YAMLError) -> Problem:
        mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
        what = getattr(error, "problem", None) or str(error).splitlines()[0]
        if mark is None:
            return Problem(f"not YAML: {what}", origin=self.origin)
        opened = getattr(error, "context_mark", None)
        plain, hint = explain_syntax(what, self.lines, mark.line, opened.line if opened else mark.line)
        return self.place(mark).problem(f"not YAML: {plain}", hint=hint)

    def place(self, mark: Any) -> Place:
        text = self.lines[mark.line] if mark.line < len(self.lines) else ""
        if mark.line == 0 and self.shown is not None:
            return Place(self.origin, 1, mark.column + self.column_offset + 1, self.shown)
        return Place(self.origin, mark.line + 1, mark.column + 1, text)


def _error(event: yaml.Event, problem: str) -> yaml.MarkedYAMLError:
    mark: Any = event.start_mark
    return yaml.MarkedYAMLError(problem=problem, problem_mark=mark)
