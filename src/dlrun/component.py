"""The base class of everything that a spec selects by `type`: datasets, models, optimizers, losses and so on.

The fields of a component are its YAML keys, and one method builds the TensorFlow object.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, NamedTuple, TypeVar

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    PlainSerializer,
    SecretBytes,
    SecretStr,
    TypeAdapter,
    ValidationError,
    WithJsonSchema,
)
from pydantic.errors import PydanticInvalidForJsonSchema, PydanticSchemaGenerationError, PydanticUserError
from pydantic.fields import FieldInfo
from pydantic_core import PydanticCustomError

from dlrun.errors import UsageError

Path = tuple[str | int, ...]

M = TypeVar("M", bound=BaseModel)


@dataclass(frozen=True)
class FieldProblem:
    """A mistake that a component finds in its own values, alone or together with the data it is used with.

    Args:
        path: Keys that lead from the component to the mistake, such as `("blocks", 2, "pool_size")`. Empty for the
            component itself.
        what: What was found, in words.
        expected: What was expected.
        hint: What to try.
    """

    path: Path
    what: str
    expected: str = ""
    hint: str = ""


class Fields(BaseModel):
    """A group of YAML keys. Immutable, strictly typed, and without unknown keys."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, protected_namespaces=())


class AbsentKey(NamedTuple):
    """A key that makes no sense for a component, but for others of its kind.

    Args:
        reason: Why it makes none, as the end of a sentence: `whose examples have no columns`.
        hint: What to do instead.
    """

    reason: str
    hint: str = ""


class Component(Fields):
    """A registered dataset, model, optimizer, schedule, loss or metric.

    A subclass declares each YAML key as a field with a description (meaning, unit, range) and has one public method
    that builds the TensorFlow object. That method imports TensorFlow, so that checking a spec does not need it.
    """

    type_name: ClassVar[str] = ""
    """The name under which the class is registered; set by the registry."""

    absent_keys: ClassVar[Mapping[str, AbsentKey]] = {}
    """Keys that other components of its kind have and this one has not, for messages."""

    def plain(self) -> dict[str, Any]:
        """Return the component as a spec contains it: `{"type": name, ...every key...}`, in plain Python values."""
        return {"type": self.type_name, **self.model_dump(mode="json")}

    def problems(self) -> Iterator[FieldProblem]:
        """Yield the mistakes that only a combination of keys shows. By default there are none."""
        return iter(())


_READABLE = "numbers, text, true or false, dates, choices, and lists, sets, dictionaries and models of these"


@dataclass(frozen=True)
class Unstable:
    """A field whose value changes when it is written to a file and read back.

    Args:
        name: Name of the field.
        what: Description of the change, for messages.
        expected: What to use instead.
    """

    name: str
    what: str
    expected: str = f"a type that can be stored in a file: {_READABLE}"


def read_fields(fields: type[M], plain: Mapping[str, Any]) -> M:
    """Create an instance from plain values as in a file, with tuples for lists.

    Raises:
        ValidationError: Values have the wrong type.
    """
    if _is_own(fields):
        return fields.model_validate(plain)
    try:
        return fields.model_validate(plain)
    except ValidationError as error:
        try:
            # Strict mode refuses text for a date in Python values, but takes it from JSON, which has no type for dates.
            return fields.model_validate_json(json.dumps(plain))
        except ValidationError as of_json:
            is_json = all(each["type"] != "json_invalid" for each in of_json.errors(include_url=False))
            raise (of_json if is_json else error) from None


