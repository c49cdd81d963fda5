"""Initialisers of an ONNX file, read from the protocol buffer itself: no onnx package, and no graph is executed.

Wire format: developers.google.com/protocol-buffers/docs/encoding; field numbers: onnx/onnx.proto.
"""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

_MODEL_GRAPH, _GRAPH_INITIALIZER = 7, 5
_TENSOR_DIMS, _TENSOR_TYPE, _TENSOR_FLOATS, _TENSOR_NAME, _TENSOR_RAW = 1, 2, 4, 8, 9
_FLOAT = 1  # TensorProto.DataType


def float_initialisers(path: Path) -> dict[str, NDArray[np.float32]]:
    """Every float32 initialiser of the graph, by name, in file order."""
    found = {}
    for graph in _messages(memoryview(path.read_bytes()), _MODEL_GRAPH):
        for tensor in _messages(graph, _GRAPH_INITIALIZER):
            name, values = _tensor(tensor)
            if values is not None:
                found[name] = values
    return found


def _tensor(message: memoryview) -> tuple[str, NDArray[np.float32] | None]:
    name, kind, dims, data = "", 0, [], b""
    for number, value in _fields(message):
        if number == _TENSOR_NAME and isinstance(value, memoryview):
            name = bytes(value).decode()
        elif number in (_TENSOR_RAW, _TENSOR_FLOATS) and isinstance(value, memoryview):
            data = bytes(value)
        elif number == _TENSOR_TYPE and isinstance(value, int):
            kind = value
        elif number == _TENSOR_DIMS:
            dims += [value] if isinstance(value, int) else _packed(value)
    return name, np.frombuffer(data, "<f4").reshape(dims) if kind == _FLOAT else None


def _messages(message: memoryview, wanted: int) -> Iterator[memoryview]:
    for number, value in _fields(message):
        if number == wanted and isinstance(value, memoryview):
            yield value


def _fields(message: memoryview) -> Iterator[tuple[int, int | memoryview]]:
    """(field number, value): a whole number for varints, the bytes for anything else."""
    at = 0
    while at < len(message):
        key, at = _varint(message, at)
        number, wire = key >> 3, key & 7
        if wire == 0:
            value, at = _varint(message, at)
            yield number, value
            continue
        if wire == 2:
            length, at = _varint(message, at)
        else:
            length = {1: 8, 5: 4}[wire]
        yield number, message[at : at + length]
        at += length


def _packed(message: memoryview) -> list[int]:
    values, at = [], 0
    while at < len(message):
        value, at = _varint(message, at)
        values.append(value)
    return values


def _varint(message: memoryview, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = message[at]
        value |= (byte & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if byte < 0x80:
            return value, at
