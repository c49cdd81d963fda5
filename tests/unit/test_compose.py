"""Composition: nothing outside the outlines moves, and nothing from inside them survives."""

from dataclasses import replace
from typing import Literal

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from deid_udf.compose import compose
from deid_udf.detect.region import Region
from deid_udf.privacy import Baseline
from deid_udf.protect import Replacement, solid_fill
from deid_udf.schema import Cause, Outcome

Blend = Literal["poisson", "feather", "paste", "fill"]
BLENDS: tuple[Blend, ...] = ("poisson", "feather", "paste", "fill")
SIZE = (90, 120)


def _scene(seed: int, size: tuple[int, int] = SIZE) -> NDArray[np.uint8]:
    """A textured picture: noise over soft light."""
    rng = np.random.default_rng(seed)
    soft = cv2.resize(rng.integers(40, 200, (4, 5, 3), np.uint8), size[::-1], interpolation=cv2.INTER_CUBIC)
    return np.asarray(np.clip(soft.astype(int) + rng.integers(-20, 20, (*size, 3)), 0, 255), np.uint8)


def _replacement(box: tuple[float, float, float, float], blend: Blend, seed: int = 1) -> Replacement:
    x0, y0, x1, y1 = box
    content = _scene(seed, (64, 64))
    scale = np.diag([(x1 - x0) / 64, (y1 - y0) / 64, 1.0])
    scale[:2, 2] = (x0, y0)
    return Replacement(
        content=content,
        matrix=scale,
        outline=np.array([(x0, y0), (x1, y0), (x1, y1), (x0, y1)], np.float32),
        blend=blend,
        outcome=Outcome.REPLACED,
        cause=Cause.NONE,
        mechanism=Baseline("fill"),
    )


boxes = st.tuples(st.floats(-30, 110), st.floats(-30, 80), st.floats(4, 70), st.floats(4, 60)).map(
    lambda b: (b[0], b[1], b[0] + b[2], b[1] + b[3])
)


@settings(deadline=None, max_examples=60)
@given(st.lists(st.tuples(boxes, st.sampled_from(BLENDS)), max_size=4), st.integers(0, 99))
def test_outside_the_outlines_nothing_moves_and_inside_nothing_of_the_original_matters(
    wanted: list[tuple[tuple[float, float, float, float], Blend]], seed: int
) -> None:
    frame = _scene(seed)
    replacements = [_replacement(box, blend) for box, blend in wanted]
    out, changed = compose(frame, replacements)
    assert out.shape == frame.shape
    assert np.array_equal(out[~changed], frame[~changed])
    other = frame.copy()
    other[changed] = np.random.default_rng(seed + 1).integers(0, 256, (int(changed.sum()), 3))
    again, changed_again = compose(other, replacements)
    assert np.array_equal(changed, changed_again)
    assert np.array_equal(again, out)


@pytest.mark.parametrize("blend", BLENDS)
def test_the_input_is_not_modified(blend: Blend) -> None:
    frame = _scene(0)
    before = frame.copy()
    compose(frame, [_replacement((20, 20, 60, 60), blend)])
    assert np.array_equal(frame, before)


@pytest.mark.parametrize("blend", ["poisson", "feather", "paste"])
def test_the_new_content_is_there(blend: Blend) -> None:
    frame = np.full((*SIZE, 3), (130, 120, 110), np.uint8)
    new = _replacement((20.0, 20.0, 84.0, 84.0), blend)
    out, _ = compose(frame, [new])
    inner = (slice(32, 72), slice(32, 72))
    shown = out[inner].astype(float) - out[inner].mean((0, 1))
    meant = new.content[12:52, 12:52].astype(float) - new.content[12:52, 12:52].mean((0, 1))
    assert np.corrcoef(shown.ravel(), meant.ravel())[0, 1] > 0.9


def test_a_fill_takes_the_colour_of_its_surroundings() -> None:
    frame = np.full((*SIZE, 3), (10, 60, 200), np.uint8)
    frame[30:50, 30:50] = 255
    out, _ = compose(frame, [solid_fill(Region("face", 1.0, (30, 30, 50, 50), "test"), Cause.FAILED)])
    assert (out == (10, 60, 200)).all()


def test_a_neighbours_private_pixels_enter_no_fill_and_no_blend() -> None:
    frame = np.full((*SIZE, 3), 100, np.uint8)
    frame[20:60, 20:60] = 255  # one private object right beside another
    left = _replacement((20, 20, 60, 60), "fill")
    right = _replacement((60, 20, 100, 60), "poisson")
    out, _ = compose(frame, [left, right])
    assert (out[20:60, 20:60] == 100).all()


