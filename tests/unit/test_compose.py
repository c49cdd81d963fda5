"""Composition: nothing outside the outlines moves, and nothing from inside them survives."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deid_udf.compose import compose
from deid_udf.detect.region import Region
from deid_udf.protect import Replacement, solid_fill
from deid_udf.schema import Cause
from tests.support.replacements import SIZE, Blend, replacement, scene

BLENDS: tuple[Blend, ...] = ("poisson", "feather", "paste", "fill")

boxes = st.tuples(st.floats(-30, 110), st.floats(-30, 80), st.floats(4, 70), st.floats(4, 60)).map(
    lambda b: (b[0], b[1], b[0] + b[2], b[1] + b[3])
)


@settings(deadline=None, max_examples=60)
@given(st.lists(st.tuples(boxes, st.sampled_from(BLENDS)), max_size=4), st.integers(0, 99))
def test_outside_the_outlines_nothing_moves_and_inside_nothing_of_the_original_matters(
    wanted: list[tuple[tuple[float, float, float, float], Blend]], seed: int
) -> None:
    frame = scene(seed)
    if seed % 2:  # in the colours of skin, so that tones are taken over
        frame = np.asarray(frame // 4 + np.array((140, 95, 75), np.uint8), np.uint8)
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


def test_a_sliver_is_replaced() -> None:
    frame = np.full((3000, 40, 3), 90, np.uint8)
    out, changed = compose(frame, [replacement((10.0, 5.0, 10.4, 2990.0), "feather")])
    assert changed.any() and np.array_equal(out[~changed], frame[~changed])
