"""Labelled pictures on disk: street frames with plates, and synthetic people with faces, all as outlines."""

import csv
import json
import re
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import dlib
import numpy as np
from numpy.typing import NDArray

from deid_udf import models
from deid_udf.detect.region import Box, Frame, Kind
from deid_udf.errors import UsageError

Outline = NDArray[np.float32]  # (n, 2) polygon in pixels
_FOREHEAD = 0.35  # share of the brow-to-chin height that a face goes on above the brows


@dataclass(frozen=True, slots=True)
class Thing:
    """One private object: its class and the polygon around it."""

    kind: Kind
    outline: Outline

    @property
    def box(self) -> Box:
        """Bounding box (x0, y0, x1, y1) in pixels."""
        x0, y0 = self.outline.min(0).tolist()
        x1, y1 = self.outline.max(0).tolist()
        return x0, y0, x1, y1


@dataclass(frozen=True, slots=True)
class Picture:
    """A picture's file, or its bytes, and what is on it."""

    source: Path | bytes = field(repr=False)
    things: tuple[Thing, ...]

    def pixels(self) -> Frame:
        """Decoded RGB, uint8 (h, w, 3)."""
        data = self.source.read_bytes() if isinstance(self.source, Path) else self.source
        pixels = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR_RGB)
        if pixels is None:
            raise UsageError(
                f"training picture {self.source if isinstance(self.source, Path) else ''} cannot be decoded"
            )
        return np.asarray(pixels, np.uint8)


def boxed_plates(folder: Path) -> list[Picture]:
    """Frames with `annotations.json` (file, objects with label and box), in order of video and time."""
    rows = json.loads((folder / "annotations.json").read_text())
    pictures = []
    for row in sorted(rows, key=lambda r: _natural(r["file"])):
        things = [Thing("plate", _corners(*o["box"])) for o in row["objects"] if o["label"] == "plate"]
        pictures.append(Picture(folder / "images" / row["file"], tuple(things)))
    return pictures


def rotated_plates(folder: Path) -> list[Picture]:
    """Photos with `index.csv` of rotated rectangles (centre, size, degrees), one row a plate, sorted by file name."""
    things: dict[str, list[Thing]] = {}
    with (folder / "index.csv").open(newline="") as stream:
        for row in csv.DictReader(stream):
            centre = float(row["centre_x"]), float(row["centre_y"])
            size = float(row["width"]), float(row["height"])
            outline = cv2.boxPoints((centre, size, float(row["rotation_deg"]))).astype(np.float32)
            things.setdefault(row["file"], []).append(Thing("plate", outline))
    return [Picture(folder / "images" / name, tuple(things[name])) for name in sorted(things)]


def halves(pictures: Sequence[Picture], block: int = 20) -> tuple[list[Picture], list[Picture]]:
    """(training, validation): blocks of `block` pictures in turn: day and night in both, few neighbours split."""
    parts: tuple[list[Picture], list[Picture]] = ([], [])
    for i, picture in enumerate(pictures):
        parts[i // block % 2].append(picture)
    return parts


class FaceOutliner:
    """Outlines of faces by dlib's 68 points, the forehead added."""

    def __init__(self) -> None:
        self._detect = dlib.get_frontal_face_detector()
        self._landmarks = dlib.shape_predictor(str(models.path("landmarks68")))

    def outline(self, image: Frame, box: Box) -> Outline:
        """Hull of the face in `box`: float32 (n, 2)."""
        shape = self._landmarks(image, dlib.rectangle(*(round(v) for v in box)))
        points = np.array([(p.x, p.y) for p in shape.parts()], np.float32)
        brows, chin = points[17:27], points[8]
        lifted = brows + _FOREHEAD * (brows.mean(0) - chin)
        return np.asarray(cv2.convexHull(np.concatenate([points, lifted]))[:, 0], np.float32)

    def find(self, image: Frame) -> list[Thing]:
        """Frontal faces of at least 80 px in `image`."""
        boxes = [(r.left(), r.top(), r.right(), r.bottom()) for r in self._detect(image)]
        return [Thing("face", self.outline(image, box)) for box in boxes]


_WHOLE_PHOTOS = ("selfie.jpg", "posture.jpg", "portrait.jpg", "emotions_sheet.jpg")  # every face on them is frontal


def synthetic_people(archive: Path, outliner: FaceOutliner, side: int = 1024) -> list[Picture]:
    """Photos of the package `openpeople` with at least one face found, scaled to `side` pixels."""
    pictures = []
    with zipfile.ZipFile(archive) as package:
        for name in sorted(n for n in package.namelist() if n.endswith(_WHOLE_PHOTOS)):
            whole = Picture(package.read(name), ()).pixels()
            scale = side / max(whole.shape)
            image = np.asarray(cv2.resize(whole, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA), np.uint8)
            if things := outliner.find(image):
                data = cv2.imencode(".jpg", cv2.cvtColor(image, cv2.COLOR_RGB2BGR))[1].tobytes()
                pictures.append(Picture(data, tuple(things)))
    return pictures


def _natural(name: str) -> list[str]:
    """Sort key under which frame 9 comes before frame 10."""
    return [part.zfill(8) for part in re.split(r"(\d+)", name)]


def _corners(x0: float, y0: float, x1: float, y1: float) -> Outline:
    return np.array([(x0, y0), (x1, y0), (x1, y1), (x0, y1)], np.float32)
