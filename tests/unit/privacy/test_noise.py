"""The keyed source: no noise is used twice, nothing else decides it, and the key stays where it is."""

import copy
import pickle
import traceback
from fractions import Fraction

import attrs
import numpy as np
import pytest

from deid_udf.privacy import KeyedNoise, LaplaceVector, NoiseKeyError
from tests.unit.privacy.sources import KEYED, OS, contexts

ROWS = 4000
STEP = 2.0**-20
KEY = b"\xab" * 32


def noise_of(mechanism, values, names, source=KEYED):
    return (mechanism.release(values, noise=source, contexts=names) - values)[:, 0]


class SecondVersion(LaplaceVector):
    version = 2


BASE = LaplaceVector(8, 1, 8, 20)
VALUES = np.zeros((ROWS, 1))
NAMES = [(b"models", b"content", row.to_bytes(4, "big")) for row in range(ROWS)]

CHANGES = {
    "value, by one grid step": (BASE, VALUES + STEP, NAMES, KEYED),
    "epsilon": (attrs.evolve(BASE, epsilon=Fraction(8000001, 1000000)), VALUES, NAMES, KEYED),
    "radius": (attrs.evolve(BASE, radius=Fraction(8) + Fraction(1, 2**20)), VALUES, NAMES, KEYED),
    "grid": (attrs.evolve(BASE, grid_bits=21), VALUES, NAMES, KEYED),
    "version": (SecondVersion(8, 1, 8, 20), VALUES, NAMES, KEYED),
    "a model's hash": (BASE, VALUES, [(b"other", content, row) for _, content, row in NAMES], KEYED),
    "content": (BASE, VALUES, [(models, b"other", row) for models, _, row in NAMES], KEYED),
    "object": (BASE, VALUES, [(models, content, row + b"2") for models, content, row in NAMES], KEYED),
    "one more field": (BASE, VALUES, [(*name, b"") for name in NAMES], KEYED),
    "the key": (BASE, VALUES, NAMES, KeyedNoise(KEY)),
    "the source": (BASE, VALUES, NAMES, OS),
}


@pytest.mark.parametrize("change", CHANGES)
def test_any_change_draws_unrelated_noise(change):
    mechanism, values, names, source = CHANGES[change]
    before, after = noise_of(BASE, VALUES, NAMES), noise_of(mechanism, values, names, source)
    assert np.mean(before == after) < 0.001
    ranks = [noise.argsort().argsort() for noise in (before, after)]
    assert abs(np.corrcoef(*ranks)[0, 1]) < 6 / np.sqrt(ROWS)
    assert abs(np.corrcoef(*(np.abs(noise) for noise in (before, after)))[0, 1]) < 6 / np.sqrt(ROWS)
    # Subtracting two releases must not show the difference of their values.
    difference = (values + after) - (VALUES + before)
    assert np.mean(np.abs(difference - (values - VALUES)) < 8 * STEP) < 0.001


def test_no_change_is_the_same_noise():
    assert (noise_of(BASE, VALUES, NAMES) == noise_of(BASE, VALUES.copy(), list(NAMES))).all()


def test_coordinates_and_rows_have_their_own_noise():
    released = LaplaceVector(8, 500, 8, 20).release(np.zeros((20, 500)), noise=KEYED, contexts=contexts(20))
    assert len(np.unique(released)) > 0.99 * released.size
    correlations = np.corrcoef(released) - np.eye(20)
    assert abs(correlations).max() < 6 / np.sqrt(500)


def test_a_value_that_rounds_to_the_same_integers_is_the_same_release():
    names = contexts(10)
    first, second = (BASE.release(np.full((10, 1), v), noise=KEYED, contexts=names) for v in (1.0, 1.0 + STEP / 3))
    assert (first == second).all()


def test_seeds_are_unlike_each_other_and_repeat_only_when_keyed():
    names = contexts(50)
    assert (KEYED.seeds(names) == KEYED.seeds(names)).all()
    assert len({seed.tobytes() for seed in KEYED.seeds(names)}) == 50
    assert (OS.seeds(names) != OS.seeds(names)).any(axis=1).all()
    assert KEYED.seeds(names).shape == OS.seeds(names).shape == (50, 32)


def test_the_key_is_in_no_text_and_no_pickle():
    source, outputs = KeyedNoise(KEY), []
    for attempt in (pickle.dumps, copy.copy, copy.deepcopy, vars, lambda noise: noise.release()):
        try:
            outputs.append(repr(attempt(source)))
        except (TypeError, AttributeError) as error:
            outputs.append("".join(traceback.format_exception(error)))
    with pytest.raises(TypeError, match="never pickled"):
        pickle.dumps(source)
    outputs += [repr(source), str(source), f"{source!r}", repr([source]), str(dir(source))]
    for text in outputs:
        assert KEY.hex() not in text
        assert repr(KEY)[2:-1] not in text


def test_the_key_comes_from_a_file_or_the_environment(tmp_path, monkeypatch):
    file = tmp_path / "key"
    file.write_text(KEY.hex() + "\n")
    monkeypatch.setenv("DEID_NOISE_KEY", KEY.hex())
    monkeypatch.setenv("OTHER", "00" * 32)
    expected = noise_of(BASE, VALUES, NAMES, KeyedNoise(KEY))
    for source in (KeyedNoise.from_config(), KeyedNoise.from_config(env="OTHER", file=file)):
        assert (noise_of(BASE, VALUES, NAMES, source) == expected).all()
    assert (noise_of(BASE, VALUES, NAMES, KeyedNoise.from_config(env="OTHER")) != expected).any()


@pytest.mark.parametrize("text", ["", "  ", "ab" * 31, "ab" * 32 + "c", "xy" * 32, "ä" * 64])
def test_a_bad_key_is_refused_without_showing_it(text, tmp_path, monkeypatch):
    file = tmp_path / "key"
    file.write_text(text)
    monkeypatch.setenv("DEID_NOISE_KEY", text)
    for attempt in (KeyedNoise.from_config, lambda: KeyedNoise.from_config(file=file)):
        with pytest.raises(NoiseKeyError) as raised:
            attempt()
        shown = "".join(traceback.format_exception(raised.value))
        assert not text.strip() or text.strip() not in shown


def test_a_missing_file_or_variable_is_refused(tmp_path, monkeypatch):
    monkeypatch.delenv("DEID_NOISE_KEY", raising=False)
    with pytest.raises(NoiseKeyError, match="DEID_NOISE_KEY"):
        KeyedNoise.from_config()
    with pytest.raises(NoiseKeyError, match="FileNotFoundError"):
        KeyedNoise.from_config(file=tmp_path / "none")
    with pytest.raises(NoiseKeyError):
        KeyedNoise("ab" * 32)  # type: ignore[arg-type]
