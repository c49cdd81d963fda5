import struct

import numpy as np

from deid_udf.faces.onnx_weights import float_initialisers
from tests.support.protobuf import field, varint


def tensor(name, dims, data, kind=1, raw=True):
    shape = b"".join(varint(1 << 3) + varint(d) for d in dims)
    return shape + varint(2 << 3) + varint(kind) + field(8, name) + field(9 if raw else 4, data)


def test_float_tensors_are_read_and_others_left_out(tmp_path):
    values = np.arange(300, dtype="<f4")
    tensors = [
        tensor(b"raw", (100, 3), values.tobytes()),
        tensor(b"whole numbers", (1,), struct.pack("<q", 7), kind=7),
        tensor(b"listed", (2,), values[:2].tobytes(), raw=False),
    ]
    node = field(1, field(4, b"Conv"))
    graph = node + field(2, b"graph") + b"".join(field(5, t) for t in tensors)
    model = varint(1 << 3) + varint(8) + field(2, b"test") + field(7, graph)
    (tmp_path / "tiny.onnx").write_bytes(model)
    found = float_initialisers(tmp_path / "tiny.onnx")
    assert list(found) == ["raw", "listed"]
    assert np.array_equal(found["raw"], values.reshape(100, 3))
    assert np.array_equal(found["listed"], values[:2])