def nested(kind: str, find: Callable[[str], type[Component] | None]) -> Any:
    """Return the type of a field that contains another component, written as `{type: name, ...its keys...}`.

    Args:
        kind: Kind of the component, for messages: `model`.
        find: Function that returns the class registered under a name, such as `models.find`.
    """

    def read(value: Any) -> Component:
        if isinstance(value, Component):
            return value
        name = value.get("type") if isinstance(value, Mapping) else None
        fields = find(name) if isinstance(name, str) else None
        if fields is None:
            found = {"kind": kind, "found": repr(name if name is not None else value)}
            raise PydanticCustomError("nested", "Input should be a {kind} with a known type, but is {found}", found)
        try:
            return read_fields(fields, {key: each for key, each in value.items() if key != "type"})
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            where = ".".join(map(str, first["loc"]))
            raise PydanticCustomError("nested", "{where}: {what}", {"where": where, "what": first["msg"]}) from error

    schema = {"type": "object", "properties": {"type": {"type": "string"}}, "required": ["type"]}
    return Annotated[Any, BeforeValidator(read), PlainSerializer(lambda made: made.plain()), WithJsonSchema(schema)]


def unstable(made: BaseModel) -> Iterator[Unstable]:
    """Yield the fields of a plugin component whose values change when they are written to a file and read back."""
    fields = type(made)
    if _is_own(fields):
        return
    try:
        plain = made.model_dump(mode="json")
        again = read_fields(fields, _with_tuples(plain))
    except ValidationError as error:
        name = str(error.errors(include_url=False)[0]["loc"][0])
        yield Unstable(
            name, f"cannot be read back from a file: {getattr(made, name, None)!r} is written as {plain.get(name)!r}"
        )
        return
    except (ValueError, TypeError) as error:  # a value that JSON cannot represent
        name = next((name for name in fields.model_fields if not _is_written(made, name)), "")
        yield Unstable(name, f"cannot be written to a file: {str(error).splitlines()[0]}")
        return
    for name in fields.model_fields:
        before, after = getattr(made, name), getattr(again, name)
        if not _is_same(before, after):
            yield Unstable(name, f"changes when it is written to a file and read back: {before!r} becomes {after!r}")


def refuse_unreadable(fields: type[BaseModel], name: str) -> None:
    """Reject a component with fields that cannot be stored in a file, whatever their values.

    Args:
        fields: Class of the component.
        name: Name under which it is registered.

    Raises:
        UsageError: A field cannot be stored; the message names the first.
    """
    if _is_own(fields):
        return
    for key in fields.model_computed_fields:
        what = f"{name}: {key} is a computed field, which cannot be read back from a file"
        raise UsageError(what, expected="a plain property")
    for key, field in fields.model_fields.items():
        if reason := _unreadable(field):
            raise UsageError(f"{name}: the field {key} {reason}", expected=f"a field of {_READABLE}")


def _unreadable(field: FieldInfo) -> str:
    if field.exclude:
        return "is excluded from files"
    if field.alias or field.validation_alias or field.serialization_alias:
        return "has an alias, so it would be written under one name and read under another"
    if field.annotation in (SecretStr, SecretBytes):
        return "is a secret, which is not written"
    try:
        annotation: Any = field.annotation
        TypeAdapter(annotation).json_schema(mode="serialization")
    except (PydanticInvalidForJsonSchema, PydanticSchemaGenerationError, PydanticUserError):
        shown = getattr(field.annotation, "__name__", None) or str(field.annotation)
        return f"has a type that cannot be stored in a file ({shown})"
    return ""


def _is_own(fields: type[BaseModel]) -> bool:
    """Return whether a class belongs to dlrun, whose fields need no such checks."""
    return fields.__module__.partition(".")[0] == "dlrun"


def _is_written(made: BaseModel, name: str) -> bool:
    try:
        made.model_dump(mode="json", include={name})
    except (ValueError, TypeError):
        return False
    return True


def _is_same(before: Any, after: Any) -> bool:
    if repr(before) == repr(after):  # nan is not equal to itself
        return True
    try:
        return bool(before == after)
    except (ValueError, TypeError):
        return False


def _with_tuples(plain: Any) -> Any:
    if isinstance(plain, dict):
        return {str(key): _with_tuples(value) for key, value in plain.items()}
    return tuple(map(_with_tuples, plain)) if isinstance(plain, list) else plain
