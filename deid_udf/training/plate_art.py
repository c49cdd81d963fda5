"""Made-up licence plates for pasting: colour, shape, border, band and text are random, no issuing authority's.

A detector must learn plates as a class, so these vary more than any country's; `plates/render.py` draws faithful ones.
"""

from typing import NamedTuple

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from deid_udf.detect.region import Frame

HEIGHT = 96  # pixels of a drawn plate
_LETTERS = "ABCDEFGHJKLMNPQRSTUVWXYZ"
_DIGITS = "0123456789"


class Look(NamedTuple):
    """Background and ink (RGB), and how often it is drawn."""

    paper: tuple[int, int, int]
    ink: tuple[int, int, int]
    weight: float


LOOKS = (
    Look((245, 245, 240), (20, 20, 25), 0.45),
    Look((250, 250, 250), (30, 60, 160), 0.06),
    Look((250, 250, 250), (170, 30, 40), 0.05),
    Look((20, 70, 170), (250, 250, 250), 0.16),
    Look((245, 200, 30), (20, 20, 20), 0.12),
    Look((120, 205, 130), (20, 25, 20), 0.06),
    Look((25, 25, 28), (235, 235, 230), 0.06),
    Look((30, 120, 70), (245, 245, 245), 0.04),
)
RATIOS = (4.73, 4.0, 3.14, 2.0, 1.45)  # width / height: European, Latin American, Chinese, North American, two lines
_RATIO_WEIGHTS = (0.4, 0.12, 0.2, 0.2, 0.08)


def draw_plate(random: np.random.Generator) -> Frame:
    """One plate, RGB uint8 (HEIGHT, about HEIGHT · ratio, 3)."""
    look = LOOKS[random.choice(len(LOOKS), p=[look.weight for look in LOOKS])]
    ratio = random.choice(RATIOS, p=_RATIO_WEIGHTS)
    width = round(HEIGHT * ratio * random.uniform(0.95, 1.05))
    paper = _jitter(look.paper, random)
    image = Image.new("RGB", (width, HEIGHT), paper)
    draw = ImageDraw.Draw(image)
    left = 0
    if ratio > 4 and random.random() < 0.6:  # the blue band of Europe, empty
        left = round(HEIGHT * 0.42)
        draw.rectangle((0, 0, left, HEIGHT), fill=_jitter((20, 60, 165), random))
    if random.random() < 0.7:
        draw.rounded_rectangle((1, 1, width - 2, HEIGHT - 2), 10, outline=look.ink, width=int(random.integers(2, 6)))
    lines = 2 if ratio < 1.5 else 1
    top = 0.22 if 1.5 < ratio < 2.5 else 0.08  # North American plates carry a legend above and below
    if lines == 1 and top > 0.2 and random.random() < 0.8:
        _write(image, _text(random, 10), (left, 0.04, width, 0.2), look.ink, 0.5)
        _write(image, _text(random, 12), (left, 0.82, width, 0.96), look.ink, 0.5)
    for line in range(lines):
        low, high = top + (1 - 2 * top) * line / lines, top + (1 - 2 * top) * (line + 1) / lines
        _write(
            image,
            _text(random, int(random.integers(5, 9)) // lines + lines - 1),
            (left, low, width, high),
            look.ink,
            0.88,
        )
    return np.asarray(image)


def _text(random: np.random.Generator, length: int) -> str:
    return "".join(random.choice(list(_LETTERS if random.random() < 0.5 else _DIGITS)) for _ in range(length))


def _write(
    image: Image.Image, text: str, place: tuple[float, float, float, float], ink: tuple[int, int, int], fill: float
) -> None:
    """Stretch `text` into `place`: left and right in pixels, top and bottom as shares of the height."""
    left, top, right, bottom = place
    font = ImageFont.load_default(size=64)
    x0, y0, x1, y1 = font.getbbox(text)
    mask = Image.new("L", (round(x1 - x0) + 4, round(y1 - y0) + 4))
    ImageDraw.Draw(mask).text((2 - x0, 2 - y0), text, 255, font, stroke_width=1)
    size = round((right - left) * fill), max(round((bottom - top) * image.height * 0.9), 1)
    mask = mask.resize(size)
    corner = round(left + (right - left - size[0]) / 2), round((top + bottom) / 2 * image.height - size[1] / 2)
    image.paste(Image.new("RGB", size, ink), corner, mask)


def _jitter(colour: tuple[int, int, int], random: np.random.Generator) -> tuple[int, int, int]:
    r, g, b = (int(np.clip(c + random.integers(-18, 19), 0, 255)) for c in colour)
    return r, g, b
