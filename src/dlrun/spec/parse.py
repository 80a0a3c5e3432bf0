"""From a YAML file and overrides to a checked, complete `Spec`, or every problem in it at once."""

from __future__ import annotations

import os
import re
import unicodedata
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from dlrun.data import Source
from dlrun.data.columns import ColumnKeys
from dlrun.errors import MOST_SHOWN, DataError, Problem, SpecError, encodable
from dlrun.models import Model
from dlrun.plugins import find_plugin, load_plugin
from dlrun.runs.enclosing import folder_around
from dlrun.signature import Description
from dlrun.spec.check import find_problems
from dlrun.spec.sections import METRICS, OPTIONAL, SECTIONS, parse_component, parse_section
from dlrun.spec.types import Draft, Spec, Training
from dlrun.spec.validate import correct_keys, shown, validate
from dlrun.system.disk import disk
from dlrun.system.paths import absent, locate, unreadable
from dlrun.yaml_tree.document import Node
from dlrun.yaml_tree.given import document_of
from dlrun.yaml_tree.override import ORIGIN as OVERRIDE
from dlrun.yaml_tree.override import apply_overrides
from dlrun.yaml_tree.source import MAX_BYTES, read_yaml

KEYS = ("name", "seed", "plugins", *SECTIONS, "metrics", "training")
MAX_SEED = 2**32 - 1
MAX_METRICS = 1000
MAX_PLUGINS = 100
RUN_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,79}")


@dataclass(frozen=True)
class Trust:
    """What a spec is trusted with.

    Args:
        plugins: Whether the files under `plugins:`, which are code, may be loaded.
        data: Whether it may say which data files are read, and what tracker is told; otherwise only an override may.
        looks_at_data: Whether the data is asked for its shape; False: nothing of it is opened, whatever the spec says.
        plugins_within: The folder that plugins have to be in; None: anywhere.
        repository: Whether git may look at the folder of the spec: a repository there can name programs to run.
        working_directory: Whether plugins are looked for there too; a run's own are copies beside its spec.
        trains: Whether it is to be trained; False: what keeps a training from its start is not looked for.
    """

    plugins: bool = True
    data: bool = True
    looks_at_data: bool = True
    plugins_within: Path | None = None
    repository: bool = True
    working_directory: bool = True
    trains: bool = True


@dataclass(frozen=True)
class SpecFile:
    """A spec and the document it was read from, so that what is learnt later can still point to its line.

    Args:
        tracking_refused: Why the spec has lost its tracker, for a run that goes on without; empty: it has not.
        notes: Which of two places a relative path was found in, for the user to see.
        text: The spec as YAML, where it is not in the file `path`.
    """

    spec: Spec
    document: Node
    path: Path
    trust: Trust
    tracking_refused: str = ""
    notes: tuple[str, ...] = ()
    text: str | None = None

    def check(self, description: Description) -> None:
        """Check the spec against its data, once that is loaded.

        Raises:
            SpecError: They do not fit.
        """
        found = find_problems(self.spec.draft(), description, trains=self.trust.trains)
        problems = [self.document.located(problem) for problem in found]
        if problems:
            raise SpecError(problems)


OWN = Trust()


def read_spec(
    path: Path,
    overrides: tuple[str, ...] = (),
    *,
    trust: Trust | None = None,
    content: bytes | None = None,
    trust_plugins: bool = False,
) -> SpecFile:
    """Read, override, complete and check a spec.

    Args:
        path: The YAML file.
        overrides: `key=value` each, as `--set` takes them.
        trust: What the file is trusted with; None: what its place says. A file in the folder of a run that was not made
            here is trusted as that run is.
        content: What the file holds, for who has verified these very bytes; None: it is read.
        trust_plugins: Whether the plugins of a run that was not made here, which are code, may be loaded.

    Raises:
        SpecError: Every problem that can be found without loading the data.
        DataError: The spec is right, and a file or folder of the data is not there, or is known to be wrong.
    """
    if trust is None:
        trust, content = _given_trust(path, trust_plugins=trust_plugins)
    document, problems = read_yaml(path, content=content)
    return _checked(document, problems, path, trust, overrides)


def override_list(overrides: str | Sequence[str]) -> tuple[str, ...]:
    """Return overrides as a tuple; a string, which is a sequence of its characters to Python, is a single one."""
    return (overrides,) if isinstance(overrides, str) else tuple(overrides)


def parse_given(given: Mapping[str, Any], overrides: tuple[str, ...] = ()) -> SpecFile:
    """Complete and check a spec that is a dict, as `read_spec` does a file.

    Relative paths start in the working directory.

    Raises:
        SpecError: Every problem that can be found without loading the data, each with the path of its key.
        DataError: As `read_spec`.
    """
    document, text = document_of(given)
    return replace(_checked(document, [], Path("run.yaml"), OWN, overrides), text=text)


