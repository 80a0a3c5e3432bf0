"""Read a config with the files that it is based on, and merge them into one tree."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from dlrun.errors import Problem, SpecError
from dlrun.system.paths import near_path
from dlrun.yaml_tree.composition.merge import merged
from dlrun.yaml_tree.composition.variables import names_used
from dlrun.yaml_tree.document import Node
from dlrun.yaml_tree.source import read_config_file, read_yaml

KEY = "base"
MOST_FILES = 50


@dataclass(frozen=True)
class ConfigFile:
    """A file that a config was made from.

    Args:
        path: Its path.
        content: Its bytes, as they were read.
    """

    path: Path
    content: bytes


@dataclass(frozen=True)
class Reach:
    """Which files a config may be based on.

    Args:
        within: A folder that has to contain every base; None for any place.
        kept: The folder with the copies of the bases, if the config is the copy in a run folder; None otherwise. They
            are numbered in the order in which the config names them.
    """

    within: Path | None = None
    kept: Path | None = None


ANYWHERE = Reach()


@dataclass
class Composition:
    """A config with its bases.

    Args:
        root: The merged tree.
        problems: What is wrong in the files, as far as it can be told before the keys are checked.
        files: The files: the config, and its bases in the order in which they are named. A file that is named twice is
            there twice.
        used: The variables that any of the files uses, even in a value that another one replaces.
    """

    root: Node
    problems: list[Problem] = field(default_factory=list)
    files: list[ConfigFile] = field(default_factory=list)
    used: set[str] = field(default_factory=set)


def read_composed(path: Path, *, content: bytes | None = None, reach: Reach = ANYWHERE) -> Composition:
    """Read a config and its bases, and merge them: later bases win over earlier ones, and the config over all.

    Args:
        path: The config.
        content: Its content, if it was read before.
        reach: Which other files may be read.

    Raises:
        SpecError: The config cannot be read, or one of the files is not YAML.
    """
    reader = _Reader(reach)
    root = reader.read(path, content if content is not None else read_config_file(path), chain=())
    return Composition(root, reader.problems, reader.files, reader.used)


def compose(root: Node, *, beside: Path, reach: Reach = ANYWHERE) -> Composition:
    """Merge a tree that was not read from a file over its bases.

    Args:
        root: The tree.
        beside: The folder that relative paths start from.
        reach: Which files may be read.
    """
    reader = _Reader(reach)
    found = reader.over_bases(root, beside / "config", chain=())
    return Composition(found, reader.problems, reader.files, reader.used)


class _Reader:
    """Reads files, each once, and remembers what is wrong with them."""

    def __init__(self, reach: Reach) -> None:
        self.problems: list[Problem] = []
        self.files: list[ConfigFile] = []
        self.used: set[str] = set()
        self._reach = reach
        self._known: dict[str, Node] = {}

    def read(self, path: Path, content: bytes, *, chain: tuple[Path, ...]) -> Node:
        self.files.append(ConfigFile(path, content))
        root, problems = read_yaml(path, content=content)
        if (place := os.path.realpath(path)) not in self._known:
            self._known[place] = root
            self.problems += problems
        return self.over_bases(root, path, chain=chain)

    def over_bases(self, root: Node, path: Path, *, chain: tuple[Path, ...]) -> Node:
        """Return the tree of a file merged over its bases, without the key `base`."""
        self.used.update(names_used(root))
        if not isinstance(root.value, dict) or KEY not in root.value:
            return root
        named = root.value.pop(KEY)
        under: Node | None = None
        for item in self._items(named):
            below = self._base(item, path, chain=(*chain, path))
            if below is not None:
                under = below if under is None else merged(under, below)
        return root if under is None else merged(under, root)

    def _items(self, named: Node) -> Iterator[Node]:
        """Yield the nodes that name a base."""
        items = named.value if isinstance(named.value, list) else [named]
        for item in items:
            if isinstance(item.value, str) and "${" not in item.value:
                yield item
            else:
                what = f"base is {item.plain()!r}"
                self._report(item, what, expected="the path of a YAML file, or a list of paths, without variables")

    def _base(self, item: Node, path: Path, *, chain: tuple[Path, ...]) -> Node | None:
        if len(self.files) > MOST_FILES:
            what = f"the config is made from more than {MOST_FILES} files"
            raise SpecError([item.place.problem(what, expected="a few bases")])
        found = self._place_of(str(item.value), path)
        if self._is_refused(item, found):
            return None
        if any(_same(found, above) for above in chain):
            circle = " -> ".join(str(above) for above in (*chain, found))
            self._report(item, f"the bases go in a circle: {circle}", expected="a base that does not lead back")
            return None
        try:
            content = read_config_file(found)
        except SpecError as error:
            first = error.problems[0]
            near = near_path(str(found))
            hint = f"did you mean {near}?" if near else "a path is relative to the file that names it"
            self._report(item, f"the base {found}: {first.what}", expected=first.expected, hint=hint)
            return None
        below = self.read(found, content, chain=chain)
        if not isinstance(below.value, dict):
            self._report(item, f"the base {found} is not a group of keys", expected="a config, or a part of one")
            return None
        return below

    def _place_of(self, named: str, path: Path) -> Path:
        if self._reach.kept is not None:
            return self._reach.kept / kept_name(len(self.files), named)
        found = path.parent / os.path.expanduser(named)  # noqa: PTH111  an unknown user is no reason for an error
        shorter = Path(os.path.normpath(found))
        # Where a folder is a link, `..` leads elsewhere.
        return shorter if _same(found, shorter) else found

    def _is_refused(self, item: Node, found: Path) -> bool:
        within = self._reach.within
        if within is None or Path(os.path.realpath(found)).is_relative_to(os.path.realpath(within)):
            return False
        what = f"this config was made elsewhere, so its base {item.value} outside {within} is not read"
        self._report(item, what, expected="a base in that folder", hint="copy the config to a folder of your own")
        return True

    def _report(self, node: Node, what: str, *, expected: str = "", hint: str = "") -> None:
        self.problems.append(node.place.problem(what, expected=expected, hint=hint))


def kept_name(number: int, named: str) -> str:
    """Return the name of the copy of a base in a run folder.

    Args:
        number: Its number among the files of the config, which is number 0.
        named: Its path.
    """
    return f"{number}-{Path(named).name}"


def _same(first: Path, second: Path) -> bool:
    return os.path.realpath(first) == os.path.realpath(second)
