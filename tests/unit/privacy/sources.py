"""Noise sources that tests need: a fixed key, and a tape that records one release's draws and plays them to another."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from deid_udf.privacy import Context, KeyedNoise, NoiseSource, OsNoise
from deid_udf.privacy.kernels import Integers, Kernel

KEYED = KeyedNoise(bytes(range(32)))
OS = OsNoise()
SOURCES = (KEYED, OS)


def contexts(rows: int, *fields: bytes) -> list[Context]:
    """A context a row, all different."""
    return [(*fields, row.to_bytes(4, "big")) for row in range(rows)]


class Recorder(NoiseSource):
    """Draws from another source and keeps what it drew."""

    name, repeatable = "recorder", False

    def __init__(self, source: NoiseSource) -> None:
        self._source = source
        self.tape: list[Integers] = []

    def apply(self, kernel: Kernel, values: Integers, label: bytes, contexts: Sequence[Context]) -> Integers:
        self.tape.append(self._source.apply(kernel, values, label, contexts))
        return self.tape[-1].copy()

    def seeds(self, contexts: Sequence[Context]) -> NDArray[np.uint8]:
        return self._source.seeds(contexts)


class Player(NoiseSource):
    """Plays a recorder's tape, whatever it is asked to draw around."""

    name, repeatable = "player", False

    def __init__(self, tape: Sequence[Integers]) -> None:
        self._tape = list(tape)

    def apply(self, kernel: Kernel, values: Integers, label: bytes, contexts: Sequence[Context]) -> Integers:
        return self._tape.pop(0)

    def seeds(self, contexts: Sequence[Context]) -> NDArray[np.uint8]:
        raise AssertionError("a mechanism draws its noise, and no seeds")
