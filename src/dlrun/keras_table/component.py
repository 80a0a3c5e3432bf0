"""Turn entries of the table into component classes, and such components into Keras objects."""

from __future__ import annotations

import functools
import importlib
import re
from collections.abc import Iterator, Mapping
from typing import Annotated, Any, ClassVar, TypeVar, cast

from pydantic import BeforeValidator, Field, PlainSerializer, ValidationError, WithJsonSchema, create_model
from pydantic_core import ErrorDetails, InitErrorDetails, PydanticCustomError

from dlrun.component import Component
from dlrun.keras_table.annotation import expectation, field_of
from dlrun.keras_table.rules import LEFT_OUT_CLASSES, MERGES
from dlrun.keras_table.table import MODULES, Entry, Group, activation_names, entry_names, find_entry, short_names
from dlrun.names import nearest


class KerasComponent(Component):
    """A component whose fields are the arguments of a Keras class."""

    entry: ClassVar[Entry]


class KerasPart(KerasComponent):
    """A Keras object that is an argument of another: an initializer, regularizer, constraint or layer."""

    def build(self) -> Any:
        """Build the Keras object."""
        return keras_object(self)


C = TypeVar("C", bound=KerasComponent)

_PARTS: Mapping[str, Group] = {
    "initializer": "initializers",
    "regularizer": "regularizers",
    "constraint": "constraints",
    "layer": "layers",
    "node": "nodes",
}
_LAYER_GROUPS = ("layers", "merges", "nodes")
_KINDS = {group: kind for kind, group in _PARTS.items()} | {"nodes": "layer"}

_SELF_EXPLANATORY = frozenset({"missing", "argument", "unknown_argument", "unknown_name", "layer", "name"})
_LEFT_OUT = " for specs: the one of Keras needs code, several inputs, strings, or a call of adapt()"
_OF_A_GRAPH = " here: it has several inputs, which only a layer of a model of type graph can have"
_SPECIAL = {
    "input_shape": ": write the input shape as a layer of its own, Input: {shape: [...]}",
    "input_dim": ": write the input shape as a layer of its own, Input: {shape: [...]}",
    "batch_input_shape": ": write the input shape as a layer of its own, Input: {shape: [...]}",
    "dtype": ": use training.precision",
}
"""Arguments common in tutorials that dlrun expresses elsewhere, each with a hint."""


def component_class(entry: Entry, base: type[C]) -> type[C]:
    """Return a subclass of `base` with a field for each argument of `entry`."""
    fields: dict[str, Any] = {argument.name: field_of(argument, part_annotation) for argument in entry.arguments}
    made = create_model(entry.class_name, __base__=base, __doc__=entry.summary, __module__=base.__module__, **fields)
    made.entry = entry
    made.type_name = entry.name
    return made


def keras_object(component: KerasComponent, /, **given: Any) -> Any:
    """Build the Keras object from the arguments of the component; those in `given` take precedence."""
    entry = component.entry
    made = getattr(importlib.import_module(MODULES[entry.group]), entry.class_name)
    arguments = {argument.name: _built(getattr(component, argument.name)) for argument in entry.arguments}
    return made(**arguments | given)


def _built(value: Any) -> Any:
    return value.build() if isinstance(value, KerasPart) else value


class LayerPart(KerasPart):
    """A layer of a `sequential` model, or a layer wrapped by another one."""

    name: str | None = Field(
        default=None,
        pattern=r"^[A-Za-z0-9.][A-Za-z0-9_.>-]*$",
        description="Name in the model summary and in checkpoints; null: position and type.",
    )
    trainable: bool = Field(default=True, description="Whether training updates its weights.")

    def build(self, *, name: str | None = None, dtype: str | None = None) -> Any:
        """Build the layer.

        Args:
            name: Name if the layer has none; None for its type.
            dtype: Precision of its computations and those of wrapped layers; None for the precision of the run.
        """
        inner = {key: value.build(dtype=dtype) for key, value in self if isinstance(value, LayerPart)}
        name = self.name or name or self.snake_case
        layer = keras_object(self, name=name, dtype=dtype, **inner)
        layer.trainable = self.trainable  # not every layer class accepts it as an argument
        return layer

    @property
    def snake_case(self) -> str:
        """Its type in the form that Keras uses in layer names: `max_pooling2d`."""
        return re.sub(r"([a-z])([A-Z])", r"\1_\2", re.sub(r"(.)([A-Z][a-z]+)", r"\1_\2", self.type_name)).lower()


