"""Flat surfaces of a street, drawn and seeded: house fronts, asphalt, paving, sky. float32 RGB in [0, 255]."""

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

Surface = NDArray[np.float32]
SCALE = 48  # pixels a metre
_WALLS = ((196, 178, 150), (168, 104, 82), (206, 196, 182), (150, 152, 148), (182, 140, 110), (138, 120, 108))
_AWNINGS = ((150, 40, 44), (34, 86, 70), (122, 74, 48), (176, 130, 40))


def rgb(colour: Sequence[float]) -> Surface:
    """One colour as an array (3,)."""
    return np.asarray(colour, np.float32)


def clouds(rng: np.random.Generator, height: int, width: int, coarse: int = 4, fine: int = 6) -> Surface:
    """Smooth noise (height, width), mean about 0, deviation 1: `fine` octaves from `coarse` cells down."""
    total = np.zeros((height, width), np.float32)
    for octave in range(fine):
        cells = coarse * 2**octave
        noise = rng.standard_normal((min(cells, height), min(cells * 2, width))).astype(np.float32)
        total += cv2.resize(noise, (width, height), interpolation=cv2.INTER_CUBIC) * 0.5**octave
    scaled: Surface = total / max(float(total.std()), 1e-6)
    return scaled


def sky(rng: np.random.Generator, height: int, width: int, zenith: Sequence[int], haze: Sequence[int]) -> Surface:
    """From zenith to haze, with clouds."""
    fall = np.linspace(0, 1, height, dtype=np.float32)[:, None, None] ** 0.8
    blue = (1 - fall) * rgb(zenith) + fall * rgb(haze)
    cover = np.clip(clouds(rng, height, width, 3) * 0.5, 0, 1)[..., None] * 0.7
    clouded: Surface = blue + cover * (rgb((238, 238, 236)) - blue)
    return clouded


