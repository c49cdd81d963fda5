"""Light: new content looks as the picture would show it, told by what stays."""

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from deid_udf.compose import compose
from deid_udf.light import as_lit
from deid_udf.protect import Replacement
from tests.support.replacements import SIZE, replacement, scene

SKIN, PALE = (190, 140, 115), (235, 222, 215)
BOX = (30.0, 20.0, 80.0, 70.0)


def test_a_feathered_face_in_a_grey_picture_is_grey_and_in_a_coloured_one_is_not() -> None:
    colour = scene(0)
    grey = np.repeat(colour[..., :1], 3, axis=2)
    new = replacement((30, 20, 80, 70), "feather")
    assert np.ptp(compose(grey, [new])[0], axis=2).max() <= 2
    assert np.ptp(compose(colour, [new])[0][35:55, 45:65], axis=2).max() > 20


def test_a_coloured_time_stamp_does_not_make_a_grey_picture_coloured() -> None:
    grey = np.repeat(scene(0)[..., :1], 3, axis=2)
    grey[:4, :4] = (255, 0, 0)
    out, changed = compose(grey, [replacement((30, 20, 80, 70), "feather")])
    assert np.ptp(out[changed], axis=1).max() <= 2


def test_a_feathered_face_does_not_glare_at_night() -> None:
    night = (scene(0) * 0.25).astype(np.uint8)
    out, changed = compose(night, [replacement((30, 20, 80, 70), "feather")])
    assert out[changed].mean() < 3 * night.mean()


def test_a_face_on_black_is_not_black() -> None:
    frame = np.zeros((*SIZE, 3), np.uint8)
    new = replacement((30, 20, 80, 70), "feather")
    assert compose(frame, [new])[0][40:50, 50:60].mean() > 0.2 * new.content.mean()


def test_bars_beside_a_close_up_do_not_tell_its_light() -> None:
    frame = scene(0)
    frame[:, :8] = frame[:, -8:] = 0
    new = replacement((8.0, 0.0, SIZE[1] - 8.0, float(SIZE[0])), "feather")
    middle = compose(frame, [new])[0][35:55, 50:70]
    assert middle.mean() > 0.6 * new.content.mean() and np.ptp(middle, axis=2).max() > 20


def test_a_face_that_fills_the_frame_keeps_its_light_and_colour() -> None:
    new = replacement((-10.0, -10.0, 130.0, 100.0), "feather")
    out, changed = compose(scene(0), [new])
    assert changed.all()
    assert out.mean() > 0.7 * new.content.mean() and np.ptp(out, axis=2).max() > 20


def _pale() -> Replacement:
    return replace(replacement(BOX, "feather"), content=np.full((64, 64, 3), PALE, np.uint8))


def _head(skin: tuple[int, int, int] = SKIN) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
    """A plain head with a face to replace, on a blue wall, and the mask of that face."""
    frame = np.full((*SIZE, 3), (60, 90, 160), np.uint8)
    frame[15:80, 22:88] = skin
    return frame, compose(frame, [_pale()])[1]


def test_a_face_takes_the_tone_of_the_skin_around_it() -> None:
    frame, changed = _head()
    lit = as_lit(frame, changed, [_pale()])[0].content
    before, after = (np.abs(np.array(colour, float) - SKIN).mean() for colour in (PALE, lit[0, 0]))
    assert after < before / 3
    assert (lit == lit[0, 0]).all()


def test_hair_above_and_a_fringe_tell_no_tone() -> None:
    frame, changed = _head()
    plain = as_lit(frame, changed, [_pale()])[0].content[-1, 0]
    frame[:44] = np.where(changed[:44, :, None], frame[:44], (66, 48, 40))  # dark, and of skin's chromaticity
    fringed = replace(_pale(), content=_pale().content.copy())
    fringed.content[:38] = (40, 30, 25)
    assert (as_lit(frame, changed, [fringed])[0].content[-1, 0] == plain).all()


