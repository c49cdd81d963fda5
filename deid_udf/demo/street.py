"""A street to stand in: sky, two rows of houses, pavements and a road, in one perspective."""

import itertools

import numpy as np

from deid_udf.demo import surfaces
from deid_udf.demo.camera import Camera, Canvas

ROAD = 3.6  # metres from the middle to the kerb
WALL = 7.2  # metres from the middle to the house fronts
_NEAR, _FAR = 1.4, 70.0
_SKIES = (((96, 142, 200), (206, 218, 226)), ((150, 160, 172), (206, 206, 202)), ((92, 108, 160), (240, 196, 152)))


def street(camera: Camera, seed: int) -> Canvas:
    """The empty street of one seed."""
    rng = np.random.default_rng([1, seed])
    canvas = camera.blank()
    zenith, haze = _SKIES[seed % len(_SKIES)]
    bottom = round(camera.horizon) + 4
    canvas[:bottom] = surfaces.sky(rng, bottom, camera.width, zenith, haze)
    _house_row(canvas, camera, rng, haze)
    _ground(canvas, camera, rng)
    return canvas


def _ground(canvas: Canvas, camera: Camera, rng: np.random.Generator) -> None:
    """Road and pavements in stretches: one homography over 70 metres would leave no detail in front."""
    marks = (_NEAR, 6.0, 18.0, _FAR)
    for start, far in itertools.pairwise(marks):
        near = 0.98 * start  # overlapping: no seam between two smooth edges
        length = min(far - near, 30.0)
        camera.hang(canvas, surfaces.asphalt(rng, length, 2 * ROAD), _flat(-ROAD, ROAD, near, far))
        paved = surfaces.paving(rng, length, WALL - ROAD)
        camera.hang(canvas, paved, _flat(-WALL, -ROAD, near, far))
        camera.hang(canvas, np.ascontiguousarray(paved[:, ::-1]), _flat(ROAD, WALL, near, far))


def _flat(left: float, right: float, near: float, far: float) -> list[tuple[float, float, float]]:
    return [(left, 0, far), (right, 0, far), (right, 0, near), (left, 0, near)]


def _house_row(canvas: Canvas, camera: Camera, rng: np.random.Generator, haze: tuple[int, int, int]) -> None:
    """Houses on both sides and across the far end, far ones first and paled by haze."""
    width = 2 * WALL / 3
    for across in range(3):
        left = -WALL + across * width
        _hang_house(canvas, camera, rng, ((left, _FAR), (left + width, _FAR)), haze)
    edges = [_FAR]
    while edges[-1] > _NEAR:
        edges.append(max(edges[-1] - float(rng.uniform(7, 12)), _NEAR))
    for far, near in itertools.pairwise(edges):
        _hang_house(canvas, camera, rng, ((-WALL, near), (-WALL, far)), haze)
        _hang_house(canvas, camera, rng, ((WALL, far), (WALL, near)), haze)


def _hang_house(
    canvas: Canvas,
    camera: Camera,
    rng: np.random.Generator,
    base: tuple[tuple[float, float], tuple[float, float]],
    haze: tuple[int, int, int],
) -> None:
    (x0, z0), (x1, z1) = base
    floors = int(rng.integers(3, 6))
    front = surfaces.house(rng, max(float(np.hypot(x1 - x0, z1 - z0)), 3.0), floors)
    pale = min(0.6, (z0 + z1) / 2 / 120)
    light = 0.8 if x0 == x1 == WALL else 1.0  # one side lies in shade
    seen = front * light * (1 - pale) + surfaces.rgb(haze) * pale
    top = 3.2 * floors
    camera.hang(canvas, seen.astype(np.float32), [(x0, top, z0), (x1, top, z1), (x1, 0, z1), (x0, 0, z0)])