def asphalt(rng: np.random.Generator, length: float, width: float) -> Surface:
    """A road of `length` × `width` metres seen from above, with lane marks along its middle and edges."""
    rows, columns = round(length * SCALE), round(width * SCALE)
    grain = rng.standard_normal((rows, columns)).astype(np.float32)
    tone = 92 + 5 * clouds(rng, rows, columns, 8) + 7 * grain
    road = np.repeat(tone[..., None], 3, 2) * rgb((1.0, 0.99, 0.97))
    worn = 205 + 12 * clouds(rng, rows, columns, 16)[..., None]
    stripes = np.zeros((rows, columns, 1), bool)
    for start in range(0, rows, 6 * SCALE):
        stripes[start : start + 3 * SCALE, columns // 2 - 4 : columns // 2 + 4] = True
    for edge in (round(0.25 * SCALE), columns - round(0.25 * SCALE)):
        stripes[:, edge - 4 : edge + 4] = True
    return np.where(stripes, worn, road).astype(np.float32)


def paving(rng: np.random.Generator, length: float, width: float) -> Surface:
    """A pavement of slabs, seen from above, with its kerb on the right."""
    rows, columns = round(length * SCALE), round(width * SCALE)
    slab = round(0.6 * SCALE)
    tones = 150 + 7 * rng.standard_normal((rows // slab + 1, columns // slab + 1)).astype(np.float32)
    tone = np.kron(tones, np.ones((slab, slab), np.float32))[:rows, :columns]
    tone += 4 * clouds(rng, rows, columns, 8) + 4 * rng.standard_normal((rows, columns)).astype(np.float32)
    tone[::slab] -= 38
    tone[:, ::slab] -= 38
    tone[:, -round(0.15 * SCALE) :] = 178
    paved: Surface = np.repeat(tone[..., None], 3, 2) * rgb((1.0, 0.98, 0.95))
    return paved


def house(rng: np.random.Generator, width: float, floors: int) -> Surface:
    """The front of a house `width` metres wide: a shop below, windows above, 3.2 metres a floor."""
    storey = round(3.2 * SCALE)
    rows, columns = storey * floors, round(width * SCALE)
    wall = rgb(_WALLS[rng.integers(len(_WALLS))]) * np.float32(rng.uniform(0.85, 1.05))
    plaster = 5 * clouds(rng, rows, columns, 6)[..., None] + 3 * rng.standard_normal((rows, columns, 1))
    front: Surface = (wall + plaster).astype(np.float32)
    if rng.random() < 0.5:
        _bricks(front)
    bays = max(int(width // 2.6), 1)
    for bay in range(bays):
        middle = round((bay + 0.5) * columns / bays)
        for floor in range(floors - 1):
            _window(rng, front, middle, floor * storey + round(0.8 * SCALE), wall)
    front[::storey][:, :] *= 0.8
    front[:6] *= 0.7
    _shop(rng, front, rows - storey, columns)
    return front


def _bricks(front: Surface) -> None:
    course = SCALE // 4
    front[::course] *= 0.86
    for row in range(0, front.shape[0], 2 * course):
        front[row : row + course, ::SCALE] *= 0.88
        front[row + course : row + 2 * course, SCALE // 2 :: SCALE] *= 0.88


def _window(rng: np.random.Generator, front: Surface, middle: int, top: int, wall: NDArray[np.float32]) -> None:
    half, height = round(0.6 * SCALE), round(1.7 * SCALE)
    frame = (slice(top - 5, top + height + 5), slice(max(middle - half - 5, 0), middle + half + 5))
    front[frame] = np.minimum(wall * 1.25, 245)
    pane = np.linspace(rng.uniform(70, 150), rng.uniform(25, 60), height, dtype=np.float32)[:, None, None]
    glass = pane * rgb((0.86, 0.97, 1.08)) * np.ones((1, 2 * half, 1), np.float32)
    if rng.random() < 0.4:
        glass[: round(height * rng.uniform(0.2, 0.9))] = rgb((214, 206, 188)) * rng.uniform(0.8, 1)
    front[top : top + height, middle - half : middle + half] = glass
    front[top : top + height, middle - 3 : middle + 3] = np.minimum(wall * 1.25, 245)
    front[top + height + 5 : top + height + 12, max(middle - half - 10, 0) : middle + half + 10] = wall * 0.7


def _shop(rng: np.random.Generator, front: Surface, top: int, columns: int) -> None:
    margin, base = round(0.5 * SCALE), front.shape[0] - round(0.4 * SCALE)
    awning = rgb(_AWNINGS[rng.integers(len(_AWNINGS))])
    front[top + round(0.9 * SCALE) : base, margin : columns - margin] = (46, 54, 60)
    lit = rgb((120, 112, 96)) * np.float32(rng.uniform(0.5, 0.9))
    glass = front[top + round(1.0 * SCALE) : base, margin + 6 : columns - margin - 6]
    glass[:] = lit * np.linspace(1.1, 0.6, len(glass), dtype=np.float32)[:, None, None]
    for shelf in range(SCALE // 3, len(glass), SCALE // 2):
        glass[shelf : shelf + 3] *= 0.6
    for bar in np.linspace(margin, columns - margin, max(columns // SCALE, 3)).astype(int):
        front[top + round(0.9 * SCALE) : base, bar - 4 : bar + 4] = (46, 54, 60)
    door = rng.integers(margin, max(columns - margin - SCALE, margin + 1))
    front[top + round(1.0 * SCALE) :, door : door + SCALE] = awning * 0.55
    stripes = (np.arange(columns) // (SCALE // 2) % 2).astype(bool)
    cloth = front[top + round(0.35 * SCALE) : top + round(1.05 * SCALE)]
    cloth[:, stripes], cloth[:, ~stripes] = awning, rgb((232, 226, 214))
    cloth *= np.linspace(1.05, 0.8, len(cloth), dtype=np.float32)[:, None, None]
    front[top + round(1.05 * SCALE) : top + round(1.3 * SCALE)] *= 0.6
