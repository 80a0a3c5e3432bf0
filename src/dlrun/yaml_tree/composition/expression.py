"""Texts with `${...}` in them: variables, arithmetic with numbers, and variables of the environment; no code."""

from __future__ import annotations

import ast
import math
import operator
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from dlrun.names import nearest
from dlrun.yaml_tree.document import Scalar

VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_ENVIRONMENT = re.compile(r"env:(?P<name>[A-Za-z_][A-Za-z0-9_]*)(?::-(?P<default>.*))?", re.DOTALL)
_LONGEST = 300
_LARGEST_EXPONENT = 64
_LARGEST = 2.0**63
_Numbers = Callable[[float, float], float]
_OPERATORS: Mapping[type[ast.operator], _Numbers] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv,
    ast.Mod: operator.mod,
    ast.Pow: operator.pow,
}
_FORMS = "${name}, ${name // 2}, ${env:NAME} or ${env:NAME:-default}"


class ExpressionError(ValueError):
    """A `${...}` is wrong.

    Args:
        what: What was found.
        part: The text that is wrong, to find its column.
        expected: What was expected.
        hint: What to try.
    """

    def __init__(self, what: str, *, part: str, expected: str = "", hint: str = "") -> None:
        super().__init__(what)
        self.what, self.part, self.expected, self.hint = what, part, expected, hint


@dataclass(frozen=True)
class Reference:
    """What stands between `${` and `}`.

    Args:
        text: The text, as written.
    """

    text: str

    @property
    def written(self) -> str:
        """The reference with its brackets."""
        return f"${{{self.text}}}"

    def names(self) -> frozenset[str]:
        """Return the names of the variables in it; none if it is wrong."""
        if self.text.startswith("env:"):
            return frozenset()
        return frozenset(VARIABLE.findall(self.text))

    def value(self, variable: Callable[[str], Scalar], environment: Callable[[str], str | None]) -> Scalar:
        """Return its value.

        Args:
            variable: Returns the value of a variable.
            environment: Returns the value of a variable of the environment; None if that has none.

        Raises:
            ExpressionError: It is not an expression, or has no value.
        """
        if self.text.startswith("env:"):
            return self._of_environment(environment)
        tree = self._tree()
        if isinstance(tree, ast.Name):
            return variable(tree.id)
        try:
            found = _number(tree, variable, self)
        except (ArithmeticError, RecursionError) as error:
            what = f"{self.written} cannot be computed: {error}"
            raise ExpressionError(what, part=self.written, expected="a number") from error
        if not abs(found) < _LARGEST:
            raise ExpressionError(f"{self.written} is {found:.3g}", part=self.written, expected="a number below 2**63")
        return found

    def _of_environment(self, environment: Callable[[str], str | None]) -> str:
        match = _ENVIRONMENT.fullmatch(self.text)
        if match is None:
            what = f"{self.written} does not name a variable of the environment"
            raise ExpressionError(what, part=self.written, expected="${env:NAME} or ${env:NAME:-default}")
        found = environment(match["name"])
        if found is None:
            found = match["default"]
        if found is None:
            raise ExpressionError(
                f"the environment variable {match['name']} is not set",
                part=self.written,
                expected=f"a value, or a default: ${{env:{match['name']}:-default}}",
                hint=f"export {match['name']}=...",
            )
        return found

    def _tree(self) -> ast.expr:
        if len(self.text) > _LONGEST:
            what = f"an expression of {len(self.text)} characters"
            raise ExpressionError(what, part=self.written[:20], expected=f"at most {_LONGEST}")
        try:
            return ast.parse(self.text.strip(), mode="eval").body
        except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
            raise ExpressionError(f"{self.written} is not an expression", part=self.written, expected=_FORMS) from error


def split(text: str) -> Iterator[str | Reference]:
    """Yield the parts of a text: plain text, and what stands in `${...}`. `$${` is a plain `${`.

    Raises:
        ExpressionError: A `${` is not closed.
    """
    rest = text
    while (start := rest.find("${")) >= 0:
        if start and rest[start - 1] == "$":
            yield rest[: start - 1] + "${"
            rest = rest[start + 2 :]
            continue
        if start:
            yield rest[:start]
        end = rest.find("}", start)
        if end < 0:
            raise ExpressionError("this ${ is not closed", part=rest[start:], expected="a } after the expression")
        yield Reference(rest[start + 2 : end])
        rest = rest[end + 1 :]
    if rest:
        yield rest


def unknown_variable(name: str, known: Mapping[str, object], *, part: str) -> ExpressionError:
    """Return the error for a variable that the config does not have."""
    near = nearest(name, [*known])
    return ExpressionError(
        f"there is no variable {name!r}",
        part=part,
        expected="one of: " + ", ".join(known) if known else "a key under variables:",
        hint=f"did you mean {near}?" if near else f"variables: {{{name}: ...}} adds it",
    )


def _number(tree: ast.expr, variable: Callable[[str], Scalar], whole: Reference) -> float:
    """Return the value of an expression of numbers."""
    if isinstance(tree, ast.BinOp) and type(tree.op) in _OPERATORS:
        left, right = (_number(side, variable, whole) for side in (tree.left, tree.right))
        if isinstance(tree.op, ast.Pow) and (abs(right) > _LARGEST_EXPONENT or (left < 0 and right % 1)):
            what = f"{whole.written} has the exponent {right}"
            raise ExpressionError(what, part=whole.written, expected=f"at most {_LARGEST_EXPONENT}")
        return _checked(_OPERATORS[type(tree.op)](left, right))
    if isinstance(tree, ast.UnaryOp) and isinstance(tree.op, ast.USub | ast.UAdd):
        found = _number(tree.operand, variable, whole)
        return -found if isinstance(tree.op, ast.USub) else found
    value: object = None
    if isinstance(tree, ast.Name):
        value = variable(tree.id)
        if not _is_number(value):
            what = f"the variable {tree.id} is {value!r}, with which nothing can be computed"
            raise ExpressionError(what, part=whole.written, expected="a number")
    elif isinstance(tree, ast.Constant):
        value = tree.value
    if isinstance(value, int | float) and _is_number(value):
        return value
    what = f"{whole.written} is more than arithmetic with numbers"
    raise ExpressionError(what, part=whole.written, expected=f"{_FORMS}; the operators are + - * / // % **")


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _checked(number: float) -> float:
    if not abs(number) < _LARGEST or (isinstance(number, float) and math.isnan(number)):
        raise OverflowError(f"a result is {number:.3g}")
    return number
