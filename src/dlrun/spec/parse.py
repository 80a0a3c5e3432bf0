"""Parse a YAML file and overrides into a checked, complete `Spec`, or report all problems at once."""

from __future__ import annotations

import os
import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypeVar

from dlrun.component import Fields
from dlrun.component import Path as KeyPath
from dlrun.data import Source
from dlrun.data.columns import ColumnKeys
from dlrun.data.division.folds import Folds, FoldsError
from dlrun.errors import MOST_SHOWN, DataError, Problem, SpecError, encodable
from dlrun.models import Model
from dlrun.plugins import find_plugin, load_plugin
from dlrun.runs.record import Choice
from dlrun.signature import Description
from dlrun.spec.added_keys import complete_stored
from dlrun.spec.checks.check import find_problems
from dlrun.spec.checks.search.fit import search_problems
from dlrun.spec.checks.search.parse import parse_search
from dlrun.spec.decision import DecisionRule
from dlrun.spec.folds import as_of_section, division_problem, first_fold, parse_folds, twice_problems
from dlrun.spec.measured import take_measured
from dlrun.spec.search.section import SearchSection
from dlrun.spec.sections import METRICS, OPTIONAL, SECTIONS, parse_component, parse_section
from dlrun.spec.transfer.initialize import Initialize
from dlrun.spec.trust import OWN, Trust, refuse_model_files, refuse_reach, trust_in, without_tracker
from dlrun.spec.types import Draft, EvaluationKeys, Spec, Training
from dlrun.spec.validate import correct_keys, shown, validate
from dlrun.system.paths import absent, locate, unreadable
from dlrun.yaml_tree.composition.bases import KEY as BASE
from dlrun.yaml_tree.composition.bases import Composition, ConfigFile, compose, read_composed
from dlrun.yaml_tree.composition.variables import KEY as VARIABLES
from dlrun.yaml_tree.composition.variables import Resolution, resolve_variables
from dlrun.yaml_tree.document import Node
from dlrun.yaml_tree.given import document_of
from dlrun.yaml_tree.override import ORIGIN, apply_overrides
from dlrun.yaml_tree.source import read_yaml

KEYS = (
    BASE,
    VARIABLES,
    "name",
    "seed",
    "plugins",
    *SECTIONS,
    "metrics",
    "training",
    "evaluation",
    "folds",
    "decision",
    "initialize",
    "search",
)
MAX_SEED = 2**32 - 1
MAX_METRICS = 1000
MAX_PLUGINS = 100
F = TypeVar("F", bound=Fields)
RUN_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,79}")


