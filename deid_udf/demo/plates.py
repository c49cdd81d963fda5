"""Licence plates for the drawn cars: a random text in the Chinese blue format, as the project itself draws it."""

import numpy as np
from numpy.typing import NDArray

from deid_udf.plates.code import decode
from deid_udf.plates.draw import draw_plate
from deid_udf.plates.formats import load_format


def random_plate(rng: np.random.Generator) -> NDArray[np.uint8]:
    """A plate that carries a random text, uint8 (h, w, 3) RGB."""
    form = load_format("cn-blue")
    pattern, layout = form.expand()[0], form.layouts[0]
    return draw_plate(form, layout, pattern, decode([int(rng.integers(m)) for m in pattern.moduli], pattern))
