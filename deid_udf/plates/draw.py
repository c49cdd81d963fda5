"""Draw a plate flat, as its authority would stamp it: colours, border, bands and symbols, in a fixed resolution."""

from functools import cache
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from deid_udf.plates.code import PROVINCES
from deid_udf.plates.formats import Band, Layout, Pattern, PlateFormat, Row

SCALE = 2  # pixels a millimetre: a plate of 440 mm is drawn 880 pixels wide
_FONTS = Path(__file__).resolve().parent / "fonts"
_DOT = 5.0  # radius in millimetres
_DASH = (14.0, 5.0)  # width and height in millimetres
_SPACES = {"·": 34.0, "-": 30.0, " ": 28.0}  # between the symbols beside a separator, in millimetres

Image3 = NDArray[np.uint8]
Alpha = NDArray[np.float32]  # coverage in [0, 1]


def draw_plate(form: PlateFormat, layout: Layout, pattern: Pattern, text: str) -> Image3:
    """The plate as uint8 (height, width, 3) RGB, `SCALE` pixels a millimetre.

    Args:
        form: colours and font.
        layout: one of the format's.
        pattern: where the separators stand.
        text: symbols only; "" draws a plate without any.
    """
    blank = _blank(form, layout)
    ink = np.zeros(blank.shape[:2], np.float32)
    start = 0
    for row in layout.rows:
        end = len(text) if row.symbols is None else min(len(text), start + row.symbols)
        if end > start:
            _line(ink, form, layout, row, text[start:end], pattern.separators[start : end + 1])
        start = end
    inked = np.full_like(blank, _rgb(form.ink))
    return np.asarray(cv2.blendLinear(blank, inked, 1 - ink, ink), np.uint8)


def _line(ink: Alpha, form: PlateFormat, layout: Layout, row: Row, text: str, separators: tuple[str, ...]) -> None:
    """Add one line of symbols, and the separators between them, to the coverage `ink`."""
    gaps = [_SPACES[s[0]] if s else row.gap for s in separators[1 : len(text)]]
    right = layout.size[0] - 8 if row.right is None else row.right
    natural = row.width * len(text) + sum(gaps)
    squeeze = min(1.0, (right - row.left) / natural)
    x = (row.left + right - natural * squeeze) / 2
    middle = row.top + row.height / 2
    for i, symbol in enumerate(text):
        glyph = _glyph(form.font, symbol, round(row.width * squeeze * SCALE), round(row.height * SCALE))
        _stamp(ink, glyph, x * SCALE, row.top * SCALE)
        x += row.width * squeeze
        if i < len(gaps):
            if separators[i + 1]:
                _stamp_separator(ink, separators[i + 1][0], x + gaps[i] * squeeze / 2, middle)
            x += gaps[i] * squeeze


def _stamp(ink: Alpha, glyph: Alpha, x: float, y: float) -> None:
    left, top = round(x), round(y)
    area = ink[top : top + glyph.shape[0], left : left + glyph.shape[1]]
    np.maximum(area, glyph[: area.shape[0], : area.shape[1]], out=area)


def _stamp_separator(ink: Alpha, mark: str, x: float, y: float) -> None:
    if mark == "·":
        centre = (round(x * SCALE * 16), round(y * SCALE * 16))
        cv2.circle(ink, centre, round(_DOT * SCALE * 16), 1.0, cv2.FILLED, cv2.LINE_AA, shift=4)
    elif mark == "-":
        half = np.array(_DASH) * SCALE / 2
        low = np.round(np.array([x, y]) * SCALE - half).astype(int)
        high = np.round(np.array([x, y]) * SCALE + half).astype(int)
        ink[low[1] : high[1], low[0] : high[0]] = 1


