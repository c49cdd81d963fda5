import numpy as np
import pytest
import torch
from safetensors.numpy import load_file, save_file

from deid_udf.generator.latent import TRUNCATION, fit, laplace_posterior, load, save
from deid_udf.generator.registry import open_generator, open_latent_space


@pytest.fixture(scope="module")
def space():
    return open_latent_space("mobilestylegan")


def test_mapped_samples_are_whitened(space, models_cache):
    generator = open_generator("mobilestylegan", "cpu")
    z = torch.randn(4_000, generator.z_dim, generator=torch.Generator().manual_seed(1))
    latents = space.to_latent(generator.map(z).numpy()) * space.truncation
    leading = latents[:, :64]
    error = 1 / np.sqrt(len(z))
    assert np.abs(leading.mean(0)).max() < 5 * error
    assert np.abs(leading.std(0) - 1).max() < 5 * error
    correlation = np.corrcoef(leading, rowvar=False) - np.eye(64)
    assert np.abs(correlation).max() < 5 * error


def test_styles_and_latents_are_one_another(space):
    latents = np.random.default_rng(0).standard_normal((5, space.size))
    assert np.allclose(space.to_latent(space.from_latent(latents)), latents, atol=2e-2)
    styles = space.from_latent(latents)
    assert np.allclose(space.from_latent(space.to_latent(styles)), styles, atol=1e-4)


def test_fit_recovers_a_known_gaussian(tmp_path):
    random = np.random.default_rng(2)
    axes = np.linalg.qr(random.standard_normal((6, 6)))[0]
    samples = random.standard_normal((50_000, 6)) * np.arange(6, 0, -1) @ axes + 3
    styles = np.where(samples < 0, 0.2 * samples, samples)
    save(fit(styles), tmp_path / "space.safetensors")
    space = load(tmp_path / "space.safetensors")
    assert np.allclose(space.scale, np.arange(6, 0, -1), rtol=0.03)
    assert np.allclose(np.abs(space.axes @ axes.T), np.eye(6), atol=0.05)
    assert np.allclose(space.mean, 3, atol=0.1)


def test_statistics_bring_the_truncation_that_they_were_fitted_for(tmp_path):
    file = tmp_path / "space.safetensors"
    save(fit(np.random.default_rng(4).standard_normal((100, 6)), truncation=1.2), file)
    assert load(file).truncation == 1.2
    older = load_file(file)
    del older["truncation"]
    save_file(older, file)
    assert load(file).truncation == TRUNCATION


@pytest.mark.parametrize("scale", [0.0, 0.5, 2.0, 50.0])
def test_posterior_is_typical_at_every_noise_level(scale):
    random = np.random.default_rng(3)
    n = 40_000
    projection, fresh = random.standard_normal((2, n, 1))
    noisy = projection + (random.laplace(0, scale, (n, 1)) if scale else 0)
    result = laplace_posterior(noisy, scale, fresh)
    assert abs(result.std() - 1) < 0.02 and abs(result.mean()) < 0.02
    kept = np.corrcoef(result[:, 0], projection[:, 0])[0, 1]
    assert abs(kept - np.sqrt(1 / (1 + 2 * scale**2)) ** 2) < 0.02


def test_posterior_ends_at_the_projection_and_at_the_prior():
    noisy, fresh = np.random.default_rng(4).standard_normal((2, 10, 3))
    assert np.array_equal(laplace_posterior(noisy, 0.0, fresh), noisy)
    assert np.allclose(laplace_posterior(noisy, 1e9, fresh), fresh, atol=1e-6)


def test_turning_sets_the_yaw_and_only_the_yaw():
    random = np.random.default_rng(5)
    space = fit(random.standard_normal((1_000, 4)))
    object.__setattr__(space, "yaw", np.array([0.3, 0.0, -0.1, 0.0]))
    latents = random.standard_normal((20, 4))
    turned = space.turned(latents, np.full(20, 0.25))
    assert np.allclose(turned @ space.yaw, 0.25)
    across = np.array([0.1, 0.0, 0.3, 0.0])
    assert np.allclose(turned @ across, latents @ across)
