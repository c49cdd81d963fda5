import numpy as np
import pytest

from deid_udf.generator.openvino_ir import Graph

XML = """<?xml version="1.0"?>
<net name="tiny" version="10"><layers>
  <layer id="0" name="x" type="Parameter"><data shape="1, 2" element_type="f32"/></layer>
  <layer id="1" name="w" type="Const"><data element_type="f32" shape="2, 2" offset="0" size="16"/></layer>
  <layer id="2" name="product" type="MatMul"/>
  <layer id="3" name="b" type="Const"><data element_type="f16" shape="2" offset="16" size="4"/></layer>
  <layer id="4" name="sum" type="Add"/>
</layers><edges>
  <edge from-layer="0" from-port="0" to-layer="2" to-port="0"/>
  <edge from-layer="1" from-port="0" to-layer="2" to-port="1"/>
  <edge from-layer="2" from-port="2" to-layer="4" to-port="0"/>
  <edge from-layer="3" from-port="0" to-layer="4" to-port="1"/>
</edges></net>"""


@pytest.fixture
def graph(tmp_path):
    (tmp_path / "tiny.xml").write_text(XML)
    weights = np.array([[1, 2], [3, 4]], np.float32).tobytes() + np.array([0.5, -0.5], np.float16).tobytes()
    (tmp_path / "tiny.bin").write_bytes(weights)
    return Graph(tmp_path / "tiny.xml", tmp_path / "tiny.bin")


def test_constants_have_their_values_shapes_and_order(graph):
    assert np.array_equal(graph.constant("w"), [[1, 2], [3, 4]])
    assert [c.tolist() for c in graph.constants()] == [[[1, 2], [3, 4]], [0.5, -0.5]]
    assert graph.constant("b").dtype == np.float32


def test_chains_are_followed(graph):
    assert graph.follow("w") == "product" and graph.follow("w", 2) == "sum"
    assert np.array_equal(graph.operand("sum"), [0.5, -0.5])
    assert graph.is_scaling("sum") and not graph.is_scaling("w")


def test_an_unknown_name_is_an_error(graph):
    with pytest.raises(KeyError):
        graph.constant("none")
