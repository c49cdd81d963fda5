"""What a recogniser saw, and the best text in it that a pattern allows.

Both engines are CTC recognisers (Graves et al. 2006): one distribution over characters a time step. A lattice keeps it
over the symbols that plates have; every other character (the dot, spaces, the blank) is column 0, "nothing".
"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from deid_udf.plates.code import PROVINCES
from deid_udf.plates.formats import Pattern

Lattice = NDArray[np.float32]  # (steps, 1 + len(ALL)), rows sum to 1

LATIN = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"
ALL = LATIN + PROVINCES
_LOOKALIKES = {"O0": 1.0, "I1": 1.0, "OQ": 0.9, "Q0": 0.9, "D0": 0.5, "Z2": 0.5, "B8": 0.5, "S5": 0.5, "G6": 0.5}
_FLOOR = 1e-6  # a probability below this is the network's noise


@dataclass(frozen=True, slots=True)
class Fit:
    """The best text under one pattern.

    Attributes:
        text: one symbol a position.
        gap: nats a symbol that the pattern costs against the recogniser's own best path; 0 where it changes nothing.
    """

    text: str
    gap: float


def columns(characters: list[str]) -> NDArray[np.int64]:
    """Which lattice column each of a recogniser's characters belongs to (0: nothing); lower case counts as upper."""
    return np.array([ALL.index(c.upper()) + 1 if len(c) == 1 and c.upper() in ALL else 0 for c in characters])


def gather(probabilities: NDArray[np.float32], into: NDArray[np.int64]) -> Lattice:
    """(..., characters) probabilities → (..., 1 + len(ALL)), summed by column."""
    table = np.zeros((*probabilities.shape[:-1], len(ALL) + 1), np.float32)
    named = np.flatnonzero(into)
    for source, target in zip(named.tolist(), into[named].tolist(), strict=True):
        table[..., target] += probabilities[..., source]
    table[..., 0] = np.maximum(1 - table.sum(-1), 0)
    return table


def best(lattice: Lattice, pattern: Pattern) -> Fit | None:
    """The likeliest path through `lattice` that spells a text of the pattern; None where it has too few steps.

    Viterbi over the CTC topology: nothing, first symbol, nothing, second symbol, …. A step that begins a new symbol
    right after an equal one is not allowed, since a recogniser merges such a pair.
    """
    steps, n = len(lattice), len(pattern)
    if steps < n:
        return None
    letters = [lattice @ _fold(alphabet) for alphabet in pattern.alphabets]
    symbol = np.stack([p.argmax(1) for p in letters], 1)
    same = np.array([[a[i] for i in column] for a, column in zip(pattern.alphabets, symbol.T, strict=True)]).T
    emission = np.full((steps, 2 * n + 1), _FLOOR)
    emission[:, 0::2] = lattice[:, :1]
    emission[:, 1::2] = np.stack([p.max(1) for p in letters], 1)
    score = np.log(np.maximum(emission, _FLOOR))
    came = np.zeros((steps, 2 * n + 1), np.int64)
    total = np.full(2 * n + 1, -np.inf)
    total[:2] = score[0, :2]
    for t in range(1, steps):
        leap = np.full(2 * n + 1, -np.inf)
        leap[3::2] = np.where(same[t, 1:] != same[t - 1, :-1], total[1:-2:2], -np.inf)
        options = np.stack([total, np.concatenate([[-np.inf], total[:-1]]), leap])
        came[t] = options.argmax(0)
        total = options.max(0) + score[t]
    state = 2 * n - 1 + int(total[-1] > total[-2])
    reached = float(total[state])
    if not np.isfinite(reached):
        return None
    peak = np.zeros(n)
    text = [""] * n
    for t in range(steps - 1, -1, -1):
        if state % 2 and emission[t, state] >= peak[state // 2]:
            peak[state // 2] = emission[t, state]
            text[state // 2] = str(same[t, state // 2])
        state -= int(came[t, state])
    free = float(np.log(np.maximum(lattice.max(1), _FLOOR)).sum())
    return Fit("".join(text), max(free - reached, 0.0) / n)


@lru_cache(maxsize=64)
def _fold(alphabet: str) -> NDArray[np.float32]:
    """(1 + len(ALL), len(alphabet)): what each column says for each symbol; lookalikes stand in for absent symbols."""
    table = np.zeros((len(ALL) + 1, len(alphabet)), np.float32)
    for i, symbol in enumerate(alphabet):
        table[ALL.index(symbol) + 1, i] = 1
        for pair, weight in _LOOKALIKES.items():
            other = pair.replace(symbol, "")
            if len(other) == 1 and other not in alphabet:
                table[ALL.index(other) + 1, i] = weight
    return table
