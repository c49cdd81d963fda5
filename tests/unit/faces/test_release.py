from decimal import Decimal

import numpy as np
import pytest

from deid_udf import policy
from deid_udf.faces.release import Codebook, FromPrior, open_release
from deid_udf.generator.latent import fit
from deid_udf.privacy import Guarantee, KeyedNoise, OsNoise

N, D = 400, 32


@pytest.fixture(scope="module")
def space():
    return fit(np.random.default_rng(0).standard_normal((5_000, D)))


@pytest.fixture(scope="module")
def latents():
    return np.random.default_rng(1).standard_normal((N, D)).clip(-1, 1)


def through(release, latents, seed=2):
    fresh = np.random.default_rng(seed).standard_normal(latents.shape)
    contexts = [(b"image", i.to_bytes(4, "big")) for i in range(len(latents))]
    released = release.mechanism.release(release.values(latents), noise=OsNoise(), contexts=contexts)
    return release.latents(released, fresh), fresh


def bounded(epsilon, k=8, radius=8):
    return policy.LaplaceVector(name="laplace_vector", epsilon=Decimal(epsilon), k=k, radius=Decimal(radius))


def test_without_noise_the_first_coordinates_are_the_projections(space, latents):
    found, fresh = through(open_release(bounded(10**9), space), latents)
    assert np.abs(found[:, :8] - latents[:, :8]).max() < 2**-6
    assert np.array_equal(found[:, 8:], fresh[:, 8:])


def test_with_all_the_noise_the_result_is_a_prior_draw(space, latents):
    found, fresh = through(open_release(bounded("0.000001"), space), latents)
    assert np.allclose(found, fresh, atol=1e-3)


@pytest.mark.parametrize("epsilon", ["0.5", "8", "64"])
def test_the_result_is_typical_at_every_epsilon(space, epsilon):
    typical = np.random.default_rng(3).standard_normal((4_000, D))
    found, _ = through(open_release(bounded(epsilon, radius=16), space), typical)
    assert np.abs(found.std(0) - 1).max() < 0.07


def test_the_paper_adds_noise_of_scale_one_over_epsilon_to_every_coordinate_of_the_style(space, latents):
    release = open_release(policy.LaplaceUnbounded(name="laplace_unbounded", epsilon=Decimal(5)), space)
    found, _ = through(release, latents)
    difference = space.from_latent(found) - space.from_latent(latents)
    assert release.mechanism.guarantee is Guarantee.METRIC
    assert abs(np.abs(difference).mean() - 1 / 5) < 0.01


def test_the_codebook_answers_with_the_nearest_face_when_epsilon_is_large(space):
    release = open_release(policy.Exponential(name="exponential", epsilon=Decimal(2_000), size=16), space)
    assert isinstance(release, Codebook)
    book = release.latents(np.arange(16), np.zeros((16, D)))
    found, _ = through(release, book)
    assert np.array_equal(found, book)
    utilities = release.values(book)
    assert utilities.min() >= 0 and np.allclose(np.diag(utilities), 1, atol=0.01) and 0.3 < utilities.mean() < 0.7


def test_the_codebook_does_not_depend_on_the_input_or_the_process(space):
    choice = policy.Exponential(name="exponential", epsilon=Decimal(1), size=16)
    first, second = (open_release(choice, space).latents(np.arange(16), np.zeros((16, D))) for _ in range(2))
    assert np.array_equal(first, second)


def test_the_prior_reads_nothing(space, latents):
    found, fresh = through(FromPrior(), latents)
    assert np.array_equal(found, fresh) and FromPrior.mechanism.worst_case == 0


def test_tiny_differences_of_a_projection_give_the_same_value_under_keyed_noise(space, latents):
    release = open_release(bounded(8), space)
    away = np.abs(latents * 2**6 % 1 - 0.5) > 0.01  # not where rounding itself would change
    jittered = latents + 1e-6 * away
    noise, contexts = KeyedNoise(bytes(range(32))), [(b"x",)] * N
    a, b = (release.mechanism.release(release.values(v), noise=noise, contexts=contexts) for v in (latents, jittered))
    assert np.array_equal(a, b)


def test_a_baseline_is_no_release(space):
    with pytest.raises(TypeError, match="blur"):
        open_release(policy.Blur(name="blur"), space)
