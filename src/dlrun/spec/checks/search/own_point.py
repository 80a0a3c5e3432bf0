"""Find the point of a space that is the config itself, which a search tries first."""

from __future__ import annotations

import json
from typing import Any

from dlrun.spec.checks.search.varied import value_at, vary
from dlrun.spec.search.space import Categorical, Number, Parameter, Point, value_of
from dlrun.spec.types import Spec
from dlrun.yaml_tree.document import Node
from dlrun.yaml_tree.given import document_of


def own_point(spec: Spec, document: Node) -> Point | None:
    """Return the point whose values the config has itself, written or by default; None if its space has none.

    Args:
        spec: A spec with the section `search`.
        document: The document that it was parsed from.
    """
    if spec.search is None:
        return None
    plain = spec.plain()
    found: dict[str, float | int] = {}
    for parameter in spec.search.space.parameters:
        if not _take(parameter, document, plain, found):
            return None
    return found


def _take(parameter: Parameter, document: Node, plain: dict[str, Any], found: dict[str, float | int]) -> bool:
    """Add the config's own value of a parameter, and of those below it, to `found`; return whether there is one."""
    value = value_at(plain, parameter.path)
    if isinstance(parameter, Number):
        if not parameter.contains(value):
            return False
        found[parameter.name] = int(value) if parameter.is_integer else float(value)
        return True
    return any(_take_option(parameter, index, document, plain, found) for index in range(len(parameter.options)))


def _take_option(
    choice: Categorical, index: int, document: Node, plain: dict[str, Any], found: dict[str, float | int]
) -> bool:
    chosen: dict[str, float | int] = {choice.name: index}
    if not all(_take(below, document, plain, chosen) for below in choice.options[index].parameters):
        return False
    # Completed with its defaults first: `{type: mlp}` is the same model as one with every key written out.
    leaf, _ = document_of({"value": value_of(choice, chosen)})
    varied = vary(document, choice.path, leaf.entries["value"], document.place)
    if varied.problems or not _is_same(varied.plain_at(choice.path), value_at(plain, choice.path)):
        return False
    found.update(chosen)
    return True


def _is_same(value: Any, other: Any) -> bool:
    return json.dumps(value, sort_keys=True, default=str) == json.dumps(other, sort_keys=True, default=str)