def test_a_seamless_clone_has_less_of_a_seam_than_a_paste() -> None:
    frame = np.full((*SIZE, 3), 180, np.uint8)
    dark = _replacement((30, 20, 80, 70), "paste")
    steps = {}
    for blend in ("paste", "poisson", "feather"):
        new = Replacement(dark.content // 4, dark.matrix, dark.outline, blend, dark.outcome, dark.cause, dark.mechanism)
        out, _ = compose(frame, [new])
        steps[blend] = np.abs(out[21:69, 30].astype(int) - out[21:69, 29].astype(int)).mean()
    assert steps["poisson"] < steps["paste"] / 2
    assert steps["feather"] < steps["paste"] / 2


@pytest.mark.parametrize("box", [(-50.0, -50.0, -10.0, -10.0), (0.0, 0.0, 120.0, 90.0), (5.0, 5.0, 5.4, 5.4)])
def test_odd_places_do_no_harm(box: tuple[float, float, float, float]) -> None:
    for blend in BLENDS:
        out, changed = compose(_scene(3), [_replacement(box, blend)])
        assert np.array_equal(out[~changed], _scene(3)[~changed])


def test_a_feathered_face_in_a_grey_picture_is_grey_and_in_a_coloured_one_is_not() -> None:
    colour = _scene(0)
    grey = np.repeat(colour[..., :1], 3, axis=2)
    new = _replacement((30, 20, 80, 70), "feather")
    assert np.ptp(compose(grey, [new])[0], axis=2).max() <= 2
    assert np.ptp(compose(colour, [new])[0][35:55, 45:65], axis=2).max() > 20


def test_a_coloured_time_stamp_does_not_make_a_grey_picture_coloured() -> None:
    grey = np.repeat(_scene(0)[..., :1], 3, axis=2)
    grey[:4, :4] = (255, 0, 0)
    out, changed = compose(grey, [_replacement((30, 20, 80, 70), "feather")])
    assert np.ptp(out[changed], axis=1).max() <= 2


def test_a_feathered_face_does_not_glare_at_night() -> None:
    night = (_scene(0) * 0.25).astype(np.uint8)
    out, changed = compose(night, [_replacement((30, 20, 80, 70), "feather")])
    assert out[changed].mean() < 3 * night.mean()


def test_a_face_on_black_is_not_black() -> None:
    frame = np.zeros((*SIZE, 3), np.uint8)
    new = _replacement((30, 20, 80, 70), "feather")
    assert compose(frame, [new])[0][40:50, 50:60].mean() > 0.2 * new.content.mean()


def test_bars_beside_a_close_up_do_not_tell_its_light() -> None:
    frame = _scene(0)
    frame[:, :8] = frame[:, -8:] = 0
    new = _replacement((8.0, 0.0, SIZE[1] - 8.0, float(SIZE[0])), "feather")
    middle = compose(frame, [new])[0][35:55, 50:70]
    assert middle.mean() > 0.6 * new.content.mean() and np.ptp(middle, axis=2).max() > 20


def test_a_face_that_fills_the_frame_keeps_its_light_and_colour() -> None:
    new = _replacement((-10.0, -10.0, 130.0, 100.0), "feather")
    out, changed = compose(_scene(0), [new])
    assert changed.all()
    assert out.mean() > 0.7 * new.content.mean() and np.ptp(out, axis=2).max() > 20


@pytest.mark.parametrize(("blend", "side"), [("poisson", 50), ("feather", 50), ("feather", 1500)])
def test_surroundings_go_on_across_the_border_though_the_region_was_scrubbed_to_one_colour(
    blend: Blend, side: int
) -> None:
    """Light that changes around a region is met on every side, not its mean."""
    start, width = side // 2, 2 * side
    frame = np.repeat(np.linspace(20, 230, width)[None, :, None], width, axis=0).repeat(3, axis=2).astype(np.uint8)
    plain = _replacement((start, start, start + side, start + side), blend)
    plain = replace(plain, content=np.full((64, 64, 3), 128, np.uint8))
    out = compose(frame, [plain])[0].astype(int)
    rows = slice(start + side // 5, start + side * 4 // 5)
    for outside, inside in ((start - 1, start + 1), (start + side + 2, start + side)):
        assert np.abs(out[rows, outside] - out[rows, inside]).max() < 20


def test_a_sliver_is_replaced() -> None:
    frame = np.full((3000, 40, 3), 90, np.uint8)
    out, changed = compose(frame, [_replacement((10.0, 5.0, 10.4, 2990.0), "feather")])
    assert changed.any() and np.array_equal(out[~changed], frame[~changed])
