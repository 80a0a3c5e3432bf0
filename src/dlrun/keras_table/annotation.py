"""Turn an argument of the table into the pydantic field that validates it."""

from __future__ import annotations

import functools
import operator
from collections.abc import Callable
from typing import Annotated, Any, Literal

from pydantic import Field, ValidationError, WrapValidator
from pydantic.fields import FieldInfo
from pydantic_core import PydanticCustomError

from dlrun.keras_table.table import Argument, activation_names

_WORDS = {
    "bool": "true or false",
    "int": "a whole number",
    "number": "a number",
    "text": "text",
    "ints": "a list of whole numbers",
    "numbers": "a list of numbers",
    "texts": "a list of texts",
    "shape": "a list of whole numbers and nulls",
    "pairs": "a list of pairs of whole numbers",
    "null": "null",
}


def field_of(argument: Argument, nested: Callable[[str], Any]) -> tuple[Any, FieldInfo]:
    """Return the annotation and the field of `argument` for `pydantic.create_model`.

    Args:
        argument: Argument of a Keras class.
        nested: Function that returns the annotation of a Keras object, such as an initializer or a layer.
    """
    plain = _plain_annotations(argument)
    kinds = (plain[kind] if kind in plain else nested(kind) for kind in argument.types)
    annotation = functools.reduce(operator.or_, kinds)
    if len(set(argument.types) - {"null"}) > 1:
        annotation = Annotated[annotation, WrapValidator(_as_one_error(argument))]
    default = ... if argument.required else argument.default
    # The default of a Keras object is its name, which only validation turns into a component.
    has_object = not plain.keys() >= set(argument.types)
    return annotation, Field(default=default, description=argument.description, validate_default=has_object)


def expectation(argument: Argument) -> str:
    """Describe the values that the argument accepts: `a whole number (at least 1) or null`."""
    words = [_words(argument, kind) for kind in argument.types]
    return " or ".join((", ".join(words[:-1]), words[-1])) if len(words) > 1 else words[0]


def _words(argument: Argument, kind: str) -> str:
    if kind == "choice":
        return "one of " + ", ".join(argument.choices)
    bounds = {"at least": argument.ge, "more than": argument.gt, "at most": argument.le, "less than": argument.lt}
    limits = " and ".join(f"{words} {bound:g}" for words, bound in bounds.items() if bound is not None)
    word = _WORDS.get(kind, f"the name of a Keras {kind}")
    if argument.length is not None and kind.endswith("s"):
        word = word.replace("a list of", f"a list of {argument.length}")
    return f"{word} ({limits})" if limits and kind in {"int", "number", "ints", "numbers", "pairs"} else word


def _plain_annotations(argument: Argument) -> dict[str, Any]:
    bounds = {name: getattr(argument, name) for name in ("ge", "gt", "le", "lt")}
    bounds = {name: bound for name, bound in bounds.items() if bound is not None}
    number = Annotated[float, Field(**bounds, allow_inf_nan=False)]
    whole = Annotated[int, Field(**bounds)]
    length = Field(min_length=argument.length, max_length=argument.length)
    return {
        "bool": bool,
        "int": whole,
        "number": number,
        "text": str,
        "ints": Annotated[tuple[whole, ...], length],
        "numbers": Annotated[tuple[number, ...], length],
        "texts": tuple[str, ...],
        "shape": tuple[int | None, ...],
        "pairs": Annotated[tuple[tuple[whole, whole], ...], length],
        "choice": Literal[argument.choices],
        "activation": Literal[activation_names()],
        "null": type(None),
    }


def _as_one_error(argument: Argument) -> Callable[[Any, Callable[[Any], Any]], Any]:
    def check(value: Any, handler: Callable[[Any], Any]) -> Any:
        try:
            return handler(value)
        except ValidationError:
            # pydantic reports one error for each member of a union, with locations that do not exist in the YAML file.
            context = {"name": argument.name, "expected": expectation(argument)}
            raise PydanticCustomError("argument", "{name} should be {expected}", context) from None

    return check
