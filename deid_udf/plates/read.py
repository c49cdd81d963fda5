"""Read plates in batches: a quadrilateral of a frame → an upright crop → a recogniser's lattice."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Protocol

import cv2
import numpy as np
import onnxruntime as ort
import torch
from numpy.typing import NDArray

from deid_udf import models
from deid_udf.detect.region import Frame
from deid_udf.errors import ModelError
from deid_udf.inference import open_session
from deid_udf.plates import crnn
from deid_udf.plates.lattice import ALL, LATIN, Lattice, columns, gather
from deid_udf.plates.quad import Quad, aspect_of, is_box, part, upright

_BATCH = 16  # crops of one run, which takes some 10 MB for each
_STRETCH = 1.25  # crops are read wider than they are: condensed plate symbols come nearer to print
_ASPECTS = (4.0, 16 / 3, 20 / 3)  # of crops: few, so that batches are large
_RIM = 0.06  # around found corners, as a share of the sides: detectors set them a little inside
_TWO_LINES = 2.4  # aspect below which a plate is cut into two lines as well


class Reader(Protocol):
    """A recogniser of one-line crops.

    Attributes:
        name: in the model registry.
        symbols: of `lattice.ALL`, those that it knows.
        height: pixels of a line as it takes it.
    """

    name: str
    symbols: str
    height: int

    def read(self, crops: NDArray[np.uint8]) -> list[Lattice]:
        """(n, height, width, 3) RGB → one lattice a crop."""
        ...


class PpOcr:
    """A PP-OCR recogniser (Chinese and Latin), in onnxruntime.

    Args:
        name: in the model registry: `ppocr_v4` is better on Chinese plates, `ppocr_v6` on Latin ones (docs/plates.md).
        device: "cpu" or "cuda:N".
    """

    symbols, height = ALL, 48

    def __init__(self, name: str, device: str) -> None:
        self.name = name
        self._device = device

    def read(self, crops: NDArray[np.uint8]) -> list[Lattice]:
        """See `Reader`; input of the network is float32 BGR in [-1, 1], NCHW."""
        opened = models.opened(self.name, self._device, _open_ppocr)
        lattices: list[Lattice] = []
        for start in range(0, len(crops), _BATCH):
            some = crops[start : start + _BATCH]
            tensor = some[..., ::-1].transpose(0, 3, 1, 2).astype(np.float32) / 127.5 - 1
            (probabilities,) = opened.session.run(None, {"x": tensor})
            lattices.extend(gather(probabilities, opened.into))
        return lattices


@dataclass(frozen=True, slots=True)
class _Ctc:
    session: ort.InferenceSession
    into: NDArray[np.int64]


def _open_ppocr(path: Path, device: str) -> _Ctc:
    session = open_session(path, device)
    characters = session.get_modelmeta().custom_metadata_map["character"].splitlines()
    return _Ctc(session, columns(["", *characters, " "]))


class EasyOcr:
    """EasyOCR's recogniser of English, in torch: Latin letters and digits alone.

    Args:
        name: in the model registry: `easyocr_en`.
        device: "cpu" or "cuda:N".
    """

    symbols, height = LATIN, crnn.HEIGHT
    _into = columns(["", *crnn.CHARACTERS])

    def __init__(self, name: str, device: str) -> None:
        self.name = name
        self._device = device

    @torch.inference_mode()
    def read(self, crops: NDArray[np.uint8]) -> list[Lattice]:
        """See `Reader`; input of the network is float32 grey in [-1, 1], NCHW."""
        network = models.opened(self.name, self._device, crnn.load)
        lattices: list[Lattice] = []
        for start in range(0, len(crops), _BATCH):
            some = crops[start : start + _BATCH]
            grey = np.stack([cv2.cvtColor(crop, cv2.COLOR_RGB2GRAY) for crop in some])[:, None]
            tensor = torch.from_numpy(grey).to(self._device).float() / 127.5 - 1
            lattices.extend(gather(network(tensor).cpu().numpy(), self._into))
        return lattices


READERS: dict[str, Callable[[str, str], Reader]] = {"ppocr_v4": PpOcr, "ppocr_v6": PpOcr, "easyocr_en": EasyOcr}


def open_reader(name: str, device: str) -> Reader:
    """The reader called `name`; its weights open on first use.

    Raises:
        ModelError: no reader of that name.
    """
    if name not in READERS:
        raise ModelError(f"model {name!r} is no plate reader; known ones: {', '.join(sorted(READERS))}")
    return READERS[name](name, device)


def read_plates(frames: Sequence[Frame], places: Sequence[tuple[int, Quad]], reader: Reader) -> list[list[Lattice]]:
    """Read every plate of a batch.

    Args:
        frames: uint8 (H, W, 3) RGB.
        places: index of the frame, and the plate's quadrilateral there.
        reader: the recogniser; it sees one batch for each crop width.

    Returns:
        For each plate the lattices to choose among: the whole as one line, and for a squarish plate its two halves in
        succession too.
    """
    crops: list[tuple[int, int, NDArray[np.uint8]]] = []  # plate, reading, crop
    for i, (frame, quad) in enumerate(places):
        crops += [(i, reading, crop) for reading, crop in _crops(frames[frame], quad, reader)]
    readings: list[dict[int, list[Lattice]]] = [{} for _ in places]
    order = sorted(crops, key=lambda c: c[2].shape[1])
    seen: dict[int, Lattice] = {}
    for _, group in groupby(order, key=lambda c: c[2].shape[1]):
        some = list(group)
        for (_, _, crop), lattice in zip(some, reader.read(np.stack([c[2] for c in some])), strict=True):
            seen[id(crop)] = lattice
    for i, reading, crop in crops:
        readings[i].setdefault(reading, []).append(seen[id(crop)])
    return [[np.concatenate(lines) for lines in plate.values()] for plate in readings]


def _crops(frame: Frame, quad: Quad, reader: Reader) -> list[tuple[int, NDArray[np.uint8]]]:
    """(reading, crop) of one plate: reading 0 is the whole; reading 1, in two crops, its lines from top to bottom."""
    rim = 0.0 if is_box(quad) else _RIM
    crops = [(0, _crop(frame, part(quad, -rim, -rim, 1 + rim, 1 + rim), reader))]
    if aspect_of(quad) < _TWO_LINES:
        crops += [
            (1, _crop(frame, part(quad, -rim, top, 1 + rim, bottom), reader))
            for top, bottom in ((-rim, 0.45), (0.38, 1 + rim))
        ]
    return crops


def _crop(frame: Frame, quad: Quad, reader: Reader) -> NDArray[np.uint8]:
    wanted = aspect_of(quad) * _STRETCH
    aspect = min(_ASPECTS, key=lambda one: abs(one - wanted))
    return upright(frame, quad, (round(reader.height * aspect), reader.height))