@cache
def _glyph(font: str, symbol: str, width: int, height: int) -> Alpha:
    """Coverage (height, width) of one symbol: its ink is as high as the cell, and narrow symbols stay narrow."""
    chinese = symbol in PROVINCES
    face = _face("noto-sans-sc" if chinese else font, height * 2)
    ink = _ink(face, symbol)
    share = 1.0 if chinese else min(1.0, ink.shape[1] / _ink(face, "0").shape[1])
    inner = max(1, round(width * share))
    scaled = cv2.resize(ink, (inner, height), interpolation=cv2.INTER_AREA)
    cell = np.zeros((height, width), np.float32)
    start = (width - inner) // 2
    cell[:, start : start + inner] = scaled
    return cell


def _ink(face: ImageFont.FreeTypeFont, symbol: str) -> Alpha:
    """Coverage of one symbol as the font has it, cut to its ink; Q as on plates: an O with a slanting tail."""
    side = round(face.size * 2)
    canvas = Image.new("L", (side, side))
    pen = ImageDraw.Draw(canvas)
    pen.text((side // 4, side // 4), "O" if symbol == "Q" else symbol, font=face, fill=255)
    ink = canvas.getbbox()
    if symbol == "Q" and ink is not None:
        x, y, width, height = ink[0], ink[1], ink[2] - ink[0], ink[3] - ink[1]
        tail = (x + 0.5 * width, y + 0.66 * height, x + 0.97 * width, y + 0.99 * height)
        pen.line(tail, fill=255, width=round(0.2 * width))
    return np.asarray(canvas.crop(ink), np.float32) / np.float32(255)


@cache
def _face(name: str, size: int) -> ImageFont.FreeTypeFont:
    return ImageFont.truetype(str(_FONTS / f"{name}.ttf"), size)


@cache
def _blank(form: PlateFormat, layout: Layout) -> Image3:
    """Background, bands and border. Shared: not to be written to."""
    width, height = (round(side * SCALE) for side in layout.size)
    shade = np.linspace(0, 1, height, dtype=np.float32)[:, None]
    top = _rgb(form.gradient or form.background)
    image = np.repeat((top + (_rgb(form.background) - top) * shade)[:, None], width, axis=1).astype(np.float32)
    for band in layout.bands:
        x0, y0, x1, y1 = (round(v * SCALE) for v in band.box)
        image[y0:y1, x0:x1] = _rgb(band.colour)
        if band.caption:
            ink = np.zeros(image.shape[:2], np.float32)
            _caption(ink, form.font, band)
            image += (_rgb(band.ink) - image) * ink[..., None]
    if layout.border is not None:
        away, line = layout.border
        ring = np.maximum(_rounded(layout, away) - _rounded(layout, away + line), 0)
        image += (_rgb(form.ink) - image) * ring[..., None]
    return np.asarray(np.round(image), np.uint8)


def _caption(ink: Alpha, font: str, band: Band) -> None:
    """A band's caption: at the foot of an upright band, in the middle of a flat one."""
    left, top, right, bottom = band.box
    cell = min(band.caption_height * 0.6, (right - left - 4) / len(band.caption))
    x = (left + right - cell * len(band.caption)) / 2
    upright = bottom - top > right - left
    y = bottom - band.caption_height - 8 if upright else (top + bottom - band.caption_height) / 2
    for i, symbol in enumerate(band.caption):
        glyph = _glyph(font, symbol, round(cell * SCALE * 0.85), round(band.caption_height * SCALE))
        _stamp(ink, glyph, (x + i * cell) * SCALE, y * SCALE)


def _rounded(layout: Layout, away: float) -> Alpha:
    """Coverage of the plate's outline, shrunk by `away` millimetres."""
    width, height = (round(side * SCALE) for side in layout.size)
    canvas = Image.new("L", (width, height))
    box = (away * SCALE, away * SCALE, width - 1 - away * SCALE, height - 1 - away * SCALE)
    ImageDraw.Draw(canvas).rounded_rectangle(box, radius=max(layout.radius - away, 0) * SCALE, fill=255)
    return np.asarray(canvas, np.float32) / np.float32(255)


def _rgb(colour: str) -> NDArray[np.float32]:
    return np.array([int(colour[i : i + 2], 16) for i in (1, 3, 5)], np.float32)