def _checked(document: Node, problems: list[Problem], path: Path, trust: Trust, overrides: tuple[str, ...]) -> SpecFile:
    problems += apply_overrides(document, overrides)
    if problems and not document.value:  # an empty file lacks everything: one problem says so
        raise SpecError(problems)
    if not isinstance(document.value, dict):
        what = f"the spec is {shown(document.plain())}"
        raise SpecError([*problems, document.place.problem(what, expected="a group of keys")])
    parser = _SpecParser(document, path)
    spec = parser.spec(trust)
    if spec is None or problems or parser.problems:
        raise SpecError(problems + parser.problems)
    if parser.data_error is not None:
        raise parser.data_error
    return SpecFile(spec, document, path, trust, parser.tracking_refused, tuple(parser.notes))


def _given_trust(path: Path, *, trust_plugins: bool) -> tuple[Trust, bytes | None]:
    """What a file is trusted with for the place where it lies, and its content where that was verified.

    A run folder that somebody sent is trained, planned and looked at by its spec.yaml as easily as by its id.
    """
    around, content = folder_around(path), None
    if around is None:
        return OWN, None
    from dlrun.runs.folder import RunFolder
    from dlrun.runs.provenance.trust import is_own

    run = RunFolder(around)
    is_its_spec = os.path.realpath(path) == os.path.realpath(run.spec_yaml)
    if is_its_spec:
        with suppress(OSError):
            content = disk.read_file(path, limit=MAX_BYTES + 1)  # once: what is verified is what is parsed
    if is_own(run, spec=content):
        return Trust(plugins_within=None if is_its_spec else run.plugins), content
    foreign = Trust(
        plugins=trust_plugins, data=False, plugins_within=run.plugins, repository=False, working_directory=False
    )
    return foreign, content


