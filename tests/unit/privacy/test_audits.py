"""Every mechanism, attacked: what it spends on two worst-case neighbours, against what it says it spends.

Under the keyed source a test's draws are always the same. Under the operating system's they are new each time, so the
claim is held against a bound of confidence 1 − 10⁻⁶, not to fail one honest run in twenty; the nearness to the claim
uses the 95 % bound in both.
"""

from collections.abc import Callable
from fractions import Fraction
from functools import lru_cache
from typing import Any

import numpy as np
import pytest
from attrs import frozen
from numpy.typing import NDArray

from deid_udf.privacy import (
    CyclicLaplace,
    DpPix,
    Exponential,
    KeyedNoise,
    LaplaceUnbounded,
    LaplaceVector,
    NoiseSource,
    NoisyMechanism,
    OsNoise,
    Product,
    RandomizedResponse,
)
from tests.unit.privacy.audit import P_THRESHOLD, chi_square_p, epsilon_lower_bound
from tests.unit.privacy.sources import KEYED, OS, SOURCES, contexts

pytestmark = pytest.mark.timeout(300)  # seconds of a machine that others use too; alone, the slowest takes four

RUNS = 100_000
EPSILONS = ("0.5", "1", "2", "4")
CUT = Fraction(7, 10)
"""Noise that is 30 % too small is the noise of an ε that is 1/0.7 times as large."""


@frozen(eq=False)
class Attack:
    """Two neighbours, an event chosen beforehand from the exact law, and that law over the cells of the output.

    A neighbour is one row, or a row that holds `parallel` attacks of their own.
    """

    name: str
    build: Callable[[Fraction], NoisyMechanism]
    value: NDArray
    beside: NDArray
    event: Callable[[NDArray], Any]
    cells: Callable[[NDArray], NDArray]
    law: Callable[[float], NDArray]
    """Probabilities of the cells of a release of `value`, given ε."""
    parallel: int = 1
    keyed_runs: int = RUNS
    os_runs: int = RUNS

    def runs(self, source: NoiseSource) -> int:
        return self.keyed_runs if source is KEYED else self.os_runs


@lru_cache(maxsize=2)
def _released(attack: Attack, epsilon: Fraction, source: NoiseSource) -> tuple[NDArray, NDArray]:
    mechanism, rows = attack.build(epsilon), attack.runs(source) // attack.parallel
    released = (
        mechanism.release(np.repeat(value[None], rows, axis=0), noise=source, contexts=contexts(rows, label))
        for value, label in ((attack.value, b"object"), (attack.beside, b"neighbour"))
    )
    return next(released), next(released)


def _laplace_tail(steps: NDArray, scale: float) -> NDArray:
    """P(X ≥ steps) of the discrete Laplace distribution."""
    q = np.exp(-1 / scale)
    return np.where(steps > 0, q ** np.maximum(steps, 0) / (1 + q), 1 - q ** (1 - np.minimum(steps, 0)) / (1 + q))


def _laplace_law(edges: NDArray, scale: float) -> NDArray:
    """Probabilities of the cells that sorted integer edges cut: below the first, [eᵢ, eᵢ₊₁), from the last on."""
    tail = np.concatenate([[1.0], _laplace_tail(edges, scale), [0.0]])
    return tail[:-1] - tail[1:]


GRID = 2**8
EDGES = np.arange(-40, 41) * 24
"""Cells of Laplace noise in steps of the grid of 2⁻⁸, against scales of 64 to 1024 steps."""


def _vector(k: int) -> Attack:
    """Opposite points of the ball; k > 1 splits its radius over the coordinates."""
    value = np.full(k, 1 / k)
    return Attack(
        f"laplace_vector k={k}",
        lambda epsilon: LaplaceVector(epsilon, k, 1, 8),
        value,
        -value,
        lambda released: released.min(axis=1) >= 1 / k,
        lambda released: np.searchsorted(EDGES, (released[:, 0] - 1 / k) * GRID, side="right"),
        lambda epsilon: _laplace_law(EDGES, 2 * GRID / epsilon),
    )


def _unbounded() -> Attack:
    """Each coordinate is an attack of its own, at distance 1."""
    value = np.zeros(1000)
    return Attack(
        "laplace_unbounded",
        lambda epsilon: LaplaceUnbounded(epsilon, 1000, 8),
        value + 1,
        value,
        lambda released: (released >= 1).ravel(),
        lambda released: np.searchsorted(EDGES, (released.ravel() - 1) * GRID, side="right"),
        lambda epsilon: _laplace_law(EDGES, GRID / epsilon),
        parallel=1000,
    )


def _exponential() -> Attack:
    """One entry that is best for one object and worst for the other, against 11 of the opposite kind."""
    liked = np.eye(12)[0]
    return Attack(
        "exponential",
        lambda epsilon: Exponential(epsilon, 12),
        liked,
        1 - liked,
        lambda chosen: chosen == 0,
        lambda chosen: np.minimum(chosen, 1),
        lambda epsilon: np.array([np.exp(epsilon / 2), 11]),
        keyed_runs=2 * RUNS,
        os_runs=4 * RUNS,
    )


