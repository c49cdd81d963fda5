"""What detectors take for plates and is none: signs, boards of many lines, grilles, lamps. Pasted without a label.

None is one line of text on a wide board: that is what a plate of an unknown country looks like.
"""

from collections.abc import Callable

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from deid_udf.detect.region import Frame
from deid_udf.training.pictures import Outline

SIDE = 96  # pixels of a decoy's height
_SIGNS = ((200, 25, 35), (20, 80, 170), (240, 190, 20), (20, 120, 70), (235, 235, 230))
_SEGMENTS = 24  # of a circle's outline

Decoy = tuple[Frame, Outline]


def draw_decoy(random: np.random.Generator) -> Decoy:
    """One decoy: RGB uint8 (SIDE, w, 3), and the outline (n, 2) of its part that is pasted, in its pixels."""
    return _KINDS[int(random.integers(len(_KINDS)))](random)


def _sign(random: np.random.Generator) -> Decoy:
    """A traffic sign: disc, triangle or diamond, rimmed, with a bar, an arrow or a number."""
    count = int(random.choice((_SEGMENTS, 3, 4, 8)))
    angles = np.arange(count) * 2 * np.pi / count - np.pi / 2 + (np.pi / 8 if count == 8 else 0)
    outline = (SIDE / 2 + (SIDE / 2 - 1) * np.stack([np.cos(angles), np.sin(angles)], 1)).astype(np.float32)
    rim, ground = random.permutation(len(_SIGNS))[:2]
    image = Image.new("RGB", (SIDE, SIDE), _SIGNS[rim])
    draw = ImageDraw.Draw(image)
    inner = (outline - SIDE / 2) * random.uniform(0.7, 0.9) + SIDE / 2
    draw.polygon([tuple(p) for p in inner.tolist()], fill=_SIGNS[ground])
    ink = (20, 20, 20) if random.random() < 0.5 else (250, 250, 250)
    if random.random() < 0.5:
        font = ImageFont.load_default(size=int(random.integers(26, 44)))
        draw.text((SIDE / 2, SIDE / 2), str(random.integers(2, 130)), ink, font, anchor="mm", stroke_width=1)
    else:
        width, height = random.uniform(0.15, 0.6, 2) * SIDE / 2
        draw.rectangle((SIDE / 2 - width, SIDE / 2 - height, SIDE / 2 + width, SIDE / 2 + height), fill=ink)
    return np.asarray(image), outline


def _board(random: np.random.Generator) -> Decoy:
    """A poster or shop sign: three lines of text or more, or an upright board."""
    width = round(SIDE * random.uniform(0.4, 2.5))
    paper, ink = (tuple(int(v) for v in random.integers(0, 256, 3)) for _ in range(2))
    image = Image.new("RGB", (width, SIDE), paper)
    draw = ImageDraw.Draw(image)
    lines = int(random.integers(3, 7))
    for line in range(lines):
        font = ImageFont.load_default(size=int(random.uniform(0.4, 0.9) * SIDE / lines))
        letters = random.choice(list("ABCDEFGHIKLMNOPRSTUVabcdeilnorstu  "), int(random.integers(3, 16)))
        draw.text((random.uniform(0.02, 0.3) * width, (line + 0.1) * SIDE / lines), "".join(letters), ink, font)
    return np.asarray(image), _whole(width)


def _grille(random: np.random.Generator) -> Decoy:
    """Parallel bars, as of a radiator, a fence, a crossing or a shutter."""
    width = round(SIDE * random.uniform(1, 5))
    dark, bright = sorted(random.integers(0, 256, 2).tolist())
    pitch = int(random.integers(6, 28))
    along = np.arange(SIDE)[:, None] if random.random() < 0.6 else np.arange(width)[None]
    bars = np.broadcast_to(along % pitch < random.uniform(0.3, 0.7) * pitch, (SIDE, width))
    grey = np.where(bars, bright, dark)[..., None] * random.uniform(0.85, 1.0, 3)
    return grey.astype(np.uint8), _whole(width)


def _lamp(random: np.random.Generator) -> Decoy:
    """A head or tail lamp, or a reflection: an ellipse, bright in its middle."""
    width = round(SIDE * random.uniform(0.8, 4))
    angles = np.arange(_SEGMENTS) * 2 * np.pi / _SEGMENTS
    centre = np.array([width, SIDE]) / 2
    outline = (centre + (centre - 1) * np.stack([np.cos(angles), np.sin(angles)], 1)).astype(np.float32)
    rows, columns = np.ogrid[:SIDE, :width]
    far = np.hypot((columns - centre[0]) / centre[0], (rows - centre[1]) / centre[1])[..., None]
    colour = np.array(((255, 250, 235), (230, 30, 25), (250, 160, 40))[int(random.integers(3))])
    glow = np.clip(1 - far, 0, 1) ** random.uniform(0.3, 2)
    return (colour * (random.uniform(0.2, 0.5) + 0.5 * glow)).clip(0, 255).astype(np.uint8), outline


def _whole(width: int) -> Outline:
    return np.array([(0, 0), (width, 0), (width, SIDE), (0, SIDE)], np.float32)


_KINDS: tuple[Callable[[np.random.Generator], Decoy], ...] = (_sign, _board, _grille, _lamp)
