"""Parse a condition such as `val_accuracy>0.98 and not model.type=cnn` into a function of a run.

    condition   := conjunction ("or" conjunction)*
    conjunction := negation ("and" negation)*
    negation    := "not" negation | "(" condition ")" | KEY OPERATOR VALUE

The operators are `=` (or `==`), `!=`, `<`, `<=`, `>`, `>=`, and `~` for "contains". Nothing is evaluated as code.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import NamedTuple, NoReturn

from dlrun.errors import UsageError
from dlrun.runs.query.fields import RunFields
from dlrun.runs.query.summary import RunSummary
from dlrun.runs.query.where_operators import Literal, comparison

Condition = Callable[[RunSummary], bool]

OPERATORS = ("=", "==", "!=", "<", "<=", ">", ">=", "~")
_TOKEN = re.compile(r"""\s*(?:(?P<operator>==|!=|<=|>=|[=<>~])|(?P<bracket>[()])|(?P<word>[^\s()=!<>~"']+)|"""
                    r"""(?P<quoted>"[^"]*"|'[^']*')|(?P<end>$)|(?P<other>.))""")  # fmt: skip
_DEEPEST = 50
_LONGEST = 10_000


def parse_where(text: str, fields: RunFields) -> Condition:
    """Return the condition of `--where` as a function of a run.

    A run without a value for a key fulfils only `!=` and `= null`. For a list, such as the tags, one matching member is
    enough. Numbers compare as numbers; `age` and `seconds` take units (`2d`, `90s`); `started` takes dates; everything
    else compares as text.

    Args:
        text: The condition as the user wrote it.
        fields: The keys of the runs.

    Raises:
        UsageError: The condition is not valid, or names a key that no run has; the error marks the place.
    """
    if len(text) > _LONGEST:
        raise UsageError(f"the condition has {len(text):,} characters", expected=f"at most {_LONGEST:,}")
    return _ConditionParser(text, fields).condition()


class _Token(NamedTuple):
    kind: str
    text: str
    column: int

    @property
    def quoted(self) -> str:
        return "the end" if self.kind == "end" else repr(self.text)

    def is_word(self, word: str) -> bool:
        return self.kind == "word" and self.text.lower() == word


class _ConditionParser:
    """Parses the tokens from left to right; each method parses one rule of the grammar."""

    def __init__(self, text: str, fields: RunFields) -> None:
        self._text = text
        self._fields = fields
        self._tokens = [
            _Token(str(found.lastgroup), found[str(found.lastgroup)], found.start(str(found.lastgroup)))
            for found in _TOKEN.finditer(text)
        ]
        self._next = 0
        self._depth = 0

    def condition(self) -> Condition:
        if self._peek.kind == "end":
            self._refuse(self._peek, "an empty condition", expected="a comparison, such as val_accuracy>0.9")
        found = self._disjunction()
        if self._peek.kind != "end":
            self._refuse(self._peek, f"unexpected {self._peek.quoted}", expected="and, or, or the end")
        return found

    @property
    def _peek(self) -> _Token:
        return self._tokens[self._next]

    def _take(self) -> _Token:
        self._next += 1
        return self._tokens[self._next - 1]

    def _disjunction(self) -> Condition:
        parts = [self._conjunction()]
        while self._peek.is_word("or"):
            self._take()
            parts.append(self._conjunction())
        return parts[0] if len(parts) == 1 else lambda run: any(part(run) for part in parts)

    def _conjunction(self) -> Condition:
        parts = [self._negation()]
        while self._peek.is_word("and"):
            self._take()
            parts.append(self._negation())
        return parts[0] if len(parts) == 1 else lambda run: all(part(run) for part in parts)

    def _negation(self) -> Condition:
        self._depth += 1
        if self._depth > _DEEPEST:
            self._refuse(self._peek, f"nested deeper than {_DEEPEST} levels", expected="fewer parentheses and nots")
        try:
            if self._peek.is_word("not"):
                self._take()
                negated = self._negation()
                return lambda run: not negated(run)
            if self._peek.text == "(" and self._peek.kind == "bracket":
                return self._bracketed()
            return self._comparison()
        finally:
            self._depth -= 1

    def _bracketed(self) -> Condition:
        opening = self._take()
        found = self._disjunction()
        if self._peek.text != ")" or self._peek.kind != "bracket":
            self._refuse(opening, "this parenthesis is not closed", expected=f"')' before {self._peek.quoted}")
        self._take()
        return found

    def _comparison(self) -> Condition:
        key, operator, value = self._take_key(), self._take(), self._take()
        literal = Literal(value.text.strip("\"'") if value.kind == "quoted" else value.text, value.kind == "quoted")
        getter = self._fields.getter(key.text)
        if getter is None:
            near = self._fields.nearest(key.text)
            hint = f"did you mean {near!r}?" if near else ""
            self._refuse(key, f"no run has a key {key.text!r}", expected=self._fields.described(), hint=hint)
        try:
            return comparison(key.text, operator.text, literal, getter)
        except ValueError as error:
            self._refuse(value, f"{value.quoted} after {key.text}{operator.text}", expected=str(error))

    def _take_key(self) -> _Token:
        key, operator, value = (self._tokens[min(self._next + ahead, len(self._tokens) - 1)] for ahead in range(3))
        if key.kind not in ("word", "quoted") or any(key.is_word(word) for word in ("and", "or", "not")):
            self._refuse(
                key, f"{key.quoted} where a key is expected", expected="a comparison, such as val_accuracy>0.9"
            )
        if operator.kind != "operator":
            expected = f"one of {' '.join(OPERATORS)}"
            self._refuse(operator, f"{operator.quoted} after {key.text!r}", expected=expected)
        if value.kind not in ("word", "quoted"):
            self._refuse(
                value, f"{value.quoted} after {operator.text!r}", expected="a number, a word, or 'quoted text'"
            )
        self._next += 1
        return key

    def _refuse(self, token: _Token, what: str, *, expected: str, hint: str = "") -> NoReturn:
        shown = "".join(
            char if char.isprintable() else " " for char in self._text
        )  # as wide as the line with the caret below it
        raise UsageError(
            f"{what}, at column {token.column + 1} of the condition\n    {shown}\n    {' ' * token.column}^",
            expected=expected,
            hint=hint,
        )
