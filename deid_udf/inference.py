"""How a worker process runs models: its threads, its memory, and ONNX files opened in onnxruntime.

`DEID_THREADS` sets the threads of one model run; the default is 1, since Spark already runs one worker a core.
"""

import ctypes
import os
from pathlib import Path

import onnx
import onnxruntime as ort

THREADS_VARIABLE = "DEID_THREADS"

_M_TRIM_THRESHOLD, _M_MMAP_MAX = -1, -4  # of malloc.h


def threads() -> int:
    """Threads of one model run in this process."""
    return max(1, int(os.environ.get(THREADS_VARIABLE, "1")))


def keep_freed_memory() -> None:
    """Have this process's malloc keep what is freed, instead of giving large blocks back to the kernel.

    A network's maps are made and freed at every layer; those above 32 MB are new pages each time, and on a CPU the page
    faults cost as much as the layer. For a process of our own alone; does nothing where malloc is not glibc's.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(_M_MMAP_MAX, 0)
        mallopt(_M_TRIM_THRESHOLD, 2**31 - 1)


def open_session(path: Path, device: str, *, free_shapes: bool = False) -> ort.InferenceSession:
    """Open an ONNX file.

    Args:
        path: the verified file.
        device: "cpu" or "cuda:N"; CUDA needs the onnxruntime build that has its provider, else the CPU is used.
        free_shapes: forget the exported batch and spatial sizes, so that any size runs, and let the optimiser fold
            weights that an old exporter listed as inputs.
    """
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads()
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    # A pool that spins while it waits would take the cores of the workers beside it.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    model = _with_free_shapes(path) if free_shapes else str(path)
    return ort.InferenceSession(model, options, providers=_providers(device))


def _providers(device: str) -> list[str | tuple[str, dict[str, str]]]:
    kind, _, index = device.partition(":")
    if kind == "cuda" and "CUDAExecutionProvider" in ort.get_available_providers():
        # Deterministic kernels: keyed noise needs the same value from the same picture (privacy.md §5).
        options = {"device_id": index or "0", "cudnn_conv_algo_search": "DEFAULT", "use_tf32": "0"}
        return [("CUDAExecutionProvider", options), "CPUExecutionProvider"]
    return ["CPUExecutionProvider"]


def _with_free_shapes(path: Path) -> bytes:
    model = onnx.load(str(path))
    graph = model.graph
    weights = {tensor.name for tensor in graph.initializer}
    inputs = [value for value in graph.input if value.name not in weights]
    for value in [*inputs, *graph.output]:
        for axis, dim in enumerate(value.type.tensor_type.shape.dim):
            if axis != 1:
                dim.dim_param = f"{value.name}_{axis}"
    del graph.input[:], graph.value_info[:]
    graph.input.extend(inputs)
    return bytes(model.SerializeToString())
