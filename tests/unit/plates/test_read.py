import numpy as np
import pytest

from deid_udf.errors import ModelError
from deid_udf.plates.code import PROVINCES
from deid_udf.plates.formats import load_format
from deid_udf.plates.lattice import ALL, best
from deid_udf.plates.read import READERS, open_reader, read_plates

BLUE = load_format("cn-blue").expand()[0]


def read(scenes, pattern=BLUE, reader="ppocr_v4"):
    places = [(i, s.quad) for i, s in enumerate(scenes)]
    lattices = read_plates([s.frame for s in scenes], places, open_reader(reader, "cpu"))
    fits = [[fit for lattice in some if (fit := best(lattice, pattern))] for some in lattices]
    return [min(some, key=lambda fit: fit.gap).text if some else None for some in fits]


def test_drawn_plates_are_read_in_one_batch(draw, models_cache):
    texts = ["京A132B3", "鲁D2EPF2", "粤B3RS91", "沪J32500", "渝B777C9", "苏E75614"]
    scenes = [
        draw(text, height=h, tilt=a, seed=h)
        for text, h, a in zip(texts, (24, 28, 34, 40, 50, 30), (0, 5, -8, 12, 0, -3), strict=True)
    ]
    assert read(scenes) == texts


@pytest.mark.parametrize("reader", sorted(READERS))
def test_every_engine_reads_latin_plates_in_one_batch(draw, models_cache, reader):
    form = load_format("eu")
    texts = ["AB123CD", "XK901VL", "PR456TN", "WE318HZ"]
    scenes = [draw(text, form="eu", height=40, seed=i) for i, text in enumerate(texts)]
    pattern = form.narrow(form.expand()[0], texts[0])
    assert read(scenes, pattern, reader) == texts


def test_an_engine_knows_which_symbols_it_reads(draw, models_cache):
    scenes = [draw("京A132B3", height=40)]
    for name, provinces in (("ppocr_v4", True), ("easyocr_en", False)):
        reader = open_reader(name, "cpu")
        assert (set(PROVINCES) <= set(reader.symbols)) == provinces
        ((lattice,),) = read_plates([s.frame for s in scenes], [(0, scenes[0].quad)], reader)
        seen = {symbol for symbol, p in zip(ALL, lattice[:, 1:].max(0), strict=True) if p > 0.5}
        assert ("京" in seen) == provinces
        assert {"A", "2", "B"} <= seen


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
