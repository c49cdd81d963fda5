"""A TensorFlow graph, written by hand field by field, gives its float constants and nothing else."""

import numpy as np

from deid_udf.metrics.frozen_graph import float_constants
from tests.support.protobuf import field, varint


def constant(name, sides, content, kind=1):
    shape = b"".join(field(2, varint(1 << 3) + varint(side)) for side in sides)
    tensor = varint(1 << 3) + varint(kind) + field(2, shape) + field(4, content)
    return field(1, name) + field(2, b"Const") + field(5, field(1, b"value") + field(2, field(8, tensor)))


def test_float_constants_are_read_and_others_left_out(tmp_path):
    values = np.arange(600, dtype="<f4")
    nodes = [
        field(1, b"input") + field(2, b"Placeholder"),
        constant(b"layer/weights", (3, 200), values.tobytes()),
        constant(b"axis", (), np.array(1, "<i4").tobytes(), kind=3),
        constant(b"layer/bias", (2,), values[:2].tobytes()),
    ]
    (tmp_path / "graph.pb").write_bytes(b"".join(field(1, node) for node in nodes))
    found = float_constants(tmp_path / "graph.pb")
    assert list(found) == ["layer/weights", "layer/bias"]
    assert np.array_equal(found["layer/weights"], values.reshape(3, 200))
    assert np.array_equal(found["layer/bias"], values[:2])
