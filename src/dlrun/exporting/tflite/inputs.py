"""Replace one packed input of a TensorFlow Lite file by an input for each column.

TensorFlow takes a millisecond for each input of a graph that it writes, and its converter another. So the file is
written with one input for all numbers, and gets the inputs that users see afterwards.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from dlrun.system.keras_internals import lite_files, lite_schema


def with_inputs(model: bytes, packs: Mapping[str, Sequence[str]]) -> bytes:
    """Replace inputs of shape `(1, columns)` by inputs of shape `(1, 1)`, which the first operations concatenate.

    Args:
        model: The content of a TensorFlow Lite file with one signature.
        packs: For each input to replace, the names of the new inputs.

    Returns:
        The content of the new file.
    """
    if not packs:
        return model
    schema, files = lite_schema(), lite_files()
    parsed = files.convert_bytearray_to_object(bytearray(model))
    signature = parsed.signatureDefs[0]
    graph = parsed.subgraphs[signature.subgraphIndex]
    code = schema.OperatorCodeT()
    code.builtinCode = code.deprecatedBuiltinCode = schema.BuiltinOperator.CONCATENATION
    code.version = 1
    parsed.operatorCodes.append(code)
    for pack, names in packs.items():
        given = next(each for each in signature.inputs if each.name.decode() == pack)
        whole = graph.tensors[given.tensorIndex]
        made = [_input(name, whole.type, schema) for name in names]
        indices = range(len(graph.tensors), len(graph.tensors) + len(made))
        graph.tensors += made
        whole.name = f"{pack}_joined".encode()
        graph.inputs = [each for each in graph.inputs if each != given.tensorIndex] + list(indices)
        graph.operators.insert(0, _joining(indices, given.tensorIndex, len(parsed.operatorCodes) - 1, schema))
        signature.inputs = [each for each in signature.inputs if each is not given]
        signature.inputs += [_mapped(name, index, schema) for name, index in zip(names, indices, strict=True)]
    return bytes(files.convert_object_to_bytearray(parsed))


def _input(name: str, kind: int, schema: Any) -> Any:
    made = schema.TensorT()
    made.name, made.type, made.shape, made.hasRank, made.buffer = _graph_name(name), kind, [1, 1], True, 0
    return made


def _graph_name(name: str) -> bytes:
    """Return the name that TensorFlow's converter gives the tensor of an input."""
    return f"serving_default_{name}:0".encode()


def _joining(sources: Sequence[int], result: int, code: int, schema: Any) -> Any:
    made, options = schema.OperatorT(), schema.ConcatenationOptionsT()
    options.axis = 1
    made.opcodeIndex, made.inputs, made.outputs = code, list(sources), [result]
    made.builtinOptionsType, made.builtinOptions = schema.BuiltinOptions.ConcatenationOptions, options
    return made


def _mapped(name: str, index: int, schema: Any) -> Any:
    made = schema.TensorMapT()
    made.name, made.tensorIndex = name.encode(), index
    return made
