import numpy as np
import pytest

from deid_udf.errors import ModelError
from deid_udf.plates.formats import load_format
from deid_udf.plates.lattice import best
from deid_udf.plates.read import open_reader, read_plates

BLUE = load_format("cn-blue").expand()[0]


def read(scenes, pattern=BLUE):
    places = [(i, s.quad) for i, s in enumerate(scenes)]
    lattices = read_plates([s.frame for s in scenes], places, open_reader("ppocr_v4", "cpu"))
    fits = [[fit for lattice in some if (fit := best(lattice, pattern))] for some in lattices]
    return [min(some, key=lambda fit: fit.gap).text if some else None for some in fits]


def test_drawn_plates_are_read_in_one_batch(draw, models_cache):
    texts = ["京A132B3", "鲁D2EPF2", "粤B3RS91", "沪J32500", "渝B777C9", "苏E75614"]
    scenes = [
        draw(text, height=h, tilt=a, seed=h)
        for text, h, a in zip(texts, (24, 28, 34, 40, 50, 30), (0, 5, -8, 12, 0, -3), strict=True)
    ]
    assert read(scenes) == texts


def test_squarish_plates_are_read_line_by_line(models_cache):
    import cv2

    from deid_udf.plates.draw import draw_plate

    form = load_format("cn-yellow")
    plate = draw_plate(form, form.layouts[1], form.expand()[0], "皖M12288")
    frame = np.full((200, 300, 3), 120, np.uint8)
    frame[60:130, 80:220] = cv2.resize(plate, (140, 70), interpolation=cv2.INTER_AREA)
    quad = np.array([(80, 60), (220, 60), (220, 130), (80, 130)], np.float32)
    whole, lines = read_plates([frame], [(0, quad)], open_reader("ppocr_v4", "cpu"))[0]
    assert len(lines) > len(whole)
    fit = best(lines, form.expand()[0])
    assert fit is not None
    assert fit.text == "皖M12288"


def test_no_plates_open_no_model():
    assert read_plates([], [], open_reader("ppocr_v4", "nowhere")) == []


def test_an_unknown_reader_is_refused_by_name():
    with pytest.raises(ModelError, match=r"'tesseract'.*ppocr_v4"):
        open_reader("tesseract", "cpu")
