"""The base of everything a spec can name by `type`: its fields are the YAML keys, one method makes the object."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar

from pydantic import BaseModel, ConfigDict

Path = tuple[str | int, ...]


@dataclass(frozen=True)
class FieldProblem:
    """A mistake that a component finds in itself when it learns what it will be used with.

    Args:
        path: Where, from the component's own keys: `("blocks", 2, "pool_size")`. Empty for the component itself.
        what: What was found.
        expected: What was expected.
        hint: What to try.
    """

    path: Path
    what: str
    expected: str = ""
    hint: str = ""


class Fields(BaseModel):
    """A group of YAML keys: frozen, typed strictly, and closed to unknown keys."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, protected_namespaces=())


class Component(Fields):
    """A registered dataset, model, optimizer, schedule, loss or metric.

    A subclass declares each YAML key as a field with a description (meaning, unit, range) and has one public method
    that makes the TensorFlow object. TensorFlow is imported inside that method, so that specs are checked without it.
    """

    type_name: ClassVar[str] = ""
    """The name under which the class is registered; set by the registry."""

    def plain(self) -> dict[str, Any]:
        """The component as a spec writes it: `{"type": name, ...every key...}`, of plain Python values."""
        return {"type": self.type_name, **self.model_dump(mode="json")}

    def problems(self) -> Iterator[FieldProblem]:
        """Mistakes that no single key shows; none unless a subclass knows of some."""
        return iter(())
