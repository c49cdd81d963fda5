"""Sequences of street pictures, drawn and seeded: the same pictures for every newcomer."""

import io
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import ExifTags, Image

from deid_udf.demo.camera import Camera, Canvas
from deid_udf.demo.cars import Car
from deid_udf.demo.people import PERSONS, Cutout, person
from deid_udf.demo.plates import random_plate
from deid_udf.demo.street import ROAD, street
from deid_udf.demo.surfaces import rgb

SEQUENCES, FRAMES = 4, 5
SIZE = (1280, 720)
_PAINTS = ((160, 30, 34), (214, 216, 220), (40, 70, 120), (56, 60, 58), (196, 160, 60), (30, 34, 38), (96, 120, 110))
_CLOTHES = ((178, 60, 52), (52, 84, 140), (220, 190, 90), (60, 120, 90), (90, 70, 120), (225, 225, 225), (60, 66, 80),
            (200, 120, 70), (110, 160, 190), (120, 30, 60))  # fmt: skip
_START = datetime(2026, 11, 24, 8, 0)


@dataclass(frozen=True, slots=True)
class Passer:
    """Someone who walks towards the camera: a cut-out, where it stands in metres, and how tall it is."""

    look: Cutout
    right: float
    ahead: float
    height: float

    def draw(self, canvas: Canvas, camera: Camera) -> None:
        """Paint the person and a shadow."""
        rows, columns = self.look.alpha.shape
        half = self.height * columns / rows / 2
        camera.shade(canvas, (self.right, 0, self.ahead), (0.42, 0.3), 0.45)
        left, right = self.right - half, self.right + half
        corners = [(left, self.height, self.ahead), (right, self.height, self.ahead),
                   (right, 0, self.ahead), (left, 0, self.ahead)]  # fmt: skip
        camera.hang(canvas, self.look.colour.astype(np.float32), corners, self.look.alpha)


@dataclass(frozen=True, slots=True)
class Picture:
    """One drawn frame.

    Attributes:
        path: relative path, camera/sequence/name.
        data: the encoded file.
    """

    path: str
    data: bytes


def pictures() -> Iterator[Picture]:
    """All sequences, frame by frame, and at the end one damaged file."""
    last = b""
    for sequence in range(SEQUENCES):
        for frame, drawn in enumerate(_sequence(sequence)):
            taken = _START + timedelta(minutes=10 * sequence, seconds=frame)
            suffix = "png" if (sequence, frame) == (SEQUENCES - 1, FRAMES - 1) else "jpg"
            data = _encode(drawn, taken, suffix)
            last = data if suffix == "jpg" else last
            yield Picture(f"camera-{sequence % 2 + 1}/street-{sequence + 1}/{frame + 1:04d}.{suffix}", data)
    yield Picture(f"camera-1/street-1/{FRAMES + 1:04d}.jpg", last[: len(last) // 2])


def write(pictures: Iterator[Picture], folder: Path) -> int:
    """Write pictures below `folder`; returns how many."""
    count = 0
    for picture in pictures:
        file = folder / picture.path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(picture.data)
        count += 1
    return count


def _sequence(number: int) -> Iterator[NDArray[np.uint8]]:
    rng = np.random.default_rng([2026, number])
    camera = Camera()
    empty = street(camera, number + 1)
    cars, people = _cars(rng), _people(rng)
    light = rgb((1.0, 0.99, 0.97)) * np.float32(rng.uniform(0.84, 1.04))
    for frame in range(FRAMES):
        canvas = empty.copy()
        moved = [replace(c, ahead=c.ahead + (-0.9 if c.front else 0.5) * frame) for c in cars]
        walked = [replace(p, ahead=p.ahead - 0.45 * frame, right=p.right + 0.06 * frame) for p in people]
        things: list[Car | Passer] = [*moved, *walked]
        for thing in sorted(things, key=lambda t: -t.ahead):
            thing.draw(canvas, camera)
        yield _expose(canvas * light, rng)


def _cars(rng: np.random.Generator) -> list[Car]:
    paints = rng.permutation(len(_PAINTS))

    def car(number: int, right: float, ahead: float, front: bool) -> Car:
        turn = float(rng.uniform(-7, 7))
        return Car(right, ahead, turn, _PAINTS[paints[number]], random_plate(rng), front)

    return [
        car(0, rng.uniform(1.3, 1.9), rng.uniform(4.8, 6.0), front=False),
        car(1, rng.uniform(-2.0, -1.4), rng.uniform(9.0, 10.5), front=True),
        car(2, rng.uniform(1.6, 2.2), rng.uniform(14, 18), front=False),
    ]


def _people(rng: np.random.Generator) -> list[Passer]:
    who = rng.permutation(PERSONS)
    clothes = rng.permutation(len(_CLOTHES))

    def passer(number: int, right: float, ahead: float) -> Passer:
        look = person(int(who[number]), _CLOTHES[clothes[number]], _CLOTHES[clothes[number + 4]])
        return Passer(look, right, ahead, float(rng.uniform(1.62, 1.84)))

    side = float(rng.choice((-1, 1)))
    return [
        passer(0, -side * rng.uniform(0.5, 0.9), rng.uniform(3.9, 4.4)),
        passer(1, -(ROAD + rng.uniform(0.4, 1.2)), rng.uniform(9.0, 10.5)),
        passer(2, ROAD + rng.uniform(0.4, 1.2), rng.uniform(9.0, 11.0)),
        passer(3, side * (ROAD + rng.uniform(0.6, 2.6)), rng.uniform(13, 16)),
    ]


def _expose(canvas: Canvas, rng: np.random.Generator) -> NDArray[np.uint8]:
    """The canvas as a camera's frame of `SIZE`: lens and sensor."""
    frame = np.asarray(cv2.resize(canvas, SIZE, interpolation=cv2.INTER_AREA))
    noise = rng.standard_normal(frame.shape, np.float32)
    return (frame + 2.2 * noise).clip(0, 255).astype(np.uint8)


def _encode(frame: NDArray[np.uint8], taken: datetime, suffix: str) -> bytes:
    """With the metadata a camera would leave: time and place, which the release must not show."""
    exif = Image.Exif()
    exif[ExifTags.Base.Make] = "Drawn"
    details = exif.get_ifd(ExifTags.IFD.Exif)
    details[ExifTags.Base.DateTimeOriginal] = taken.strftime("%Y:%m:%d %H:%M:%S")
    details[ExifTags.Base.OffsetTimeOriginal] = "+08:00"
    exif.get_ifd(ExifTags.IFD.GPSInfo).update(
        {ExifTags.GPS.GPSLatitudeRef: "N", ExifTags.GPS.GPSLatitude: (39.0, 54.0, 26.0),
         ExifTags.GPS.GPSLongitudeRef: "E", ExifTags.GPS.GPSLongitude: (116.0, 23.0, 29.0)}
    )  # fmt: skip
    stream = io.BytesIO()
    if suffix == "jpg":
        Image.fromarray(frame).save(stream, "JPEG", quality=92, exif=exif)
    else:
        Image.fromarray(frame).save(stream, "PNG", exif=exif, compress_level=3)
    return stream.getvalue()
