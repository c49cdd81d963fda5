"""What the mechanisms cost in time (`speed`), and what they keep of their input (`kept`): tables of docs/privacy.md."""

import argparse
import os
import time
from collections.abc import Callable
from functools import partial
from math import sqrt

import numpy as np
from numpy.typing import NDArray

from deid_udf.privacy import (
    CyclicLaplace,
    Exponential,
    KeyedNoise,
    LaplaceVector,
    NoisyMechanism,
    OsNoise,
    Product,
    RandomizedResponse,
)

SOURCES = (KeyedNoise(os.urandom(32)), OsNoise())
ROWS = 4000
CANDIDATES = 100


def _contexts(rows: int) -> list[tuple[bytes, ...]]:
    return [(b"models", os.urandom(32), row.to_bytes(4, "big")) for row in range(rows)]


def _best_of(runs: int, call: Callable[[], object]) -> float:
    """Milliseconds of processor time of the fastest run: what one core needs when nothing else disturbs it."""
    call()
    times = []
    for _ in range(runs):
        start = time.process_time()
        call()
        times.append(time.process_time() - start)
    return min(times) * 1e3


def speed() -> None:
    """Batches of the sizes that the pipeline releases, on one core."""
    rng = np.random.default_rng(0)
    letters = rng.integers(0, 24, (1000, 7))
    moduli = (31, 24, 34, 34, 34, 34, 34)
    batches: list[tuple[str, float, NoisyMechanism, NDArray]] = [
        ("64 faces, k = 8", 10, LaplaceVector(8, 8, 8, 20), rng.normal(size=(64, 8))),
        ("64 faces, k = 512", 600, LaplaceVector(8, 512, 512, 20), rng.normal(size=(64, 512))),
        ("64 faces, codebook of 1024", 600, Exponential(8, 1024), rng.random((64, 1024))),
        ("1,000 plates, randomised response", 50, Product(tuple(RandomizedResponse(1, m) for m in moduli)), letters),
        ("1,000 plates, cyclic Laplace", 50, Product(tuple(CyclicLaplace(1, m) for m in moduli)), letters),
    ]
    print("| batch | target, ms | keyed, ms | os, ms |\n|---|---|---|---|")
    for name, target, mechanism, values in batches:
        contexts = _contexts(len(values))
        measured = [_best_of(9, partial(mechanism.release, values, noise=s, contexts=contexts)) for s in SOURCES]
        print(f"| {name} | {target:g} | {measured[0]:.1f} | {measured[1]:.1f} |")


def kept() -> None:
    """Whitened latents v ~ N(0, I_k) through `laplace_vector` with R = k, shrunk to the posterior mean and refilled."""
    print("| k = R | ε | noise scale | of the mechanism's output | of the released latent | found among 100 |")
    print("|---|---|---|---|---|---|")
    for k in (8, 32, 512):
        for epsilon in (1, 4, 8, 16, 64, 512):
            output, latent, found = _kept(k, epsilon)
            print(f"| {k} | {epsilon} | {2 * k / epsilon:g} | {output:.2%} | {latent:.2%} | {found:.1%} |")


def _kept(k: int, epsilon: int) -> tuple[float, float, float]:
    """Share of variance that the input explains, in the output and in the released latent, and the attacker's hits."""
    rng = np.random.default_rng(k)
    rows = ROWS if k < 100 else ROWS // 4
    v = rng.normal(size=(rows, k))
    y = LaplaceVector(epsilon, k, k, 20).release(v, noise=SOURCES[0], contexts=_contexts(rows))
    share = np.corrcoef(v.ravel(), y.ravel())[0, 1] ** 2
    released = sqrt(share) * y / y.std() + sqrt(1 - share) * rng.normal(size=v.shape)
    return share, np.corrcoef(v.ravel(), released.ravel())[0, 1] ** 2, _found(v, y)


def _found(v: NDArray, y: NDArray) -> float:
    """How often the likeliest of `CANDIDATES` known objects is the right one, for an attacker who sees the output."""
    hits = 0
    for start in range(0, len(v) - CANDIDATES + 1, CANDIDATES):
        block = slice(start, start + CANDIDATES)
        distances = np.abs(y[block, None] - v[None, block]).sum(axis=2)
        hits += int((distances.argmin(axis=1) == np.arange(CANDIDATES)).sum())
    return hits / (len(v) // CANDIDATES * CANDIDATES)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("table", choices=("speed", "kept"))
    {"speed": speed, "kept": kept}[parser.parse_args().table]()