class _SpecParser:
    """Parses every part even when others are wrong, so that all problems come at once."""

    def __init__(self, document: Node, path: Path) -> None:
        self.document = document
        self.path = path
        self.problems: list[Problem] = correct_keys(document, KEYS, where="the spec")
        self.tracking_refused = ""
        self.data_error: DataError | None = None
        self.notes: list[str] = []

    def spec(self, trust: Trust) -> Spec | None:
        name = self.scalar("name", str, default=self.path.stem, expected="text")
        if not RUN_NAME.fullmatch(name) and self.document.child("name") is None:
            self.problems.append(self.unusable_file_name())
        elif not RUN_NAME.fullmatch(name):
            self.report("name", f"the name {shown(name)}", "letters, digits, '.', '_' and '-', 80 at most")
        seed = self.scalar("seed", int, default=0, expected="a whole number of at least 0")
        if not 0 <= seed <= MAX_SEED:
            self.report("seed", f"seed is {seed}", f"a whole number from 0 to {MAX_SEED}")
        before = len(self.problems)
        plugins = self.plugins(trust)
        if len(self.problems) > before:  # what a plugin would have brought cannot be told from a mistake
            return None
        draft = self.draft()
        if not trust.data:
            draft = self.without_tracker(draft)
        draft = self.checked(draft, trust)
        parts: dict[str, Any] = {key: getattr(draft, key) for key in (*SECTIONS, "metrics", "training")}
        if None in draft.metrics or any(part is None and key not in OPTIONAL for key, part in parts.items()):
            return None
        return Spec(name=name, seed=seed, plugins=plugins, **parts)

    def checked(self, draft: Draft, trust: Trust) -> Draft:
        """The draft with the places of its data found, after everything that can be checked was."""
        description, asked = None, draft
        if not trust.looks_at_data:
            asked = replace(draft, dataset=None)
        elif draft.dataset is not None:
            if not trust.data:
                self.refuse_reach(draft.dataset)
            draft = asked = replace(draft, dataset=self.located(draft.dataset))
            description = self.described(draft.dataset)
        try:
            found = find_problems(asked, description, trains=trust.trains)
            self.problems += [self.document.located(problem) for problem in found]
        except OSError as error:  # of a dataset that looks for its files
            self.data_error = self.data_error or unreadable(error)
        return draft

    def located(self, dataset: Source) -> Source:
        """The dataset with each path as it can be opened from the working directory."""
        found = {}
        for key in dataset.place_keys:
            path = getattr(dataset, key)
            if not isinstance(path, str):
                continue
            place = locate(path, beside=self.path.parent)
            if place is not None:
                found[key] = place.path
                self.notes += [f"{key}: {place.note}"] if place.note else []
            elif key in dataset.path_keys and self.data_error is None:
                self.data_error = absent(f"dataset.{key}", path, beside=self.path.parent)
        return dataset.model_copy(update=found) if found else dataset

    def described(self, dataset: Source | None) -> Description | None:
        """What is known of the data; why it cannot be read is kept for the end, behind what is wrong with the spec."""
        if dataset is None or self.data_error is not None:
            return None
        try:
            description = dataset.describe()
        except OSError as error:
            self.data_error = unreadable(error)
            return None
        if description is None:
            try:
                dataset.check_files()
            except DataError as error:
                self.data_error = error
        return description

    def draft(self) -> Draft:
        parts: dict[str, Any] = {}
        for key in SECTIONS:
            made, kind, problems = parse_section(self.document, key)
            parts[key] = made
            self.problems += problems
            if key == "model":
                parts["model_type"] = kind if kind is not None and issubclass(kind, Model) else None
        dataset, model = parts["dataset"], parts["model_type"]
        if isinstance(dataset, ColumnKeys) and model and not model.learns_embedded:
            parts["dataset"] = dataset.without_vectors()
        node = self.document.child("training") or Node({}, self.document.place)
        training, problems = validate(node, Training, where="training")
        self.problems += problems
        return Draft(metrics=self.metrics(), training=training, **parts)

    def metrics(self) -> tuple[Any, ...]:
        node = self.document.child("metrics")
        if node is None or node.value is None:
            return ()
        if not isinstance(node.value, list):
            self.report("metrics", f"metrics is {shown(node.plain())}", "a list: [accuracy]")
            return (None,)
        node.value = [item.as_group() for item in node.value]
        if len(node.value) > MAX_METRICS:
            self.report("metrics", f"there are {len(node.value):,} metrics", f"at most {MAX_METRICS}")
            return (None,)
        parsed = [
            parse_component(item, METRICS, where=f"metrics[{index}]", hinted=index < MOST_SHOWN)
            for index, item in enumerate(node.value)
        ]
        self.problems += [problem for _, _, problems in parsed for problem in problems]
        return tuple(made for made, _, _ in parsed)

    def plugins(self, trust: Trust) -> tuple[str, ...]:
        node = self.document.child("plugins")
        listed = node.plain() if node is not None else ()
        if not isinstance(listed, tuple) or not all(isinstance(item, str) for item in listed):
            self.report("plugins", f"plugins is {shown(listed)}", "a list of Python files: [my_model.py]")
            return ()
        if len(listed) > MAX_PLUGINS:
            self.report("plugins", f"there are {len(listed):,} plugins", f"at most {MAX_PLUGINS}")
            return ()
        place = self.document.place_of(("plugins",))
        if listed and not trust.plugins:
            said = f"this run needs code of its own: {', '.join(listed)}"
            raise SpecError([place.problem(said, hint="--trust-plugins, if you trust it as you trust a script")])
        loaded = []
        for index, item in enumerate(listed):
            within = trust.plugins_within
            if within is not None and not (self.path.parent / item).resolve().is_relative_to(within.resolve()):
                raise SpecError([place.problem(f"the plugin {item} is outside of {within}")])
            try:
                found = find_plugin(item, beside=self.path.parent, working_directory=trust.working_directory)
                self.notes += [f"plugins: {found.note}"] if found.note else []
                loaded.append(str(load_plugin(Path(found.path))))
            except SpecError as error:
                first = error.problems[0]
                place = self.document.place_of(("plugins", index))
                self.problems.append(place.problem(first.what, expected=first.expected, hint=first.hint))
        return tuple(loaded)

    def refuse_reach(self, dataset: Source) -> None:
        """Stop at a stranger's spec that says which files to read, unless the user has said the same.

        Raises:
            SpecError: It does; nothing was opened.
        """
        problems = []
        for key in dataset.reach_keys:
            value, place = getattr(dataset, key), self.document.place_of(("dataset", key))
            if value and place.origin != OVERRIDE:
                said = f"this run was not made here: its dataset.{key} ({shown(value)}) is not used unasked"
                problems.append(place.problem(said, hint=f"--set dataset.{key}=..., with the value that you want"))
        if problems:
            raise SpecError(problems)

    def without_tracker(self, draft: Draft) -> Draft:
        """Leave out a stranger's tracker, unless the user has named it too: a run is as good without."""
        tracker = draft.tracking
        if tracker is None or all(
            self.document.place_of(("tracking", k)).origin == OVERRIDE for k in tracker.reach_keys
        ):
            return draft
        hint = f"--set tracking.{tracker.reach_keys[0]}=... names one"
        self.tracking_refused = f"none: this run was not made here, and its {tracker.type_name} is not used; {hint}"
        return replace(draft, tracking=None)

    def unusable_file_name(self) -> Problem:
        """The problem of a file whose name a run cannot have, where the spec gives no other."""
        stem = self.path.stem
        ascii_part = unicodedata.normalize("NFKD", stem).encode("ascii", "ignore").decode()
        name = re.sub(r"[^A-Za-z0-9._-]+", "_", ascii_part).strip("._-")[:80] or "my_run"
        return Problem(
            f"a run is called after its file, and {shown(encodable(stem))} cannot be its name",
            "letters of ASCII, digits, '.', '_' and '-', 80 at most",
            f"name: {name} in the file, or another name for the file",
            encodable(str(self.path)),
        )

    def scalar(self, key: str, kind: type[Any], *, default: Any, expected: str) -> Any:
        node = self.document.child(key)
        if node is None:
            return default
        if type(node.value) is not kind:
            self.report(key, f"{key} is {shown(node.plain())}", expected)
            return default
        return node.value

    def report(self, key: str, what: str, expected: str) -> None:
        self.problems.append(self.document.place_of((key,)).problem(what, expected=expected))
