"""Plates as streets have them: in two lines, at night, dirty, behind a post, from the side, far away."""

from decimal import Decimal

import numpy as np
import pytest

from benchmarks.plate_scenes import Look, scene
from deid_udf.compose import compose
from deid_udf.plates import protect
from deid_udf.plates.draw import draw_plate
from deid_udf.plates.lattice import best
from deid_udf.plates.quad import upright
from deid_udf.plates.read import open_reader, read_plates
from deid_udf.policy import Plates, RandomizedResponse
from deid_udf.privacy import KeyedNoise
from deid_udf.protect import Target
from deid_udf.schema import Cause, Outcome

CASES = {
    "two lines": ("cn-yellow", Look(height=60), 1),
    "night": ("cn-blue", Look(height=36, night=True, noise=5), 0),
    "dirty": ("cn-blue", Look(height=40, dirt=0.8), 0),
    "behind a post": ("cn-blue", Look(height=44, hidden=0.35), 0),
    "50 degrees of yaw": ("cn-yellow", Look(height=40, yaw=50), 0),
    "another 50 degrees": ("eu", Look(height=36, yaw=-50), 0),
    "rolled": ("cn-green", Look(height=36, roll=12), 0),
}


def replaced(name, look, layout, monkeypatch, plates=4):
    """Drawn scenes, their replacements, released frames, and what was written on the new plates."""
    rng = np.random.default_rng(8)
    scenes = [scene(name, look, rng, layout) for _ in range(plates)]
    written = []

    def recorded(form, chosen, pattern, text):
        written.append((len(chosen.rows), pattern, text))
        return draw_plate(form, chosen, pattern, text)

    monkeypatch.setattr(protect, "draw_plate", recorded)
    response = RandomizedResponse(name="randomized_response", epsilon=Decimal(7))
    policy = Plates(mechanism=response, formats=(name,), fallback=name)
    protector = protect.PlateProtector(policy, noise=KeyedNoise(bytes(32)), device="cpu")
    targets = [Target(i, s.region, (b"content", bytes([i])), None, True) for i, s in enumerate(scenes)]
    made = protector.replace([s.frame for s in scenes], targets)
    frames = [compose(s.frame, [r])[0] for s, r in zip(scenes, made, strict=True)]
    return scenes, made, frames, written


def read(scenes, frames, patterns):
    """For each plate the texts that its pattern finds in the released frame."""
    places = [(i, s.quad) for i, s in enumerate(scenes)]
    seen = read_plates(frames, places, open_reader("ppocr_v4", "cpu"))
    return [
        {fit.text for lattice in some if (fit := best(lattice, pattern))}
        for some, pattern in zip(seen, patterns, strict=True)
    ]


@pytest.mark.parametrize("case", CASES)
def test_a_difficult_plate_gets_a_new_one_that_can_be_read(case, models_cache, monkeypatch):
    name, look, layout = CASES[case]
    scenes, made, frames, written = replaced(name, look, layout, monkeypatch)
    lines = len(scenes[0].form.layouts[layout].rows)
    outcomes = [(r.outcome, r.cause) for r in made]
    assert outcomes.count((Outcome.REPLACED, Cause.NONE)) >= (1 if look.hidden else 3)  # of 4; measured: 2, and all 4
    assert set(outcomes) <= {(Outcome.REPLACED, Cause.NONE), (Outcome.PRIOR, Cause.UNREADABLE)}
    assert {rows for rows, _, _ in written} == {lines}
    new = read(scenes, frames, [pattern for _, pattern, _ in written])
    assert sum(text in seen for seen, (_, _, text) in zip(new, written, strict=True)) >= len(scenes) - 1
    old = read(scenes, frames, [s.pattern for s in scenes])
    assert not any(s.text in seen for s, seen in zip(scenes, old, strict=True))


def test_a_plate_at_night_is_darker_than_by_day(models_cache, monkeypatch):
    def light(night):
        scenes, _, frames, _ = replaced("eu", Look(night=night), 0, monkeypatch, plates=2)
        return np.mean([upright(frame, s.quad, (32, 12)).mean() for s, frame in zip(scenes, frames, strict=True)])

    assert light(night=True) < 0.9 * light(night=False)


def test_a_tiny_plate_has_no_text(models_cache, monkeypatch):
    _, made, _, written = replaced("cn-blue", Look(height=9), 0, monkeypatch)
    assert {(r.outcome, r.cause) for r in made} == {(Outcome.PRIOR, Cause.TOO_SMALL)}
    assert {text for _, _, text in written} == {""}
