"""From a YAML file and overrides to a checked, complete `Spec`, or every problem in it at once."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from dlrun.component import Component
from dlrun.data import datasets
from dlrun.errors import Problem, SpecError
from dlrun.keras_table import short_names
from dlrun.losses import losses
from dlrun.metrics import metrics
from dlrun.models import models
from dlrun.optimizers import optimizers
from dlrun.plugins import load_plugin
from dlrun.registry import Registry, nearest
from dlrun.schedules import schedules
from dlrun.signature import Description
from dlrun.spec.check import find_problems
from dlrun.spec.document import Node
from dlrun.spec.override import apply_overrides
from dlrun.spec.types import Spec, Training
from dlrun.spec.validate import correct_keys, did_you_mean, shown, validate
from dlrun.spec.yaml_source import read_yaml

C = TypeVar("C", bound=Component)

SECTIONS: dict[str, Registry[Any]] = {
    "dataset": datasets,
    "model": models,
    "optimizer": optimizers,
    "schedule": schedules,
    "loss": losses,
}
"""The keys of a spec that hold one component each."""

KEYS = ("name", "seed", "plugins", *SECTIONS, "metrics", "training")
_DEFAULTS = {"optimizer": "adam", "schedule": "constant"}
MAX_SEED = 2**32 - 1
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,79}")


@dataclass(frozen=True)
class SpecFile:
    """A spec and the document it was read from, so that what is learnt later can still point to its line."""

    spec: Spec
    document: Node
    path: Path

    def check(self, description: Description | None) -> None:
        """Check the spec against what is known of its data.

        Raises:
            SpecError: They do not fit.
        """
        problems = [self.document.located(problem) for problem in find_problems(self.spec, description)]
        if problems:
            raise SpecError(problems)


def read_spec(path: Path, overrides: tuple[str, ...] = (), *, trust_plugins: bool = True) -> SpecFile:
    """Read, override, complete and check a spec.

    Args:
        path: The YAML file.
        overrides: `key=value` each, as `--set` takes them.
        trust_plugins: Whether the files under `plugins:` may be loaded.

    Raises:
        SpecError: Every problem that can be found without loading the data.
    """
    document = read_yaml(path)
    apply_overrides(document, overrides)
    if not isinstance(document.value, dict):
        raise SpecError([document.place.problem(f"the spec is {shown(document.plain())}", expected="a group of keys")])
    parser = _Parser(document, path)
    spec = parser.spec(trust_plugins=trust_plugins)
    if spec is None or parser.problems:
        raise SpecError(parser.problems)
    file = SpecFile(spec, document, path)
    file.check(spec.dataset.describe())
    return file


class _Parser:
    """Parses every section even when others are wrong, so that all problems come at once."""

    def __init__(self, document: Node, path: Path) -> None:
        self.document = document
        self.path = path
        self.problems: list[Problem] = correct_keys(document, KEYS, where="the spec")

    def spec(self, *, trust_plugins: bool) -> Spec | None:
        name = self.scalar("name", str, default=self.path.stem, expected="text")
        if not _NAME.fullmatch(name):
            self.report("name", f"the name {name!r}", "letters, digits, '.', '_' and '-', 80 at most")
        seed = self.scalar("seed", int, default=0, expected="a whole number, at least 0")
        if not 0 <= seed <= MAX_SEED:
            self.report("seed", f"seed is {seed}", f"a whole number from 0 to {MAX_SEED}")
        plugins = self.plugins(trusted=trust_plugins)
        parts: dict[str, Any] = {key: self.section(key, registry) for key, registry in SECTIONS.items()}
        listed = self.metrics()
        node = self.document.child("training") or Node({}, self.document.place)
        training, problems = validate(node, Training, where="training")
        self.problems += problems
        if training is None or None in parts.values():
            return None
        return Spec(name=name, seed=seed, plugins=plugins, metrics=listed, training=training, **parts)

    def section(self, key: str, registry: Registry[C]) -> C | None:
        node = self.document.child(key)
        if node is None and key in _DEFAULTS:
            node = Node(_DEFAULTS[key], self.document.place)
        if node is None:
            expected = f"one of {', '.join(registry.names()[:12])}, ..."
            self.problems.append(self.document.place.problem(f"the spec lacks the key {key!r}", expected=expected))
            return None
        if isinstance(node.value, str):
            node = self.document.entries[key] = node.as_group()
        return self.component(node, registry, where=key)

    def component(self, node: Node, registry: Registry[C], *, where: str) -> C | None:
        if isinstance(node.value, dict) and "type" not in node.entries:
            self.rename_to_type(node, where=where)
        kind = node.child("type")
        if kind is None or not isinstance(kind.value, str):
            found = "has no type" if kind is None else f"has the type {shown(kind.plain())}"
            place = (kind or node).place
            expected = f"type: one of {', '.join(registry.names())}"
            self.problems.append(place.problem(f"{where} {found}", expected=expected))
            return None
        name = short_names(registry.kind).get(kind.value, kind.value)
        component = registry.find(name)
        if component is None:
            expected = f"one of {', '.join(registry.names())}"
            what = f"unknown {registry.kind} {kind.value!r}"
            self.problems.append(kind.place.problem(what, expected=expected, hint=did_you_mean(registry.nearest(name))))
            return None
        made, problems = validate(node, component, where=where, extra=("type",))
        self.problems += problems
        return made

    def rename_to_type(self, node: Node, *, where: str) -> None:
        for key in node.entries:
            if nearest(key, ("type",)):
                self.problems += correct_keys(
                    Node({key: node.entries[key]}, node.place, node.key_places), ("type",), where=where
                )
                node.value = {"type" if name == key else name: value for name, value in node.entries.items()}
                return

    def metrics(self) -> tuple[Any, ...]:
        node = self.document.child("metrics")
        if node is None or node.value is None:
            return ()
        if not isinstance(node.value, list):
            self.report("metrics", f"metrics is {shown(node.plain())}", "a list: [accuracy]")
            return ()
        node.value = [item.as_group() for item in node.value]
        made = [self.component(item, metrics, where=f"metrics[{index}]") for index, item in enumerate(node.value)]
        return tuple(metric for metric in made if metric is not None)

    def plugins(self, *, trusted: bool) -> tuple[str, ...]:
        node = self.document.child("plugins")
        listed = node.plain() if node is not None else ()
        if not isinstance(listed, tuple) or not all(isinstance(item, str) for item in listed):
            self.report("plugins", f"plugins is {shown(listed)}", "a list of Python files: [my_model.py]")
            return ()
        if listed and not trusted:
            place = self.document.place_of(("plugins",))
            said = f"this run needs code of its own: {', '.join(listed)}"
            raise SpecError([place.problem(said, hint="--trust-plugins, if you trust it as you trust a script")])
        loaded = []
        for index, item in enumerate(listed):
            try:
                loaded.append(str(load_plugin(Path(item), beside=self.path.parent)))
            except SpecError as error:
                first = error.problems[0]
                place = self.document.place_of(("plugins", index))
                self.problems.append(place.problem(first.what, expected=first.expected, hint=first.hint))
        return tuple(loaded)

    def scalar(self, key: str, kind: type[Any], *, default: Any, expected: str) -> Any:
        node = self.document.child(key)
        if node is None:
            return default
        if type(node.value) is not kind:
            self.report(key, f"{key} is {shown(node.plain())}", expected)
            return default
        return node.value

    def report(self, key: str, what: str, expected: str, hint: str = "") -> None:
        self.problems.append(self.document.place_of((key,)).problem(what, expected=expected, hint=hint))