@dataclass(frozen=True)
class SpecFile:
    """A spec with its document, so that problems found later can still refer to a line.

    Args:
        spec: The spec.
        document: The document that it was parsed from.
        path: Path of the YAML file.
        trust: Trust in the spec.
        tracking_refused: Reason why the tracker of the spec is not used; empty if it is.
        notes: Messages for the user about which of two places a relative path was found in.
        text: The spec as YAML, if it does not come from the file `path`.
        files: The files that it was made from: `path`, and its bases.
        variables: The values of its variables, and of those of the environment that it used.
        choices: What was chosen for keys that are `auto`, once it is measured.
    """

    spec: Spec
    document: Node
    path: Path
    trust: Trust
    tracking_refused: str = ""
    notes: tuple[str, ...] = ()
    text: str | None = None
    files: tuple[ConfigFile, ...] = ()
    variables: Resolution = field(default_factory=Resolution)
    choices: Mapping[str, Choice] = field(default_factory=dict)

    def first_fold(self) -> SpecFile:
        """Return the spec of its first fold; itself if it has no folds."""
        return replace(self, spec=self.spec.of_folds()[0])

    def check(self, description: Description) -> None:
        """Check the spec against its data, after the data is loaded.

        Raises:
            SpecError: The spec does not fit the data.
        """
        found = find_problems(self.spec.draft(), description, trains=self.trust.trains)
        problems = [self.document.located(problem) for problem in found]
        if problems:
            raise SpecError(problems)


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
        path: Path of the YAML file.
        overrides: Overrides of the form `key=value`, as for `--set`.
        trust: Trust in the file; None to derive it from its folder. A file in the folder of a run has the trust of that
            run.
        content: Content of the file, if the caller has read and verified it; None to read it.
        trust_plugins: Whether to load the plugins, which are code, of a run that was made elsewhere.

    Raises:
        SpecError: Every problem that can be found without loading the data.
        DataError: The spec is correct, but a data file or folder is missing or not usable.
    """
    if trust is None:
        trust, content = trust_in(path, trust_plugins=trust_plugins)
    if trust.is_stored:  # complete, and what looks like a variable in it is text
        document, problems = read_yaml(path, content=content)
        composition = Composition(document, problems)
    else:
        composition = read_composed(path, content=content, reach=trust.reach)
    return _check(composition, path, trust, overrides)


def override_list(overrides: str | Sequence[str]) -> tuple[str, ...]:
    """Return overrides as a tuple; a string, which is a sequence of its characters to Python, is a single one."""
    return (overrides,) if isinstance(overrides, str) else tuple(overrides)


def parse_given(given: Mapping[str, Any], overrides: tuple[str, ...] = (), *, trust: Trust | None = None) -> SpecFile:
    """Complete and check a spec given as a dict, as `read_spec` does for a file.

    Relative paths are relative to the working directory.

    Args:
        given: The keys of the spec.
        overrides: Overrides of the form `key=value`, as for `--set`.
        trust: Trust in the spec; None for the trust in the user's own.

    Raises:
        SpecError: Every problem that can be found without loading the data, each with its key path.
        DataError: See `read_spec`.
    """
    document, text = document_of(given)
    trust = trust or OWN
    composition = compose(document, beside=Path(), reach=trust.reach)
    return replace(_check(composition, Path("run.yaml"), trust, overrides), text=text)


def read_config(
    config: str | Path | Mapping[str, Any], overrides: str | Sequence[str], *, trust_plugins: bool
) -> SpecFile:
    """Read and check a YAML file, or a dict of the same keys.

    Raises:
        SpecError: The spec is wrong.
        DataError: A file that it names is missing.
    """
    overrides = override_list(overrides)
    if isinstance(config, Mapping):
        return parse_given(config, overrides)
    if not isinstance(config, str | os.PathLike):
        raise TypeError(f"the config is a {type(config).__name__}; expected the path of a YAML file, or a dict")
    return read_spec(Path(config), overrides, trust_plugins=trust_plugins)


def _check(composition: Composition, path: Path, trust: Trust, overrides: tuple[str, ...]) -> SpecFile:
    document, problems = composition.root, composition.problems
    variables = Resolution()
    if trust.is_stored:
        complete_stored(document)
        problems += apply_overrides(document, overrides)
    else:
        problems += apply_overrides(document, overrides)
        problems += _base_on_command_line(document)
        environment = os.environ.get if trust.reads_environment else None
        variables = resolve_variables(document, used=frozenset(composition.used), environment=environment)
        problems += variables.problems
    if problems and not document.value:  # an empty file lacks every key, so report only that it is empty
        raise SpecError(problems)
    if not isinstance(document.value, dict):
        what = f"the spec is {shown(document.plain())}"
        raise SpecError([*problems, document.place.problem(what, expected="a group of keys")])
    measured = () if trust.is_stored else tuple(take_measured(document))
    files = tuple(composition.files)
    parser = _SpecParser(document, path, files)
    spec = parser.spec(trust)
    if spec is None or problems or parser.problems:
        raise SpecError(problems + [found for found in parser.problems if not variables.explains(found)])
    if parser.data_error is not None:
        raise parser.data_error
    notes = tuple(parser.notes)
    spec = replace(spec, measured=measured)
    return SpecFile(spec, document, path, trust, parser.tracking_refused, notes, files=files, variables=variables)


def _base_on_command_line(document: Node) -> list[Problem]:
    """Return the problem of a base that is given with `--set`, which would be too late."""
    if not isinstance(document.value, dict) or BASE not in document.value:
        return []
    document.value.pop(BASE)
    place = document.key_places[BASE]
    return [place.problem(f"{BASE} is read before {ORIGIN}", expected=f"{BASE}: in the file")]


class _SpecParser:
    """Parse every part even if others are wrong, so that all problems are reported at once."""

    def __init__(self, document: Node, path: Path, files: Sequence[ConfigFile]) -> None:
        self.document = document
        self.path = path
        self.folders = {str(file.path): file.path.parent for file in files}
        self.problems: list[Problem] = correct_keys(document, KEYS, where="the spec")
        self.tracking_refused = ""
        self.data_error: DataError | None = None
        self.notes: list[str] = []

    def spec(self, trust: Trust) -> Spec | None:
        name = self.scalar("name", str, default=self.path.stem, expected="text")
        if not RUN_NAME.fullmatch(name) and self.document.child("name") is None:
            self.problems.append(self.unusable_file_name())
        elif not RUN_NAME.fullmatch(name):
            self.report("name", f"the name {shown(name)} is not valid", "up to 80 letters, digits, '.', '_' and '-'")
        seed = self.scalar("seed", int, default=0, expected="a whole number of at least 0")
        if not 0 <= seed <= MAX_SEED:
            self.report("seed", f"seed is {seed}", f"a whole number from 0 to {MAX_SEED}")
        before = len(self.problems)
        plugins = self.plugins(trust)
        if len(self.problems) > before:  # names from a missing plugin would look like mistakes
            return None
        draft = self.draft()
        folds, problems = parse_folds(self.document)
        self.problems += problems
        search, problems = parse_search(self.document)
        self.problems += problems
        if not trust.data:
            draft, self.tracking_refused = without_tracker(draft, self.document)
        draft = self.checked(draft, trust, folds, search)
        parts: dict[str, Any] = {key: getattr(draft, key) for key in (*SECTIONS, "metrics", "training", "evaluation")}
        if None in draft.metrics or any(part is None and key not in OPTIONAL for key, part in parts.items()):
            return None
        own: dict[str, Any] = {
            "folds": folds,
            "search": search,
            "decision": draft.decision,
            "initialize": self.initialize(),
        }
        return Spec(name=name, seed=seed, plugins=plugins, **own, **parts)

    def checked(self, draft: Draft, trust: Trust, folds: Folds | None, search: SearchSection | None) -> Draft:
        """Return the draft with the paths of its data resolved, and collect all problems.

        A spec with folds is checked as that of its first fold.
        """
        if draft.model is not None:
            if trust.looks_at_data and not trust.data:
                refuse_model_files(draft.model, self.document)
            must_exist = trust.trains and not trust.is_stored
            draft = replace(draft, model=self.located_model(draft.model, must_exist=must_exist))
        description, asked = None, draft
        if not trust.looks_at_data:
            # Without a dataset, no check can open its files.
            asked = replace(draft, dataset=None)
        elif draft.dataset is not None:
            if not trust.data:
                # Before `located`, which looks for the files.
                refuse_reach(draft.dataset, self.document)
            dataset = self.located(draft.dataset)
            draft = replace(draft, dataset=dataset)
            self.problems += twice_problems(self.document, dataset, folds, search=search is not None)
            asked = replace(draft, dataset=first_fold(dataset, folds))
            description = self.described(asked.dataset)
        try:
            found = [*find_problems(asked, description, trains=trust.trains)]
            found += search_problems(asked, search, description) if search is not None and trust.trains else ()
            self.problems += [self.document.located(as_of_section(problem, folds)) for problem in found]
        except OSError as error:  # raised by a dataset that searches for its files
            self.data_error = self.data_error or unreadable(error)
        return draft

    def located(self, dataset: Source) -> Source:
        """Return the dataset with paths that are relative to the working directory."""
        found = {}
        for key in dataset.place_keys:
            path = getattr(dataset, key)
            if not isinstance(path, str):
                continue
            beside = self.folder_of(("dataset", key))
            place = locate(path, beside=beside)
            if place is not None:
                found[key] = place.path
                self.notes += [f"{key}: {place.note}"] if place.note else []
            elif key in dataset.path_keys and self.data_error is None:
                self.data_error = absent(f"dataset.{key}", path, beside=beside)
        return dataset.model_copy(update=found) if found else dataset

    def located_model(self, model: Model, *, must_exist: bool) -> Model:
        """Return the model with paths that are relative to the working directory.

        A trained model does not need its files any more, and neither does a run that has a checkpoint.
        """
        found = {}
        for key, path in model.files().items():
            beside = self.folder_of(("model", key))
            place = locate(path, beside=beside)
            if place is not None:
                found[key] = place.path
                self.notes += [f"{key}: {place.note}"] if place.note else []
            elif must_exist and self.data_error is None:
                self.data_error = absent(f"model.{key}", path, beside=beside)
        return model.model_copy(update=found) if found else model

    def folder_of(self, path: KeyPath) -> Path:
        """Return the folder of the file that a value stands in, which may be a base; with `--set`, of the config."""
        return self.folders.get(self.document.at(path).place.origin, self.path.parent)

    def described(self, dataset: Source | None) -> Description | None:
        """Return the description of the data. An error in the data is kept until the spec is checked."""
        if dataset is None or self.data_error is not None:
            return None
        try:
            description = dataset.describe()
        except OSError as error:
            self.data_error = unreadable(error)
            return None
        try:
            if description is None:
                dataset.check_files()
            dataset.check_fold()
        except FoldsError as error:
            self.problems.append(division_problem(self.document, error))
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
                # The class is known even if a value of the model is wrong, so that the data can still be checked
                # against it.
                parts["model_type"] = kind if kind is not None and issubclass(kind, Model) else None
        dataset, model = parts["dataset"], parts["model_type"]
        if isinstance(dataset, ColumnKeys) and model and not model.learns_embedded:
            parts["dataset"] = dataset.without_vectors()
        training, evaluation = self.options("training", Training), self.options("evaluation", EvaluationKeys)
        return Draft(
            metrics=self.metrics(), training=training, evaluation=evaluation, decision=self.decision(), **parts
        )

    def options(self, key: str, fields: type[F]) -> F | None:
        """Parse a section of plain keys, which all have defaults."""
        node = self.document.child(key) or Node({}, self.document.place)
        made, problems = validate(node, fields, where=key)
        self.problems += problems
        return made

    def decision(self) -> DecisionRule | None:
        node = self.document.child("decision")
        if node is None or node.value is None:
            return None
        made, problems = validate(node, DecisionRule, where="decision")
        self.problems += problems
        return made

    def initialize(self) -> Initialize | None:
        """Parse the section; an id alone is short for `run`."""
        node = self.document.child("initialize")
        if node is None or node.value is None:
            return None
        if isinstance(node.value, str):
            node = self.document.entries["initialize"] = Node({"run": node}, node.place)
        made, problems = validate(node, Initialize, where="initialize")
        self.problems += problems
        return made

    def metrics(self) -> tuple[Any, ...]:
        node = self.document.child("metrics")
        if node is None or node.value is None:
            return ()
        if not isinstance(node.value, list):
            self.report("metrics", f"metrics is {shown(node.plain())}", "a list, such as [accuracy]")
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
            self.report("plugins", f"plugins is {shown(listed)}", "a list of Python files, such as [my_model.py]")
            return ()
        if len(listed) > MAX_PLUGINS:
            self.report("plugins", f"there are {len(listed):,} plugins", f"at most {MAX_PLUGINS}")
            return ()
        place = self.document.place_of(("plugins",))
        if listed and not trust.plugins:
            message = f"this run, which was made elsewhere, needs its own code: {', '.join(listed)}"
            # Raised at once: without the plugins, every name from them would look like a mistake.
            raise SpecError([place.problem(message, hint="add --trust-plugins if you trust this code")])
        loaded = []
        for index, item in enumerate(listed):
            within, beside = trust.plugins_within, self.folder_of(("plugins", index))
            # Resolved, because a link inside the folder may lead to code outside of it.
            if within is not None and not (beside / item).resolve().is_relative_to(within.resolve()):
                raise SpecError([place.problem(f"the plugin {item} is outside {within}")])
            try:
                found = find_plugin(item, beside=beside, working_directory=trust.working_directory)
                self.notes += [f"plugins: {found.note}"] if found.note else []
                loaded.append(str(load_plugin(Path(found.path))))
            except SpecError as error:
                first = error.problems[0]
                place = self.document.place_of(("plugins", index))
                self.problems.append(place.problem(first.what, expected=first.expected, hint=first.hint))
        return tuple(loaded)

    def unusable_file_name(self) -> Problem:
        """Return the problem of a file whose name is not a valid run name, if the spec has no name."""
        stem = self.path.stem
        ascii_part = unicodedata.normalize("NFKD", stem).encode("ascii", "ignore").decode()
        name = re.sub(r"[^A-Za-z0-9._-]+", "_", ascii_part).strip("._-")[:80] or "my_run"
        return Problem(
            f"a run is named after its file, but {shown(encodable(stem))} is not a valid name",
            "up to 80 ASCII letters, digits, '.', '_' and '-'",
            f"add name: {name} to the file, or rename the file",
            encodable(str(self.path)),
        )

    def scalar(self, key: str, kind: type[Any], *, default: Any, expected: str) -> Any:
        node = self.document.child(key)
        if node is None:
            return default
        # Not isinstance(): to Python `true` is an int, but it is not a seed.
        if type(node.value) is not kind:
            self.report(key, f"{key} is {shown(node.plain())}", expected)
            return default
        return node.value

    def report(self, key: str, what: str, expected: str) -> None:
        self.problems.append(self.document.place_of((key,)).problem(what, expected=expected))
