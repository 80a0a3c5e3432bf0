"""Build standard ONNX operations that compute exactly the same as Keras' layers for strings.

ONNX has no operation that tokenizes as Keras does, and tf2onnx cannot convert lookups of strings. So these graphs are
built here, from LabelEncoder (ai.onnx.ml) and the string operations of opset 20.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from dlrun.errors import RunError
from dlrun.exporting.text_layers import TextRules, lookup_ids

OPSET, ML_OPSET = 20, 3

_SPACES = "\t\n\x0b\x0c\r"
_MOST_CHARACTERS = 512


class Strings:
    """A graph from strings to numbers, to which layers can be added."""

    def __init__(self) -> None:
        self._nodes: list[Any] = []
        self._constants: list[Any] = []
        self._inputs: list[Any] = []
        self._outputs: list[Any] = []
        self._made = 0

    @property
    def is_empty(self) -> bool:
        """Whether the graph has no operations."""
        return not self._nodes

    @property
    def outputs(self) -> list[str]:
        """The names of its numeric outputs."""
        return [value.name for value in self._outputs]

    def add(self, layer: Any, sources: Sequence[str], output: str, *, shape: Sequence[int]) -> None:
        """Add a layer.

        Args:
            layer: A `StringLookup` or `TextVectorization` layer.
            sources: The name of the string input, or those that a `StringLookup` takes side by side.
            output: The name of the layer's output.
            shape: The shape of each input, without the batch axis.

        Raises:
            RunError: ONNX has no operations for something that the layer does.
        """
        from onnx import TensorProto, helper

        known = {value.name for value in self._inputs}
        for each in sources:
            if each not in known:
                self._inputs.append(helper.make_tensor_value_info(each, TensorProto.STRING, ["batch", *shape]))
        source = self._op("Concat", *sources, axis=-1) if len(sources) > 1 else sources[0]
        if type(layer).__name__ == "StringLookup":
            ids, default = lookup_ids(layer)
            found = self._lookup(source, ids, default)
            axes = self._constant(np.array([0, *map(int, layer.output.shape[1:])], np.int64))  # 0 keeps the batch axis
            self._op("Reshape", found, axes, output=output)
        else:
            self._tokenize(self._flat(source), TextRules.of(layer), output)
        kind = TensorProto.FLOAT if layer.output.dtype == "float32" else TensorProto.INT64
        # Dates of several steps are flattened to one text after another.
        is_flat = type(layer).__name__ == "TextVectorization" and math.prod(shape) > 1
        given = ["texts" if is_flat else "batch", *map(int, layer.output.shape[1:])]
        self._outputs.append(helper.make_tensor_value_info(output, kind, given))

    def model(self, *, ir_version: int) -> Any:
        """Return the graph as a model of its own."""
        from onnx import helper

        graph = helper.make_graph(self._nodes, "strings", self._inputs, self._outputs, self._constants)
        return helper.make_model(graph, opset_imports=opsets(), ir_version=ir_version)

    def _tokenize(self, texts: str, rules: TextRules, output: str) -> None:
        if rules.lower:
            # Always the locale C: the system's locale may be missing, and would lower more than ASCII letters.
            options: dict[str, Any] = {"case_change_action": "LOWER", "is_case_sensitive": 1, "locale": "C"}
            texts = self._op("StringNormalizer", texts, **options)
        for character in rules.punctuation:
            texts = self._replaced(texts, character)
        if rules.by_character:
            self._characters(texts, rules, output)
            return
        for character in _SPACES:  # ONNX Runtime splits at the space character only
            texts = self._replaced(texts, character, by=" ")
        tokens = self._op("StringSplit", texts, results=2)[0]
        ids = {"": 0} | {token: number for number, token in enumerate(rules.vocabulary, start=2)}
        self._cut(self._lookup(tokens, ids, 1), texts, rules.length, output)

    def _cut(self, ids: str, texts: str, length: int, output: str) -> None:
        """Make every row `length` long: pad with zeros, and cut off the rest."""
        from onnx import numpy_helper

        shape = self._op("Concat", self._op("Shape", texts), self._constant(np.array([length], np.int64)), axis=0)
        # Appending `length` zeros before slicing avoids a case distinction between short and long rows.
        zeros = self._op("ConstantOfShape", shape, value=numpy_helper.from_array(np.zeros(1, np.int64)))
        both = self._op("Concat", ids, zeros, axis=1)
        bounds = [self._constant(np.array([each], np.int64)) for each in (0, length, 1)]
        self._op("Slice", both, *bounds, output=output)

    def _characters(self, texts: str, rules: TextRules, output: str) -> None:
        """Compute the ids of characters: one regular expression gives one bit of the id at one position."""
        from onnx import TensorProto

        if rules.length > _MOST_CHARACTERS:
            raise RunError(
                f"ONNX has no operation that splits text into characters, and finding {rules.length} of them one by "
                "one is too slow",
                expected=f"a model of at most {_MOST_CHARACTERS} characters",
                hint="--to savedmodel, or --to tflite",
            )
        ids = {character: number for number, character in enumerate(rules.vocabulary, start=2)}
        columns = []
        for place in range(rules.length):
            bits = []
            # Testing bits takes log2(n) regular expressions per position instead of n.
            for bit in range(max(ids.values(), default=1).bit_length()):
                pattern = _characters_with(bit, ids)
                if pattern:
                    found = self._op("RegexFullMatch", texts, pattern=f"(?s).{{{place}}}{pattern}.*")
                    number = self._op("Cast", found, to=TensorProto.INT64)
                    bits.append(self._op("Mul", number, self._constant(np.int64(1 << bit))))
            total = bits[0]
            for number in bits[1:]:
                total = self._op("Add", total, number)
            columns.append(self._op("Unsqueeze", total, self._constant(np.array([1], np.int64))))
        self._op("Concat", *columns, axis=1, output=output)

    def _replaced(self, texts: str, character: str, *, by: str = "") -> str:
        """Replace a character by another one or by nothing everywhere: split at it, then join the pieces.

        ONNX has no operation that replaces inside strings.

        Shape:
            texts: the name of a tensor `(batch,)`.
        """
        from onnx import TensorProto, helper

        pieces = self._op("StringSplit", texts, results=2, delimiter=character)[0]
        count = self._op("Gather", self._op("Shape", pieces), self._constant(np.int64(1)), axis=0)
        nothing = self._constant(np.array([""], dtype=object))
        empty = self._op("Where", self._constant(np.array([True])), nothing, texts)
        name = self._name("join")
        at, going, joined, column, longer = (f"{name}_{part}" for part in ("at", "going", "joined", "column", "longer"))
        separator = self._constant(np.array([by], dtype=object)) if by else ""
        steps = [helper.make_node("Gather", [pieces, at], [column], axis=1)]
        if by:
            steps.append(helper.make_node("StringConcat", [joined, separator], [f"{joined}_by"]))
        steps.append(helper.make_node("StringConcat", [f"{joined}_by" if by else joined, column], [longer]))
        steps.append(helper.make_node("Identity", [going], [f"{going}_on"]))
        info = helper.make_tensor_value_info
        body = helper.make_graph(
            steps,
            name,
            [
                info(at, TensorProto.INT64, []),
                info(going, TensorProto.BOOL, []),
                info(joined, TensorProto.STRING, None),
            ],
            [info(f"{going}_on", TensorProto.BOOL, []), info(longer, TensorProto.STRING, None)],
        )
        made: str = self._op("Loop", count, self._constant(np.array(True)), empty, body=body)
        return made

    def _lookup(self, texts: str, ids: dict[str, int], default: int) -> str:
        keys = [key.encode() for key in ids]
        options: dict[str, Any] = {"keys_strings": keys, "values_int64s": list(ids.values()), "default_int64": default}
        made: str = self._op("LabelEncoder", texts, domain="ai.onnx.ml", **options)
        return made

    def _flat(self, texts: str) -> str:
        made: str = self._op("Reshape", texts, self._constant(np.array([-1], np.int64)))
        return made

    def _constant(self, value: Any) -> str:
        from onnx import numpy_helper

        name = self._name("constant")
        self._constants.append(numpy_helper.from_array(np.asarray(value), name))
        return name

    def _op(self, kind: str, *inputs: str, results: int = 1, output: str = "", **attributes: Any) -> Any:
        """Add one operation, and return the name or names of its results."""
        from onnx import helper

        names = [output] if output else [self._name(kind.lower()) for _ in range(results)]
        self._nodes.append(helper.make_node(kind, list(inputs), names, name=self._name("node"), **attributes))
        return names[0] if results == 1 else names

    def _name(self, kind: str) -> str:
        self._made += 1
        return f"strings_{kind}_{self._made}"


def opsets() -> Sequence[Any]:
    """Return the opsets that a model with strings needs."""
    from onnx import helper

    return [helper.make_opsetid("", OPSET), helper.make_opsetid("ai.onnx.ml", ML_OPSET)]


def _characters_with(bit: int, ids: dict[str, int]) -> str:
    """Return a pattern for the characters with that bit in their id; empty if there are none. Unknown ones have 1."""
    if bit == 0:
        even = [character for character, number in ids.items() if not number & 1]
        return f"[^{_escaped(even)}]" if even else "."
    having = [character for character, number in ids.items() if number >> bit & 1]
    return f"[{_escaped(having)}]" if having else ""


def _escaped(characters: Iterable[str]) -> str:
    return "".join(f"\\x{{{ord(character):x}}}" for character in characters)