def _as_names(value: Any) -> Any:
    """Turn a single name into a list with it."""
    return (value,) if isinstance(value, str) else value


class NodePart(LayerPart):
    """A layer of a `graph` model, with one input or several."""

    inputs: Annotated[tuple[str, ...] | None, BeforeValidator(_as_names)] = Field(
        default=None,
        description="Names of the layers whose outputs it takes, one name or a list; `features` is the input of the "
        "model. null: the layer before it in the list.",
    )


@functools.cache
def part_class(group: Group, name: str) -> type[KerasPart]:
    """Return the component class of an initializer, regularizer, constraint or layer."""
    base = NodePart if group == "nodes" else LayerPart if group in _LAYER_GROUPS else KerasPart
    return component_class(find_entry(group, name), base)


@functools.cache
def part_annotation(kind: str) -> Any:
    """Return the annotation of a field for an initializer, regularizer, constraint or layer."""
    group = _PARTS[kind]
    # The class of a part is made when a spec names it. Making the classes of all parts here would never end,
    # because some layers wrap layers.
    return Annotated[
        Any,
        BeforeValidator(lambda value: parse_part(group, value)),
        PlainSerializer(plain_part),
        WithJsonSchema({"anyOf": [{"enum": list(entry_names(group))}, _schema_of_group(group)]}),
    ]


def _schema_of_group(group: Group) -> dict[str, Any]:
    names = {"enum": list(entry_names(group))}
    if group in _LAYER_GROUPS:
        return {"type": "object", "propertyNames": names, "minProperties": 1, "maxProperties": 1}
    return {"type": "object", "properties": {"type": names}, "required": ["type"]}


def parse_part(group: Group, value: Any) -> KerasPart:
    """Parse a name, or a name with arguments, into a component.

    Args:
        group: Group of the component.
        value: `he_normal` or `{type: random_normal, stddev: 0.1}`; a layer as `Flatten` or `{Dense: {units: 10}}`.

    Raises:
        PydanticCustomError: The value has the wrong form.
        ValidationError: The name is unknown or an argument is wrong. Locations start at `value`.
    """
    if isinstance(value, KerasPart):
        return value
    name, arguments, place = _parsed_layer(value) if group in _LAYER_GROUPS else _parse_named(group, value)
    name = short_names(group).get(name, name)
    if name not in entry_names(group):
        raise ValidationError.from_exception_data(group, [_unknown_name(group, name, value)])
    try:
        return part_class(group, name).model_validate(_with_tuples(arguments))
    except ValidationError as error:
        raise ValidationError.from_exception_data(name, list(_placed(error, place, find_entry(group, name)))) from None


def _with_tuples(value: Any) -> Any:
    """Turn lists into tuples: the fields of plugins come from JSON, where a sequence is a list."""
    if isinstance(value, dict):
        return {key: _with_tuples(each) for key, each in value.items()}
    return tuple(map(_with_tuples, value)) if isinstance(value, list) else value


def plain_part(part: KerasPart) -> Any:
    """Return a component as a spec contains it, the inverse of `parse_part`, without arguments at their default."""
    fields = type(part).model_fields
    written = part.model_dump(mode="json")
    arguments = {name: value for name, value in written.items() if value != _plain(fields[name].default)}
    if part.entry.group in _LAYER_GROUPS:
        return {part.type_name: arguments} if arguments else part.type_name
    return {"type": part.type_name, **arguments} if arguments else part.type_name


