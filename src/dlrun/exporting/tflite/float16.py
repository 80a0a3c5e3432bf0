"""Store the weights of a TensorFlow Lite model's network as float16.

TensorFlow's converter would convert every constant, including those of the preprocessing: a mean of 189,778 does not
fit into float16, and 38.6 becomes equal to 38.59. So this module converts only the weights of the network, in the same
way as the converter: each weight is stored as float16, and an operation that runs once converts it to float32.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from dlrun.exporting.export_model import CORE
from dlrun.system.keras_internals import lite_files, lite_schema

_SMALLEST = 32
"""The smallest number of values in a weight that is worth an additional operation."""


def with_float16_weights(model: bytes) -> bytes:
    """Return the model with the weights of its network as float16.

    Args:
        model: The content of a TensorFlow Lite file.
    """
    schema, files = lite_schema(), lite_files()
    parsed = files.convert_bytearray_to_object(bytearray(model))
    code = schema.OperatorCodeT()
    code.builtinCode = code.deprecatedBuiltinCode = schema.BuiltinOperator.DEQUANTIZE
    code.version = 3  # the first version that takes float16
    parsed.operatorCodes.append(code)
    halved = _weights(parsed, schema)
    for number in halved:
        values = np.frombuffer(bytes(bytearray(parsed.buffers[number].data)), "<f4").astype("<f2")
        parsed.buffers[number].data = np.frombuffer(values.tobytes(), np.uint8)
    for graph in parsed.subgraphs:
        replaced: dict[int, int] = {}
        operations = []
        for number, tensor in enumerate(list(graph.tensors)):
            if tensor.buffer not in halved:
                continue
            restored = _restored(tensor, schema)
            tensor.type = schema.TensorType.FLOAT16
            graph.tensors.append(restored)
            replaced[number] = len(graph.tensors) - 1
            operation = schema.OperatorT()
            operation.opcodeIndex = len(parsed.operatorCodes) - 1
            operation.inputs, operation.outputs = [number], [replaced[number]]
            operations.append(operation)
        for operation in graph.operators or []:
            operation.inputs = [replaced.get(number, number) for number in operation.inputs]
        graph.operators = [*operations, *(graph.operators or [])]
    return bytes(files.convert_object_to_bytearray(parsed))


def _weights(parsed: Any, schema: Any) -> set[int]:
    """Return the buffers with constants of the network only, recognized by the scope in the names of its operations."""
    found: set[int] = set()
    shared: set[int] = set()
    for tensor in (tensor for graph in parsed.subgraphs for tensor in graph.tensors):
        is_own = tensor.type == schema.TensorType.FLOAT32 and f"/{CORE}_".encode() in tensor.name
        (found if is_own else shared).add(tensor.buffer)
    smallest = _SMALLEST * np.dtype(np.float32).itemsize
    # Leave a buffer alone if the preprocessing shares it with the network.
    contents = {number: parsed.buffers[number].data for number in found - shared}
    return {number for number, data in contents.items() if data is not None and len(data) >= smallest}


def _restored(tensor: Any, schema: Any) -> Any:
    """Return the float32 tensor that is computed from a float16 constant while the model runs."""
    made = schema.TensorT()
    made.shape, made.shapeSignature, made.type = tensor.shape, tensor.shapeSignature, schema.TensorType.FLOAT32
    made.name, made.buffer, made.hasRank = tensor.name + b"_float32", 0, tensor.hasRank
    return made
