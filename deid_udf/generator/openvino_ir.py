"""Constants of an OpenVINO IR graph (v10), read from its .xml and .bin without OpenVINO.

The XML lists layers (with the offset of each constant in the .bin) and the edges between them. Only constants leave
this module; no graph is executed.
"""

from pathlib import Path
from xml.etree import ElementTree as ET

import numpy as np
from numpy.typing import NDArray

_DTYPES = {"f32": np.float32, "f16": np.float16, "i64": np.int64, "i32": np.int32}


class Graph:
    """Layers of one IR by id, in file order, with the edges between them.

    Args:
        xml: the graph.
        weights: the constants' bytes.
    """

    def __init__(self, xml: Path, weights: Path) -> None:
        root = ET.parse(xml).getroot()  # noqa: S314  its sha256 is pinned
        self._layers = {layer.attrib["id"]: layer for layer in root.iter("layer")}
        self._ids = {layer.attrib["name"]: key for key, layer in self._layers.items()}
        self._inputs: dict[str, list[str]] = {key: [] for key in self._layers}
        self._outputs: dict[str, list[str]] = {key: [] for key in self._layers}
        edges = [(e.attrib["from-layer"], e.attrib["to-layer"], int(e.attrib["to-port"])) for e in root.iter("edge")]
        for source, target, _ in sorted(edges, key=lambda e: e[2]):
            self._inputs[target].append(source)
            self._outputs[source].append(target)
        self._bytes = weights.read_bytes()

    def constant(self, name: str) -> NDArray[np.float32]:
        """The constant layer `name` as float32 in its own shape; `KeyError` if there is none."""
        return self._read(self._ids[name])

    def constants(self) -> list[NDArray[np.float32]]:
        """Every constant, in file order."""
        return [self._read(key) for key in self._layers if self._is_constant(key)]

    def follow(self, name: str, steps: int = 1) -> str:
        """Name of the layer `steps` further along a chain of layers that each have one reader."""
        key = self._ids[name]
        for _ in range(steps):
            (key,) = self._outputs[key]
        return self._layers[key].attrib["name"]

    def operand(self, name: str) -> NDArray[np.float32]:
        """The constant input of layer `name` (an addend, a factor, a kernel); `StopIteration` if it has none."""
        return self._read(next(key for key in self._inputs[self._ids[name]] if self._is_constant(key)))

    def is_scaling(self, name: str) -> bool:
        """Whether layer `name` has a constant input, that is, scales or shifts one stream instead of joining two."""
        return any(self._is_constant(key) for key in self._inputs[self._ids[name]])

    def _is_constant(self, key: str) -> bool:
        return self._layers[key].attrib["type"] == "Const"

    def _read(self, key: str) -> NDArray[np.float32]:
        data = self._layers[key].find("data")
        assert data is not None
        dtype = np.dtype(_DTYPES[data.attrib["element_type"]])
        shape = [int(n) for n in data.attrib["shape"].split(",") if n.strip()]
        count = int(data.attrib["size"]) // dtype.itemsize
        values = np.frombuffer(self._bytes, dtype, count, int(data.attrib["offset"]))
        return values.reshape(shape).astype(np.float32)
