"""Constants of a frozen TensorFlow graph (`GraphDef`), without TensorFlow; no graph is executed.

Field numbers: tensorflow/core/framework/{graph,node_def,attr_value,tensor,tensor_shape}.proto.
"""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from deid_udf.protobuf import fields, messages

_GRAPH_NODE = 1
_NODE_NAME, _NODE_OP, _NODE_ATTRIBUTE = 1, 2, 5
_KEY, _VALUE, _VALUE_TENSOR = 1, 2, 8
_TENSOR_TYPE, _TENSOR_SHAPE, _TENSOR_CONTENT = 1, 2, 4
_SHAPE_DIM, _DIM_SIZE = 2, 1
_FLOAT = 1  # DataType


def float_constants(path: Path) -> dict[str, NDArray[np.float32]]:
    """Every float32 constant whose values stand there as raw bytes, by node name, in file order."""
    found = {}
    for node in messages(memoryview(path.read_bytes()), _GRAPH_NODE):
        if _text(node, _NODE_OP) != "Const":
            continue
        for attribute in messages(node, _NODE_ATTRIBUTE):
            if _text(attribute, _KEY) == "value":
                (value,) = messages(attribute, _VALUE)
                (tensor,) = messages(value, _VALUE_TENSOR)
                array = _array(tensor)
                if array is not None:
                    found[_text(node, _NODE_NAME)] = array
    return found


def _text(message: memoryview, wanted: int) -> str:
    return next((bytes(text).decode() for text in messages(message, wanted)), "")


def _array(tensor: memoryview) -> NDArray[np.float32] | None:
    content = next(messages(tensor, _TENSOR_CONTENT), None)
    if content is None or (_TENSOR_TYPE, _FLOAT) not in fields(tensor):
        return None
    shape = next(messages(tensor, _TENSOR_SHAPE), memoryview(b""))
    sizes = (value for dim in messages(shape, _SHAPE_DIM) for number, value in fields(dim) if number == _DIM_SIZE)
    sides = [size for size in sizes if isinstance(size, int)]
    return np.frombuffer(content, "<f4").reshape(sides)
