"""Statistics that catch a mechanism which spends more than it says."""

from collections.abc import Sequence
from math import log

import numpy as np
from numpy.typing import NDArray
from scipy.stats import beta, chi2

P_THRESHOLD = 1e-20
"""Below this p-value a fit is refused, as in Tumult's tests: no honest sampler gets there."""


def epsilon_lower_bound(hits: int, hits_beside: int, runs: int, alpha: float = 0.05) -> float:
    """With confidence 1 − alpha, ε is at least this, when an event was met so often on two neighbours.

    Clopper–Pearson on each side at alpha/2: ε ≥ ln(p/p′), and p and p′ lie inside their bounds at once.
    """
    low = beta.ppf(alpha / 2, hits, runs - hits + 1) if hits else 0.0
    high = beta.ppf(1 - alpha / 2, hits_beside + 1, runs - hits_beside) if hits_beside < runs else 1.0
    return log(low / high) if low else -np.inf


def chi_square_p(observed: Sequence[int] | NDArray, probabilities: Sequence[float] | NDArray) -> float:
    """p-value of counts against an exact law; cells expected fewer than 5 times are pooled."""
    counts, law = np.asarray(observed, float), np.asarray(probabilities, float)
    expected = law / law.sum() * counts.sum()
    rare = expected < 5
    if rare.any():
        counts = np.append(counts[~rare], counts[rare].sum())
        expected = np.append(expected[~rare], expected[rare].sum())
    if not expected[-1]:
        counts, expected = counts[:-1], expected[:-1]
    return float(chi2.sf(((counts - expected) ** 2 / expected).sum(), len(counts) - 1))


def two_sample_p(first: NDArray, second: NDArray) -> float:
    """p-value of two lists of integers having one law, in cells of the pooled sample's 2 % quantiles."""
    edges = np.unique(np.quantile(np.concatenate([first, second]), np.arange(0.02, 1, 0.02)))
    tables = np.array(
        [np.bincount(np.searchsorted(edges, sample), minlength=len(edges) + 1) for sample in (first, second)]
    )
    tables = tables[:, tables.sum(axis=0) >= 10]
    expected = tables.sum(axis=0) * tables.sum(axis=1, keepdims=True) / tables.sum()
    return float(chi2.sf(((tables - expected) ** 2 / expected).sum(), tables.shape[1] - 1))
