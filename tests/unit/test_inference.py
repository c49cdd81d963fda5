import subprocess
import sys

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from deid_udf.inference import THREADS_VARIABLE, open_session, threads


@pytest.fixture
def fixed_model(tmp_path):
    """y = relu(x + w), exported for x of shape (1, 2, 3, 3), its weight listed as an input by an old exporter."""
    nodes = [helper.make_node("Add", ["x", "w"], ["sum"]), helper.make_node("Relu", ["sum"], ["y"])]
    tensor = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, 2, 3, 3]) for name in ("x", "y")]
    listed = helper.make_tensor_value_info("w", TensorProto.FLOAT, [1])
    weight = helper.make_tensor("w", TensorProto.FLOAT, [1], [1.0])
    graph = helper.make_graph(nodes, "fixed", [tensor[0], listed], [tensor[1]], [weight])
    path = tmp_path / "fixed.onnx"
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), str(path))
    return path


def test_freed_shapes_take_any_batch_and_size(fixed_model):
    session = open_session(fixed_model, "cpu", free_shapes=True)
    assert [value.name for value in session.get_inputs()] == ["x"]
    x = np.arange(2 * 2 * 4 * 5, dtype=np.float32).reshape(2, 2, 4, 5) - 20
    (y,) = session.run(None, {"x": x})
    np.testing.assert_array_equal(y, np.maximum(x + 1, 0))


def test_cuda_without_its_provider_falls_back_to_the_cpu(fixed_model):
    assert "CPUExecutionProvider" in open_session(fixed_model, "cuda:1").get_providers()


def test_one_thread_a_worker_unless_told(fixed_model, monkeypatch):
    monkeypatch.delenv(THREADS_VARIABLE, raising=False)
    assert threads() == 1
    assert open_session(fixed_model, "cpu").get_session_options().intra_op_num_threads == 1
    monkeypatch.setenv(THREADS_VARIABLE, "3")
    assert threads() == 3
    assert open_session(fixed_model, "cpu").get_session_options().intra_op_num_threads == 3


@pytest.mark.parametrize("kept", [False, True])
def test_memory_kept_is_used_again_without_page_faults(kept):
    script = f"""
import resource
from deid_udf.inference import keep_freed_memory
faults = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_minflt
if {kept}: keep_freed_memory()
bytearray(b"x") * 40_000_000
before = faults()
bytearray(b"x") * 40_000_000
print(faults() - before)
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert (int(done.stdout) < 100) == kept