def test_below_a_lying_face_is_beside_it() -> None:
    frame, changed = _head()
    plain = as_lit(frame, changed, [_pale()])[0].content[-1, 0]
    frame[15:80, 22:56] = (66, 48, 40)  # hair: the chin is on the right
    x0, _, x1, y1 = BOX
    side = (x1 - x0) / 64
    lying = replace(_pale(), matrix=np.array([(0, side, x0), (-side, 0, y1), (0, 0, 1)], np.float64))
    assert (as_lit(frame, changed, [lying])[0].content == plain).all()


def test_only_what_the_outline_shows_of_a_face_tells_its_tone() -> None:
    frame, changed = _head()
    whole = as_lit(frame, changed, [_pale()])[0].content[32, 32]
    content = np.full((64, 64, 3), (20, 90, 30), np.uint8)
    content[16:48, 16:48] = PALE
    x0, y0, x1, y1 = BOX
    framed = replacement((1.5 * x0 - x1 / 2, 1.5 * y0 - y1 / 2, 1.5 * x1 - x0 / 2, 1.5 * y1 - y0 / 2), "feather")
    framed = replace(framed, content=content, outline=_pale().outline)
    assert (as_lit(frame, changed, [framed])[0].content[32, 32] == whole).all()


def test_skin_of_all_tones_tells_and_a_speck_of_it_does_not() -> None:
    for skin in ((235, 200, 180), (215, 189, 150), (190, 140, 115), (120, 80, 60), (60, 45, 40), (58, 49, 42)):
        frame, changed = _head(skin)
        assert as_lit(frame, changed, [_pale()])[0].content.mean() < np.mean(PALE) - 5
    frame, changed = _head(skin=(60, 90, 160))
    frame[71:75, 50:54] = SKIN
    assert (as_lit(frame, changed, [_pale()])[0].content == PALE).all()


def test_a_public_tone_is_the_last_word() -> None:
    frame, changed = _head()
    public = replace(_pale(), public=("tone",))
    assert (as_lit(frame, changed, [public])[0].content == PALE).all()


@pytest.mark.parametrize("wall", [(60, 90, 160), (87, 77, 65), (150, 150, 150)])
def test_a_wall_is_no_skin(wall: tuple[int, int, int]) -> None:
    frame, changed = _head(skin=wall)
    assert (as_lit(frame, changed, [_pale()])[0].content == PALE).all()


def test_skin_that_is_replaced_itself_tells_nothing() -> None:
    frame, changed = _head()
    changed[15:80, 22:88] = True
    assert (as_lit(frame, changed, [_pale()])[0].content == PALE).all()


def test_no_tone_makes_a_mask_of_paint() -> None:
    frame, changed = _head(skin=(255, 190, 165))
    dark = replace(_pale(), content=np.full((64, 64, 3), (60, 70, 110), np.uint8))
    lit = as_lit(frame, changed, [dark])[0].content[0, 0] / np.array((60, 70, 110))
    assert lit.max() <= (1.25 * 1.12) ** 0.8 + 0.02 and lit.max() / lit.min() <= (1.12 / 0.87) ** 0.8 + 0.05


def test_content_without_extent_is_left_alone() -> None:
    frame, changed = _head()
    for scale in (0.0, 1e-9):
        point = replace(_pale(), matrix=np.diag([scale, scale, 1.0]))
        assert as_lit(frame, changed, [point])[0].content.shape == point.content.shape
        compose(frame, [point])


def test_plates_and_fills_are_lit_by_those_who_made_them() -> None:
    frame, changed = _head()
    others = [replace(_pale(), blend=blend) for blend in ("poisson", "paste", "fill")]
    assert all(a is b for a, b in zip(as_lit(frame, changed, others), others, strict=True))
    assert all(a is b for a, b in zip(as_lit(frame, changed, [*others, _pale()])[:3], others, strict=True))
