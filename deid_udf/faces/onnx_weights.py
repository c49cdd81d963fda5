"""Initialisers of an ONNX file, read from the protocol buffer itself: no onnx package, and no graph is executed.

Field numbers: onnx/onnx.proto.
"""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from deid_udf.protobuf import fields, messages, packed

_MODEL_GRAPH, _GRAPH_INITIALIZER = 7, 5
_TENSOR_DIMS, _TENSOR_TYPE, _TENSOR_FLOATS, _TENSOR_NAME, _TENSOR_RAW = 1, 2, 4, 8, 9
_FLOAT = 1  # TensorProto.DataType


def float_initialisers(path: Path) -> dict[str, NDArray[np.float32]]:
    """Every float32 initialiser of the graph, by name, in file order."""
    found = {}
    for graph in messages(memoryview(path.read_bytes()), _MODEL_GRAPH):
        for tensor in messages(graph, _GRAPH_INITIALIZER):
            name, values = _tensor(tensor)
            if values is not None:
                found[name] = values
    return found


def _tensor(message: memoryview) -> tuple[str, NDArray[np.float32] | None]:
    name, kind, dims, data = "", 0, [], b""
    for number, value in fields(message):
        if number == _TENSOR_NAME and isinstance(value, memoryview):
            name = bytes(value).decode()
        elif number in (_TENSOR_RAW, _TENSOR_FLOATS) and isinstance(value, memoryview):
            data = bytes(value)
        elif number == _TENSOR_TYPE and isinstance(value, int):
            kind = value
        elif number == _TENSOR_DIMS:
            dims += [value] if isinstance(value, int) else packed(value)
    return name, np.frombuffer(data, "<f4").reshape(dims) if kind == _FLOAT else None
