"""Generate `table.json` from the installed Keras: its classes, their arguments, and the types and meanings of these.

    python -m dlrun.keras_table.generate

Run it after an update of Keras; a test compares the file with its output. It fails with the name of any argument whose
type follows neither from its default nor from a rule in `rules`.
"""

from __future__ import annotations

import inspect
import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from dlrun.keras_table.descriptions import DESCRIPTIONS
from dlrun.keras_table.docstring import argument_descriptions, summary
from dlrun.keras_table.rules import LEFT_OUT_ARGUMENTS, LEFT_OUT_CLASSES, MERGES, RULES, SUFFIX_RULES, Rule
from dlrun.keras_table.table import GROUPS, MODULES, TABLE_PATH, Argument, Group, plain_argument
from dlrun.system.keras_internals import factor_bounds, named_objects, optimizer_argument_docs, snake_case


class UntypedArgumentError(Exception):
    """The type of an argument follows neither from its default nor from a rule."""


def table() -> dict[str, Any]:
    """Return the whole table in plain JSON values.

    Raises:
        UntypedArgumentError: A rule is missing.
    """
    import keras

    classes = {group: dict(_classes(group)) for group in GROUPS}
    return {
        "generated_from": f"Keras {keras.__version__}, Apache License 2.0",
        "activations": sorted(_activations()),
        "short_names": {group: _short_names(group, classes[group]) for group in GROUPS},
        "groups": {
            group: {name: _plain_entry(group, classes[group][name]) for name in sorted(classes[group])}
            for group in GROUPS
        },
    }


def text(table: Mapping[str, Any]) -> str:
    """Return the table as the text of its file, with one argument per line for readable diffs."""
    lines = json.dumps(table, indent=1, ensure_ascii=False)
    # Braces without others inside, five spaces deep or more, are an argument.
    deepest = re.compile(r"\{\n {5,}[^{}]*\}")
    return deepest.sub(lambda found: re.sub(r"\s*\n\s*", " ", found[0]), lines) + "\n"


def _activations() -> Iterator[str]:
    """Yield the activations that need only a tensor, which excludes `threshold`."""
    for name, function in named_objects("activations").items():
        parameters = tuple(inspect.signature(function).parameters.values())
        if all(parameter.default is not inspect.Parameter.empty for parameter in parameters[1:]):
            yield name


def _module(group: Group) -> Any:
    import keras

    module: Any = keras
    for name in MODULES[group].split(".")[1:]:
        module = getattr(module, name)
    return module


def _classes(group: Group) -> Iterator[tuple[str, type]]:
    for member in vars(_module(group)).values():
        if not inspect.isclass(member) or member.__name__ in LEFT_OUT_CLASSES:
            continue
        if group not in ("layers", "merges") or (member.__name__ in MERGES) == (group == "merges"):
            yield _name(group, member), member


def _name(group: Group, member: type) -> str:
    if group in ("layers", "merges"):
        return "Input" if member.__name__ == "InputLayer" else member.__name__
    if group == "optimizers":  # AdamW is in adamw.py: the name for `keras.optimizers.get`, plus underscores
        return member.__module__.rpartition(".")[2]
    return "l1_l2" if member.__name__ == "L1L2" else snake_case(member.__name__)


def _short_names(group: Group, classes: Mapping[str, type]) -> dict[str, str]:
    if group in ("layers", "merges"):
        aliases = ((alias, found) for alias, found in vars(_module(group)).items() if inspect.isclass(found))
    elif group == "schedules":
        return {}
    else:
        aliases = ((alias, found) for alias, found in named_objects(group).items() if alias.islower())
    names = {found: name for name, found in classes.items()}
    by_function = {snake_case(found.__name__): name for name, found in classes.items()}
    known = ((alias, names.get(found) or by_function.get(getattr(found, "__name__", ""))) for alias, found in aliases)
    return {alias: name for alias, name in sorted(known) if name and alias not in classes}


def _plain_entry(group: Group, member: type) -> dict[str, Any]:
    signature = inspect.signature(member).parameters
    parameters = {
        name: parameter
        for name, parameter in signature.items()
        if parameter.kind is inspect.Parameter.POSITIONAL_OR_KEYWORD
        and not LEFT_OUT_ARGUMENTS & {name, f"{group}.{name}", f"{member.__name__}.{name}"}
    }
    docstring = _docstring(member)
    described = argument_descriptions(docstring, signature)
    return {
        "class_name": member.__name__,
        "summary": DESCRIPTIONS.get(member.__name__) or summary(docstring),
        "arguments": {
            name: plain_argument(_argument(group, member, parameter, described.get(name, "")))
            for name, parameter in parameters.items()
        },
    }


def _docstring(member: type) -> str:
    # Keras fills in this text itself, except for Muon.
    return (member.__doc__ or "").replace("{{base_optimizer_keyword_args}}", optimizer_argument_docs())


def _argument(group: Group, member: type, parameter: inspect.Parameter, described: str) -> Argument:
    name, full_name = parameter.name, f"{member.__name__}.{parameter.name}"
    required = parameter.default is inspect.Parameter.empty
    default = None if required else parameter.default
    rule = _rule(name, full_name, default)
    types = rule.types or _types_of(default)
    if not types:
        raise UntypedArgumentError(f"{group}: {full_name}={default!r} has no type: add a rule to keras_table/rules.py")
    smallest, largest = (factor_bounds(member) if name == "factor" else None) or (rule.ge, rule.le)
    return Argument(
        name=name,
        description=DESCRIPTIONS.get(full_name) or DESCRIPTIONS.get(name) or described,
        types=(*types, "null") if default is None and not required and "null" not in types else types,
        required=required,
        default=_default(default, types),
        choices=rule.choices,
        ge=smallest,
        gt=rule.gt,
        le=largest,
        lt=rule.lt,
        length=_axes(member.__name__) if rule.per_axis else rule.length,
    )


def _rule(name: str, full_name: str, default: object) -> Rule:
    by_suffix = next((rule for ending, rule in SUFFIX_RULES.items() if name.endswith(ending)), Rule())
    # `scale` is a boolean in one class and a number in another; the default tells them apart.
    by_name = Rule() if isinstance(default, bool) else RULES.get(name)
    return RULES.get(full_name) or by_name or by_suffix


def _types_of(default: object) -> tuple[str, ...]:
    # Looked up by the exact type, because True is also an instance of int.
    named = {bool: "bool", int: "int", float: "number"}.get(type(default))
    return (named,) if named else ()


def _default(default: Any, types: tuple[str, ...]) -> Any:
    # Keras may state the default by an alias; the table has one name for each class.
    if "initializer" in types and default is not None:
        return _name("initializers", named_objects("initializers")[default])
    return float(default) if types == ("number",) and default is not None else default


def _axes(class_name: str) -> int | None:
    axes = re.search(r"([123])D", class_name)
    return int(axes[1]) if axes else None


if __name__ == "__main__":
    TABLE_PATH.write_text(text(table()), encoding="utf-8")