def _plain(default: Any) -> Any:
    return [_plain(item) for item in default] if isinstance(default, tuple) else default


def _parsed_layer(value: Any) -> tuple[str, Any, tuple[str, ...]]:
    if isinstance(value, str):
        return value, {}, ()
    if isinstance(value, Mapping) and len(value) == 1:
        name, arguments = next(iter(value.items()))
        return str(name), {} if arguments is None else arguments, (str(name),)
    raise PydanticCustomError(
        "layer",
        "Input should be a layer: a name, or one name with its arguments ({example})",
        {"example": "Dense: {units: 10}"},
    )


def _parse_named(group: Group, value: Any) -> tuple[str, Any, tuple[str, ...]]:
    if isinstance(value, str):
        return value, {}, ()
    if isinstance(value, Mapping) and isinstance(value.get("type"), str):
        return value["type"], {key: item for key, item in value.items() if key != "type"}, ()
    raise PydanticCustomError(
        "name",
        "Input should be the name of one of the {group} of Keras, or a type with its arguments",
        {"group": group},
    )


def _unknown_name(group: Group, name: str, value: Any) -> InitErrorDetails:
    place: tuple[str, ...] = () if isinstance(value, str) else (name,) if group in _LAYER_GROUPS else ("type",)
    left_out = name in LEFT_OUT_CLASSES or (group == "layers" and name in MERGES)
    # The name of a class that is left out on purpose is not misspelled, so a similar one is no help.
    found = None if left_out else nearest(name, (*entry_names(group), *short_names(group)))
    why = _OF_A_GRAPH if name in MERGES and left_out else _LEFT_OUT if left_out else ""
    error = _custom("unknown_name", f"there is no {_KINDS[group]} {name!r}{why}", found)
    return InitErrorDetails(type=error, loc=place, input=name)


def _placed(error: ValidationError, place: tuple[str, ...], entry: Entry) -> Iterator[InitErrorDetails]:
    """Yield the errors in the arguments of a part, with full messages and locations."""
    rows = error.errors(include_url=False)
    described = [(row, _describe(row, entry)) for row in rows]
    # A misspelled argument is one mistake: do not also report the argument that it stands for as missing.
    misspelled = {
        text.context["nearest"] for row, text in described if text.type == "unknown_argument" and text.context
    }
    for row, text in described:
        if row["type"] != "missing" or row["loc"] not in {(name,) for name in misspelled}:
            yield InitErrorDetails(type=text, loc=(*place, *row["loc"]), input=row["input"])


def _describe(row: ErrorDetails, entry: Entry) -> PydanticCustomError:
    kind, key = row["type"], str(row["loc"][0]) if row["loc"] else ""
    if kind == "extra_forbidden" and len(row["loc"]) == 1:
        found = nearest(key, part_class(entry.group, entry.name).model_fields)
        special = _SPECIAL.get(key, "")
        what = f"{entry.name} has no argument {key!r}{special}"
        return _custom("unknown_argument", what, None if special else found)
    if kind in {"model_type", "model_attributes_type"}:
        return _custom("argument", f"the arguments of {entry.name} should be a group of keys", None)
    argument = next((argument for argument in entry.arguments if argument.name == key), None)
    if argument is None or kind in _SELF_EXPLANATORY:
        return PydanticCustomError(cast("Any", kind), "{message}", {**row.get("ctx", {}), "message": row["msg"]})
    words = activation_names() if "activation" in argument.types else argument.choices
    found = nearest(row["input"], words) if isinstance(row["input"], str) else None
    return _custom("argument", f"{key} should be {expectation(argument)}", found)


def _custom(kind: Any, what: str, found: str | None) -> PydanticCustomError:
    hint = f"; did you mean {found!r}?" if found else ""
    return PydanticCustomError(kind, "{what}{hint}", {"what": what, "hint": hint, "nearest": found or ""})
