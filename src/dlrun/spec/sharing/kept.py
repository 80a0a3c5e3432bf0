"""Keep the files that a run was made from in its folder, and tell which of their values have changed since."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from hashlib import sha256
from pathlib import Path

from dlrun.errors import SpecError
from dlrun.runs.folder import RunFolder
from dlrun.runs.record import ConfigRecord
from dlrun.spec.parse import SpecFile
from dlrun.system.disk import disk, explained
from dlrun.yaml_tree.composition.bases import Reach, kept_name, read_composed
from dlrun.yaml_tree.composition.variables import resolve_variables
from dlrun.yaml_tree.document import Node
from dlrun.yaml_tree.text import yaml_text

_MOST_KEYS = 8


def keep_config(folder: RunFolder, file: SpecFile) -> ConfigRecord:
    """Write the config of a run, and the files that it is based on, into its folder.

    Args:
        folder: The run.
        file: The spec.

    Returns:
        Their names and sums, and the variables, for `run.json`.

    Raises:
        RunError: A file cannot be written.
    """
    named: dict[str, str] = {}
    if file.text is not None:
        folder.write_text(folder.config_yaml, file.text)
    else:
        own = file.files[0].content if file.files else file.path.read_bytes()
        # utf-8-sig drops the byte order mark that some editors put at the start of a file.
        folder.write_text(folder.config_yaml, own.decode("utf-8-sig"))
    bases = file.files if file.text is not None else file.files[1:]
    for number, base in enumerate(bases, start=0 if file.text is not None else 1):
        with explained(f"make {folder.bases}"):
            disk.make_folders(folder.bases)
        folder.write_text(folder.bases / kept_name(number, str(base.path)), base.content.decode("utf-8-sig"))
    for each in file.files:
        named[str(each.path.absolute())] = sha256(each.content).hexdigest()
    environment = {name: value for name, value in file.variables.environment.items() if value is not None}
    variables = dict(file.variables.variables)
    return ConfigRecord(files=named, variables=variables, environment=environment, measured=dict(file.choices))


def config_changes(file: SpecFile, folder: RunFolder) -> str:
    """Return which values of the config of a run, and of its bases, have changed since; empty if none has.

    The run goes on with its own spec, whatever they say now. Of a run that was made elsewhere nothing is read.

    Args:
        file: The stored spec of the run.
        folder: The run.
    """
    record = folder.read_record().config
    if record is None or not file.trust.data or not _has_changed(record):
        return ""
    path = Path(next(iter(record.files)))
    try:
        before = dict(_values(folder.config_yaml, Reach(kept=folder.bases), record.environment))
        after = dict(_values(path, Reach(), record.environment))
    except SpecError as error:
        return f"{_short(str(path))} has changed since this run began: {error.problems[0].what}"
    keys = [key for key in {**before, **after} if _text(before, key) != _text(after, key)]
    shown = [f"{key} {_text(before, key)} -> {_text(after, key)}{_where(after.get(key))}" for key in keys[:_MOST_KEYS]]
    more = f", and {len(keys) - _MOST_KEYS} more" if len(keys) > _MOST_KEYS else ""
    return f"changed since this run began: {', '.join(shown)}{more}; the run keeps its own spec" if keys else ""


def _has_changed(record: ConfigRecord) -> bool:
    """Return whether a file has another content now. One that is gone, or cannot be read, has not changed."""
    for path, known in record.files.items():
        try:
            if sha256(disk.read_file(Path(path))).hexdigest() != known:
                return True
        except OSError:
            return False
    return False


def _values(path: Path, reach: Reach, environment: Mapping[str, str]) -> Iterator[tuple[str, Node]]:
    """Yield the values of a config by their keys, with the same variables of the environment as then."""
    composition = read_composed(path, reach=reach)
    resolve_variables(composition.root, used=frozenset(composition.used), environment=environment.get)
    yield from _leaves(composition.root, "")


def _leaves(node: Node, key: str) -> Iterator[tuple[str, Node]]:
    if not node.entries:
        yield key, node
    for below, value in node.entries.items():
        yield from _leaves(value, f"{key}.{below}" if key else below)


def _text(values: Mapping[str, Node], key: str) -> str:
    return yaml_text(values[key].plain()) if key in values else "default"


def _where(node: Node | None) -> str:
    return f" ({_short(node.place.origin)}:{node.place.line})" if node is not None else ""


def _short(path: str) -> str:
    """Return a path from the working directory, if that is shorter."""
    return min(path, os.path.relpath(path), key=len)