def _cyclic() -> Attack:
    """Two letters one step apart, and the half of the cycle that is nearer to the first; each position an attack."""
    return Attack(
        "cyclic_laplace",
        lambda epsilon: Product((CyclicLaplace(epsilon, 31),) * 100),
        np.full(100, 5),
        np.full(100, 4),
        lambda letters: ((letters - 5) % 31 < 15).ravel(),
        lambda letters: (letters - 5).ravel() % 31,
        lambda epsilon: np.exp(-epsilon * np.arange(31)) + np.exp(-epsilon * (31 - np.arange(31))),
        parallel=100,
    )


def _response() -> Attack:
    """Two letters; each position an attack."""
    return Attack(
        "randomized_response",
        lambda epsilon: Product((RandomizedResponse(epsilon, 10),) * 100),
        np.full(100, 3),
        np.full(100, 7),
        lambda letters: (letters == 3).ravel(),
        lambda letters: letters.ravel(),
        lambda epsilon: np.exp(epsilon * (np.arange(10) == 3)),
        parallel=100,
        os_runs=4 * RUNS,
    )


def _product() -> Attack:
    """Two plates that differ everywhere."""
    moduli = (2, 3, 2)
    plate = np.array([0, 1, 1])
    return Attack(
        "product",
        lambda epsilon: Product(tuple(RandomizedResponse(epsilon / 3, modulus) for modulus in moduli)),
        plate,
        np.array([1, 2, 0]),
        lambda code: (code == plate).all(axis=1),
        lambda code: np.ravel_multi_index(code.T, moduli),
        lambda epsilon: np.exp(epsilon / 3 * (plate == np.indices(moduli).reshape(3, -1).T).sum(axis=1)),
        os_runs=4 * RUNS,
    )


def _pixels() -> Attack:
    """One white pixel in each cell of a black image, every cell an attack of its own; Fan's m is 1."""
    black = np.zeros((2, 2000), np.uint8)
    white = black.copy()
    white[0, ::2] = 255
    return Attack(
        "dp_pix",
        lambda epsilon: DpPix(epsilon, b=2, m=1),
        white,
        black,
        lambda pixels: (pixels[:, 0, ::2] >= 64).ravel(),
        lambda pixels: pixels[:, 0, ::2].ravel() // 8,
        lambda epsilon: _pixel_law(255 / epsilon),
        parallel=1000,
    )


def _pixel_law(scale: float) -> NDArray:
    sums = np.arange(-400, 255 * 4 + 400)
    shown = np.clip(np.rint(sums / 4), 0, 255).astype(int) // 8
    mass = _laplace_law(sums[1:] - 255, scale)  # the ends hold the tails
    return np.bincount(shown, mass, minlength=32)


ATTACKS = (_vector(1), _vector(2), _unbounded(), _exponential(), _cyclic(), _response(), _product(), _pixels())
each_attack = pytest.mark.parametrize("attack", ATTACKS, ids=lambda attack: attack.name)
each_epsilon = pytest.mark.parametrize("epsilon", EPSILONS)
each_source = pytest.mark.parametrize("source", SOURCES, ids=lambda source: source.name)


def _bound(attack: Attack, epsilon: Fraction, source: KeyedNoise | OsNoise, alpha: float) -> float:
    hits, beside = (int(attack.event(released).sum()) for released in _released(attack, epsilon, source))
    return epsilon_lower_bound(hits, beside, attack.runs(source), alpha)


def _fit(attack: Attack, claimed: Fraction, sampled: Fraction, source: KeyedNoise | OsNoise) -> float:
    law = attack.law(float(claimed))
    counts = np.bincount(attack.cells(_released(attack, sampled, source)[0]), minlength=len(law))
    return chi_square_p(counts, law)


@each_attack
@each_epsilon
@each_source
def test_spends_what_it_claims_and_no_more(source, epsilon, attack):
    claimed = Fraction(epsilon)
    assert _bound(attack, claimed, source, 0.05 if source is KEYED else 1e-6) <= claimed
    assert _bound(attack, claimed, source, 0.05) >= 0.8 * claimed
    assert _fit(attack, claimed, claimed, source) > P_THRESHOLD


@each_attack
@each_epsilon
def test_the_audit_fails_when_the_noise_is_cut_by_30_percent(epsilon, attack):
    claimed = Fraction(epsilon)
    assert _bound(attack, claimed / CUT, OS, 0.05) > claimed
    assert _fit(attack, claimed, claimed / CUT, OS) < P_THRESHOLD


def test_both_sources_have_the_widest_and_the_finest_scale_right():
    """One draw in a grid of 2⁻²⁰ at ε = 1/100, and one at ε = 100: the first and last coins of the sampler."""
    for epsilon, grid_bits in (("0.01", 20), ("100", 4)):
        scale = 2 * 8 * 2**grid_bits / float(Fraction(epsilon))
        edges = np.unique(np.rint(np.linspace(-4, 4, 33) * scale).astype(int))
        for source in (KEYED, OS):
            noise = LaplaceVector(epsilon, 400, 8, grid_bits).release(
                np.zeros((50, 400)), noise=source, contexts=contexts(50)
            )
            cells = np.searchsorted(edges, noise.ravel() * 2**grid_bits, side="right")
            assert chi_square_p(np.bincount(cells, minlength=len(edges) + 1), _laplace_law(edges, scale)) > P_THRESHOLD
