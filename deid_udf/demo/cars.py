"""Cars as a dozen painted faces, so that their plates are seen as a camera would see them."""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from deid_udf.demo.camera import Camera, Canvas, Point
from deid_udf.demo.surfaces import Surface, rgb

_SCALE = 160  # pixels a metre on a car's faces
_WIDTH, _LENGTH = 1.8, 4.3
_SILL, _BELT, _ROOF = 0.22, 0.92, 1.45  # heights of the body's lower edge, of its windows' lower edge, of the roof
_PLATE = (0.44, 0.14)
_GLASS = (44, 54, 62)
Paint = Surface | tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Car:
    """A parked or driving car.

    Attributes:
        right, ahead: where the middle of its nearest face stands, in metres.
        turn: its yaw in degrees; 0 faces straight away from the camera or towards it.
        colour: RGB of the paint.
        plate: uint8 (h, w, 3) RGB picture of the plate, as wide as a real one against its height.
        front: whether its front is nearest to the camera.
    """

    right: float
    ahead: float
    turn: float
    colour: tuple[int, int, int]
    plate: NDArray[np.uint8]
    front: bool

    def draw(self, canvas: Canvas, camera: Camera) -> None:
        """Paint the car and its shadow; the faces that look away are left out."""
        middle = self._place(0, 0, _LENGTH / 2)
        camera.shade(canvas, middle, (1.15, 2.4), 0.55)
        for corners, picture in self._faces():
            seen = camera.project(corners)
            if cv2.contourArea(seen, oriented=True) <= 0:
                continue
            if isinstance(picture, tuple):
                camera.fill(canvas, corners, picture)
            else:
                camera.hang(canvas, picture, corners)

    def _place(self, across: float, up: float, along: float) -> Point:
        angle = np.deg2rad(self.turn)
        return (
            self.right + across * float(np.cos(angle)) + along * float(np.sin(angle)),
            up,
            self.ahead + along * float(np.cos(angle)) - across * float(np.sin(angle)),
        )

    def _faces(self) -> list[tuple[list[Point], Paint]]:
        """Corners clockwise from the top left as seen from outside, and what is painted there; far faces first."""

        def quad(*corners: tuple[float, float, float]) -> list[Point]:
            return [self._place(*corner) for corner in corners]

        w, lean = _WIDTH / 2, 0.72  # half the width, and of the roof
        deck = 0.95 if self.front else 0.4  # bonnet or boot
        start, end = deck, _LENGTH - (0.4 if self.front else 0.95)
        roof = (start + 0.65, end - 0.55)
        sides: list[tuple[list[Point], Paint]] = []
        for x, first, last in ((-w, _LENGTH, 0.0), (w, 0.0, _LENGTH)):
            sides.append((quad((x, _BELT, first), (x, _BELT, last), (x, 0, last), (x, 0, first)), self._side()))
            near, far = (start, end) if x > 0 else (end, start)
            inner_near, inner_far = roof if x > 0 else roof[::-1]
            top = np.sign(x) * lean
            pane = quad((top, _ROOF, inner_near), (top, _ROOF, inner_far), (x, _BELT, far), (x, _BELT, near))
            sides.append((pane, tuple(0.8 * c for c in _GLASS)))
        rim = _BELT - 0.06
        half, tall = _PLATE[0] / 2, _PLATE[1] / 2
        rear, top = roof
        bonnet = quad((-w, _BELT, deck), (w, _BELT, deck), (w, rim, 0), (-w, rim, 0))
        lid = quad((-lean, _ROOF, top), (lean, _ROOF, top), (lean, _ROOF, rear), (-lean, _ROOF, rear))
        window = quad((-lean, _ROOF, rear), (lean, _ROOF, rear), (w, _BELT, deck), (-w, _BELT, deck))
        nose = quad((-w, rim, 0), (w, rim, 0), (w, 0, 0), (-w, 0, 0))
        plate = quad(*[(x, 0.56 + y, -0.02) for x, y in ((-half, tall), (half, tall), (half, -tall), (-half, -tall))])
        return [
            *sides,
            (bonnet, self._tone(1.2)),
            (lid, self._tone(1.08)),
            (window, self._window()),
            (nose, self._nose()),
            (plate, self.plate.astype(np.float32)),
        ]

    def _tone(self, factor: float) -> tuple[float, ...]:
        return tuple(min(255.0, factor * c) for c in self.colour)

    def _window(self) -> Surface:
        pane = np.linspace(1.9, 0.8, 80, dtype=np.float32)[:, None, None] * rgb(_GLASS)
        pane = np.repeat(pane, 200, 1)
        for seat in (52, 148):
            cv2.ellipse(pane, (seat, 80), (20, 42), 0, 180, 360, (22, 24, 27), -1, cv2.LINE_AA)
        pane[:, :9] = pane[:, -9:] = pane[:5] = self._tone(0.9)
        return pane

    def _side(self) -> Surface:
        height, length = round(_BELT * _SCALE), round(_LENGTH * _SCALE)
        panel = rgb(self.colour) * np.linspace(0.95, 0.55, height, dtype=np.float32)[:, None, None]
        panel = np.repeat(panel, length, 1)
        for door in (0.36, 0.6):
            panel[: round(0.75 * height), round(door * length) : round(door * length) + 3] *= 0.6
        panel[-round(_SILL * _SCALE) :] = 26
        for axle in (0.2, 0.8):
            hub = (round(axle * length), height - round(0.32 * _SCALE))
            for radius, tone in ((0.36, 16), (0.32, 34), (0.2, 140), (0.06, 70)):
                cv2.circle(panel, hub, round(radius * _SCALE), (tone, tone, tone), -1, cv2.LINE_AA)
        return panel

    def _nose(self) -> Surface:
        """The nearest face: lamps, bumper, the plate's recess, tyres below."""
        height, width = round((_BELT - 0.06) * _SCALE), round(_WIDTH * _SCALE)
        face = rgb(self.colour) * np.linspace(1.05, 0.7, height, dtype=np.float32)[:, None, None]
        face = np.repeat(face, width, 1)
        lamp = (238, 236, 220) if self.front else (176, 26, 28)
        for left in (0.04, 0.78):
            box = [(round(left * width), round(0.12 * height)), (round((left + 0.18) * width), round(0.32 * height))]
            cv2.rectangle(face, box[0], box[1], lamp, -1)
            cv2.rectangle(face, box[0], box[1], (40, 40, 40), 2)
        if self.front:
            face[round(0.14 * height) : round(0.3 * height), round(0.27 * width) : round(0.73 * width)] = 30
            face[round(0.14 * height) : round(0.3 * height) : 6, round(0.27 * width) : round(0.73 * width)] = 90
        face[round(0.56 * height) : round(0.6 * height)] *= 0.75
        ground = height - round(_SILL * _SCALE)
        face[ground:] = 22
        for left in (0.05, 0.8):
            face[ground:, round(left * width) : round((left + 0.15) * width)] = 44
        return face
