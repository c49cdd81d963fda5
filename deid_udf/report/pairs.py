"""Pictures before and after, with the regions of the ledger, for a page that needs no other file."""

import base64
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from deid_udf.report.audit import epsilon

_WIDTH = 960  # pixels of an embedded picture
_CROPS, _CROP = 4, 144  # how many regions are shown close up, and their side in pixels
Frame = NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class Region:
    """One ledger entry in the embedded picture's pixels, with its close-ups (data URIs; empty where there are none)."""

    kind: str
    label: str
    x: int
    y: int
    width: int
    height: int
    before: str = ""
    after: str = ""


@dataclass(frozen=True, slots=True)
class Pair:
    """One image before and after, as data URIs of `width` × `height` pixels."""

    name: str
    before: str
    after: str
    width: int
    height: int
    epsilon: str
    summary: str
    regions: list[Region]


def pair(name: str, before: Frame, after: Frame, objects: Sequence[Mapping[str, Any]], total: Any) -> Pair:
    """One image's pair.

    Args:
        name: the image's name.
        before, after: uint8 (H, W, 3) RGB.
        objects: its ledger entries (`schema.OBJECT`).
        total: its ε, or None.
    """
    scale = min(1.0, _WIDTH / before.shape[1])
    size = (round(before.shape[1] * scale), round(before.shape[0] * scale))
    kinds = Counter(entry["kind"] for entry in objects)
    largest = sorted(objects, key=lambda e: -_area(e["box"]))[:_CROPS]
    regions = []
    for entry in objects:
        x0, y0, x1, y1 = (round(v * scale) for v in entry["box"])
        close = [_close_up(frame, entry["box"]) for frame in (before, after)] if entry in largest else ["", ""]
        regions.append(Region(entry["kind"], _label(entry), x0, y0, x1 - x0, y1 - y0, *close))
    return Pair(
        name=name,
        before=data_uri(_resized(before, size)),
        after=data_uri(_resized(after, size)),
        width=size[0],
        height=size[1],
        epsilon=epsilon(total)[0],
        summary=", ".join(f"{count} {kind}{'s' if count > 1 else ''}" for kind, count in sorted(kinds.items())),
        regions=regions,
    )


def data_uri(frame: Frame, quality: int = 82) -> str:
    """A frame (uint8 (h, w, 3) RGB) as a JPEG that stands in the page itself."""
    _, data = cv2.imencode(".jpg", frame[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, quality])
    return f"data:image/jpeg;base64,{base64.b64encode(data.tobytes()).decode()}"


def _label(entry: Mapping[str, Any]) -> str:
    why = "drawn before in its sequence" if entry["memo_of"] else entry["cause"].replace("_", " ")
    words = [entry["kind"], f"ε {epsilon(entry['epsilon'])[0]}", entry["guarantee"], why]
    return " · ".join(word for word in words if word)


def _area(box: Sequence[int]) -> int:
    return (box[2] - box[0]) * (box[3] - box[1])


def _close_up(frame: Frame, box: Sequence[int]) -> str:
    """A square around the box, half as wide again."""
    half = 0.75 * max(box[2] - box[0], box[3] - box[1])
    x, y = (box[0] + box[2]) / 2, (box[1] + box[3]) / 2
    matrix = np.array([[_CROP / 2 / half, 0, _CROP / 2 - x * _CROP / 2 / half],
                       [0, _CROP / 2 / half, _CROP / 2 - y * _CROP / 2 / half]])  # fmt: skip
    close = cv2.warpAffine(frame, matrix, (_CROP, _CROP), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return data_uri(np.asarray(close, np.uint8), 88)


def _resized(frame: Frame, size: tuple[int, int]) -> Frame:
    return np.asarray(cv2.resize(frame, size, interpolation=cv2.INTER_AREA), np.uint8)
