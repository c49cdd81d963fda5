"""People for the drawn streets: the synthetic persons of package `openpeople`, cut out of their studio and dressed."""

import zipfile
from dataclasses import dataclass
from functools import cache

import cv2
import numpy as np
from numpy.typing import NDArray

from deid_udf import models
from deid_udf.demo.surfaces import rgb

_HEIGHT = 1200  # of the studio photograph as used here, in pixels
# Persons whose studio clothes come off the wall cleanly, and who resemble nobody known → where their shirt ends, as a
# share of their height.
_HEMS = {1: 0.502, 2: 0.523, 4: 0.520, 5: 0.537, 6: 0.501, 8: 0.526, 9: 0.502, 10: 0.499}
PERSONS = len(_HEMS)


@dataclass(frozen=True, slots=True)
class Cutout:
    """A picture with transparency, tightly cropped.

    Attributes:
        colour: uint8 (h, w, 3) RGB.
        alpha: float32 (h, w) in [0, 1].
    """

    colour: NDArray[np.uint8]
    alpha: NDArray[np.float32]


def person(number: int, shirt: tuple[int, int, int], trousers: tuple[int, int, int]) -> Cutout:
    """Person `number` (0 … `PERSONS` - 1), standing, with the studio's white clothes dyed in two RGB colours.

    Raises:
        ModelError: `openpeople` is not in the model cache.
    """
    photograph = sorted(_HEMS)[number]
    bare = _standing(photograph)
    saturation, value = cv2.split(cv2.cvtColor(bare.colour, cv2.COLOR_RGB2HSV))[1:]
    cloth = np.clip((75.0 - saturation) / 25, 0, 1) * np.clip((value - 95.0) / 40, 0, 1)
    rows = np.linspace(0, 1, len(bare.alpha))[:, None]
    cloth = cloth * (rows > 0.17) * (rows < 0.75)
    split = np.clip((rows - _HEMS[photograph]) * len(rows) / 6 + 0.5, 0, 1)[..., None]
    dye = (1 - split) * rgb(shirt) + split * rgb(trousers)
    dyed = bare.colour * (dye / 235)
    colour = bare.colour * (1 - cloth[..., None]) + dyed * cloth[..., None]
    return Cutout(colour.clip(0, 255).astype(np.uint8), bare.alpha)


@cache
def _standing(photograph: int) -> Cutout:
    name = f"openpeople/data/curated/P{photograph:03d}/assets/studio_posture.jpg"
    with zipfile.ZipFile(models.path("openpeople")) as wheel:
        data = np.frombuffer(wheel.read(name), np.uint8)
    full = np.asarray(cv2.imdecode(data, cv2.IMREAD_COLOR_RGB))
    size = (round(full.shape[1] * _HEIGHT / full.shape[0]), _HEIGHT)
    photo = np.asarray(cv2.resize(full, size, interpolation=cv2.INTER_AREA), np.uint8)
    alpha = _matte(photo)
    ys, xs = np.where(alpha > 0.5)
    inside = np.s_[ys.min() : ys.max() + 1, xs.min() : xs.max() + 1]
    return Cutout(np.ascontiguousarray(photo[inside]), np.ascontiguousarray(alpha[inside]))


def _matte(photo: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Person against a plain studio wall: GrabCut at half the size, its edge softened at full size."""
    small = np.asarray(cv2.resize(photo, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA))
    height, width = small.shape[:2]
    wall = np.concatenate([small[:, : width // 6], small[:, -width // 6 :]], axis=1).mean(1, keepdims=True)
    labels = np.full((height, width), cv2.GC_PR_BGD, np.uint8)
    labels[np.abs(cv2.GaussianBlur(small, (0, 0), 1.5) - wall).sum(-1) > 60] = cv2.GC_PR_FGD
    labels[:, : width // 5] = labels[:, -width // 5 :] = labels[: height // 40] = labels[-height // 40 :] = cv2.GC_BGD
    # Bare legs have colour; what has none between them is wall.
    legs = np.s_[round(0.68 * height) :]
    labels[legs][cv2.cvtColor(small[legs], cv2.COLOR_RGB2HSV)[..., 1] < 50] = cv2.GC_BGD
    cv2.setRNGSeed(0)
    cv2.grabCut(small, labels, (0, 0, 0, 0), np.zeros((1, 65)), np.zeros((1, 65)), 4, cv2.GC_INIT_WITH_MASK)
    inside = np.isin(labels, (cv2.GC_FGD, cv2.GC_PR_FGD)).astype(np.uint8)
    trunk = np.s_[height // 5 : round(0.56 * height)]
    inside[trunk] = cv2.morphologyEx(inside[trunk], cv2.MORPH_CLOSE, np.ones((9, 9), np.uint8))
    _, parts, areas, _ = cv2.connectedComponentsWithStats(inside)
    body = (parts == 1 + areas[1:, cv2.CC_STAT_AREA].argmax()).astype(np.float32)
    full = cv2.resize(body, photo.shape[1::-1], interpolation=cv2.INTER_LINEAR)
    soft = np.asarray(cv2.GaussianBlur(full, (0, 0), 1.5), np.float32)
    matte: NDArray[np.float32] = np.clip((soft - 0.45) * 2.5, 0, 1)
    return matte
