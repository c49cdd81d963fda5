"""Folders of pictures with what is known about them.

Three layouts, told apart by the file that describes them; pictures lie in `images/` beside it, or in the folder itself:

* `annotations.json`: `[{"file", "objects": [{"label", "box": [x0, y0, x1, y1], "text"?}]}]`
* `index.csv` with `file, centre_x, centre_y, width, height, rotation_deg, text`: rotated plates
* neither: pictures of which nothing is known
"""

import csv
import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import cv2
import numpy as np
from numpy.typing import NDArray

from deid_udf.detect.boxes import as_box, box_corners
from deid_udf.detect.region import Box, Kind
from deid_udf.errors import UsageError

_SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".webp", ".tif", ".tiff"})


@dataclass(frozen=True, slots=True)
class Truth:
    """One annotated object: its class, box in pixels, text where it is a plate that somebody read; a slanted plate's
    corners (x, y), in order.
    """

    kind: Kind
    box: Box
    text: str | None = None
    corners: tuple[tuple[float, float], ...] | None = None

    @property
    def outline(self) -> NDArray[np.float32]:
        """The object's polygon, float32 (4, 2): its corners, or its box's."""
        return box_corners(self.box) if self.corners is None else np.array(self.corners, np.float32)


@dataclass(frozen=True, slots=True)
class Sample:
    """One picture.

    Attributes:
        file: where it lies, or None where image records hold it.
        name: its name below the folder, or its image_id.
        truth: every private object on it; None where nobody annotated it.
    """

    file: Path | None
    name: str
    truth: tuple[Truth, ...] | None


def read_samples(folder: Path, limit: int | None = None) -> list[Sample]:
    """Every picture of the folder, in the order of its description, else by name.

    Raises:
        UsageError: no such folder, no pictures, or a description that cannot be read.
    """
    images = _images(folder)
    try:
        if (folder / "annotations.json").exists():
            samples = [_annotated(images, row) for row in json.loads((folder / "annotations.json").read_text())]
        elif _has_rotated_boxes(folder / "index.csv"):
            samples = _rotated(images, folder / "index.csv")
        else:
            files = sorted(f for f in images.rglob("*") if f.suffix.lower() in _SUFFIXES)
            samples = [_sample(images, str(f.relative_to(images)), None) for f in files]
    except (ValueError, KeyError, TypeError) as error:
        raise UsageError(f"{folder}: its description cannot be read ({type(error).__name__}: {error})") from error
    if not samples:
        raise UsageError(f"{folder} holds no pictures")
    return samples[:limit]


def _images(folder: Path) -> Path:
    if not folder.is_dir():
        raise UsageError(f"{folder} is no folder")
    return folder / "images" if (folder / "images").is_dir() else folder


def _sample(images: Path, name: str, truth: tuple[Truth, ...] | None) -> Sample:
    return Sample(images / name, name, truth)


def _annotated(images: Path, row: dict[str, Any]) -> Sample:
    truth = [Truth(_kind(o["label"]), cast(Box, tuple(map(float, o["box"]))), o.get("text")) for o in row["objects"]]
    return _sample(images, row["file"], tuple(truth))


def _kind(label: str) -> Kind:
    if label not in ("face", "plate"):
        raise ValueError(f"label {label!r} is neither face nor plate")
    return cast(Kind, label)


def _has_rotated_boxes(file: Path) -> bool:
    return file.exists() and "centre_x" in file.read_text(encoding="utf-8").partition("\n")[0]


def _rotated(images: Path, file: Path) -> list[Sample]:
    found: dict[str, list[Truth]] = {}
    with file.open(encoding="utf-8", newline="") as stream:
        rows: Iterable[dict[str, str]] = csv.DictReader(stream)
        for row in rows:
            found.setdefault(row["file"], []).append(_slanted(row))
    return [_sample(images, name, tuple(truth)) for name, truth in found.items()]


def _slanted(row: dict[str, str]) -> Truth:
    x, y, w, h = (float(row[k]) for k in ("centre_x", "centre_y", "width", "height"))
    corners = cv2.boxPoints(((x, y), (w, h), float(row["rotation_deg"])))
    box = as_box(np.concatenate([corners.min(0), corners.max(0)]))
    return Truth("plate", box, row["text"] or None, tuple((px, py) for px, py in corners.tolist()))
