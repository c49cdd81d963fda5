"""Composition: nothing outside the outlines moves, and nothing from inside them survives."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deid_udf.compose import compose
from deid_udf.detect.region import Frame, Region
from deid_udf.protect import Replacement, solid_fill
from deid_udf.schema import Cause
from tests.support.replacements import SIZE, Blend, replacement, scene

BLENDS: tuple[Blend, ...] = ("poisson", "feather", "paste", "fill")

#: Pictures as they come, in the colours of skin, dim ones, and grey ones: light and tone are taken over from each.
LOOKS: tuple[Callable[[Frame], Frame], ...] = (
    lambda frame: frame,
    lambda frame: np.asarray(frame // 4 + np.array((140, 95, 75), np.uint8), np.uint8),
    lambda frame: np.asarray(frame // 8 + np.array((45, 30, 24), np.uint8), np.uint8),
    lambda frame: frame // 4,
    lambda frame: np.repeat(frame[..., :1], 3, axis=2),
)

boxes = st.tuples(st.floats(-30, 110), st.floats(-30, 80), st.floats(4, 70), st.floats(4, 60)).map(
    lambda b: (b[0], b[1], b[0] + b[2], b[1] + b[3])
)


@settings(deadline=None, max_examples=60)
@given(st.lists(st.tuples(boxes, st.sampled_from(BLENDS)), max_size=4), st.integers(0, 99))
def test_outside_the_outlines_nothing_moves_and_inside_nothing_of_the_original_matters(
    wanted: list[tuple[tuple[float, float, float, float], Blend]], seed: int
) -> None:
    frame = LOOKS[seed % len(LOOKS)](scene(seed))
    replacements = [replacement(box, blend) for box, blend in wanted]
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
    frame = scene(0)
    before = frame.copy()
    compose(frame, [replacement((20, 20, 60, 60), blend)])
    assert np.array_equal(frame, before)


@pytest.mark.parametrize("blend", ["poisson", "feather", "paste"])
def test_the_new_content_is_there(blend: Blend) -> None:
    frame = np.full((*SIZE, 3), (130, 120, 110), np.uint8)
    new = replacement((20.0, 20.0, 84.0, 84.0), blend)
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
    left = replacement((20, 20, 60, 60), "fill")
    right = replacement((60, 20, 100, 60), "poisson")
    out, _ = compose(frame, [left, right])
    assert (out[20:60, 20:60] == 100).all()


def test_a_seamless_clone_has_less_of_a_seam_than_a_paste() -> None:
    frame = np.full((*SIZE, 3), 180, np.uint8)
    dark = replacement((30, 20, 80, 70), "paste")
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
        out, changed = compose(scene(3), [replacement(box, blend)])
        assert np.array_equal(out[~changed], scene(3)[~changed])


@pytest.mark.parametrize(("blend", "side"), [("poisson", 50), ("feather", 50), ("feather", 1500)])
def test_surroundings_go_on_across_the_border_though_the_region_was_scrubbed_to_one_colour(
    blend: Blend, side: int
) -> None:
    """Light that changes around a region is met on every side, not its mean."""
    start, width = side // 2, 2 * side
    frame = np.repeat(np.linspace(20, 230, width)[None, :, None], width, axis=0).repeat(3, axis=2).astype(np.uint8)
    plain = replacement((start, start, start + side, start + side), blend)
    plain = replace(plain, content=np.full((64, 64, 3), 128, np.uint8))
    out = compose(frame, [plain])[0].astype(int)
    rows = slice(start + side // 5, start + side * 4 // 5)
    for outside, inside in ((start - 1, start + 1), (start + side + 2, start + side)):
        assert np.abs(out[rows, outside] - out[rows, inside]).max() < 20


def _plain(frame: Frame, side: int, colour: tuple[int, int, int], blend: Blend = "feather") -> Frame:
    """`frame` with a square of one colour at (40, 40)."""
    new = replace(replacement((40, 40, 40 + side, 40 + side), blend), content=np.full((64, 64, 3), colour, np.uint8))
    return compose(frame, [new])[0]


def test_a_feathered_face_takes_the_light_beside_it_in_its_own_colour() -> None:
    frame = np.full((180, 180, 3), (120, 110, 130), np.uint8)
    frame[:, :90] += np.array((5, 20, 50), np.uint8)
    out = _plain(frame, 100, (120, 110, 130)).astype(int)
    change = out[90, 60] - (120, 110, 130)
    assert change.min() > 8 and np.ptp(change) <= 1
    assert np.abs(out[90, 120] - (120, 110, 130)).max() < change.min()


def test_a_feathered_face_does_not_take_the_colour_of_hair() -> None:
    frame = np.full((180, 180, 3), (120, 110, 130), np.uint8)
    frame[:90] = 5
    poisson, feather = (190 - int(_plain(frame, 100, (170, 170, 190), b)[60, 90].max()) for b in BLENDS[:2])
    assert feather < poisson / 3


@pytest.mark.parametrize(("side", "width"), [(30, 5), (50, 6), (400, 40)])
def test_a_feathered_border_is_as_wide_as_its_face_is_large(side: int, width: int) -> None:
    frame = np.full((480, 480, 3), (90, 110, 140), np.uint8)
    row = _plain(frame, side, (250, 250, 255)).astype(int)[40 + side // 2, 40 : 40 + side // 2, 0]
    assert abs(int((row < row[-1] - 1).sum()) - width) <= max(1, width // 8)


def test_an_outline_beyond_what_integers_hold_replaces_all() -> None:
    _, changed = compose(scene(0), [replacement((-1e9, -1e9, 1e9, 1e9), "fill")])
    assert changed.all()


def test_a_sliver_is_replaced() -> None:
    frame = np.full((3000, 40, 3), 90, np.uint8)
    out, changed = compose(frame, [replacement((10.0, 5.0, 10.4, 2990.0), "feather")])
    assert changed.any() and np.array_equal(out[~changed], frame[~changed])
