import hashlib
import json

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch.nn import functional as F

from deid_udf import models
from deid_udf.errors import ModelError
from deid_udf.generator import latent
from deid_udf.generator.base import fitting_size
from deid_udf.generator.registry import (
    MobileStyleGan,
    encoder_model,
    generator_models,
    open_generator,
    open_latent_space,
)
from deid_udf.generator.stylegan2 import StyleGan2


@pytest.fixture(scope="module")
def generator(models_cache):
    return open_generator("mobilestylegan", "cpu")


def prior_styles(generator, n, seed=0):
    z = torch.randn(n, generator.z_dim, generator=torch.Generator().manual_seed(seed))
    space = open_latent_space("mobilestylegan")
    return torch.from_numpy(space.from_latent(z.double().numpy()))


def psnr(a, b):
    return float(10 * torch.log10(4 / (a - b).square().mean()))


@pytest.mark.timeout(300)
def test_early_exits_are_near_the_whole_network(generator):
    exact = MobileStyleGan("cpu", torch.float32)
    styles = prior_styles(generator, 3, seed=11)
    with torch.inference_mode():
        whole = exact.synthesize(styles, 1024)
        for size, floor in ((64, 27.0), (128, 30.0), (256, 33.0)):
            wanted = F.avg_pool2d(whole, 1024 // size)
            assert psnr(exact.synthesize(styles, size), wanted) > floor
            assert psnr(generator.synthesize(styles, size), wanted) > floor - 1  # in bfloat16 where it is the faster


def test_pictures_do_not_depend_on_the_batch(generator):
    styles = prior_styles(generator, 3)
    with torch.inference_mode():
        together, alone = generator.synthesize(styles, 64), generator.synthesize(styles[1:2], 64)
    assert torch.equal(together[1:2], alone)


def test_pictures_are_differentiable_in_the_style():
    generator = MobileStyleGan("cpu", torch.float32)
    style = prior_styles(generator, 1).requires_grad_()
    generator.synthesize(style, 64).square().mean().backward()
    assert style.grad is not None and style.grad.abs().max() > 0


def test_size_is_the_smallest_that_suffices(generator):
    assert [fitting_size(generator, s) for s in (1, 64, 65, 200, 5000)] == [64, 64, 128, 256, 1024]


def test_generator_is_opened_once(generator):
    before = dict(models.open_counts)
    assert open_generator("mobilestylegan", "cpu") is generator
    assert models.open_counts == before


def test_unknown_generators_and_other_models_are_refused_by_name():
    with pytest.raises(ModelError, match="nonesuch"):
        generator_models("nonesuch")
    with pytest.raises(ModelError, match=r"vgg16.*mobilestylegan"):
        generator_models("vgg16")


@pytest.fixture
def own_registry(tmp_path, monkeypatch):
    """A function: {name: (role, file)} → that model registry for the rest of the test."""

    def write(**files):
        entries = {}
        for name, (role, file) in files.items():
            digest = hashlib.sha256(file.read_bytes()).hexdigest()
            source = {"kind": "file", "path": str(file)}
            entries[name] = {
                "role": role,
                "source": source,
                "sha256": digest,
                "code_licence": "x",
                "weights_licence": "x",
            }
        (tmp_path / "models.yaml").write_text(json.dumps(entries))
        monkeypatch.setenv("DEID_MODELS", str(tmp_path / "models.yaml"))
        models.registry.cache_clear()

    yield write
    models.registry.cache_clear()


def _small_network(file):
    torch.manual_seed(0)
    save_file(StyleGan2(64).state_dict(), file)
    return file


def test_a_checkpoint_of_the_users_own(tmp_path, own_registry):
    own_registry(mine=("face generator", _small_network(tmp_path / "mine.safetensors")))
    generator, space = open_generator("mine", "cpu"), open_latent_space("mine")
    latents = np.random.default_rng(0).standard_normal((2, space.size))
    image = generator.synthesize(torch.from_numpy(space.from_latent(latents)), 64)
    assert generator_models("mine") == ("mine",) and generator.sizes == (64,)
    assert image.shape == (2, 3, 64, 64) and torch.isfinite(image).all()
    mapped = space.to_latent(generator.map(torch.randn(2_000, generator.z_dim)).numpy()) * space.truncation
    assert np.abs(mapped[:, :16].std(0) - 1).max() < 0.15
    with pytest.raises(ModelError, match=r"mine_encoder.*optimise or mean"):
        encoder_model("mine")


def test_a_generator_brings_its_statistics_and_its_encoder(tmp_path, own_registry):
    network, statistics = _small_network(tmp_path / "g.safetensors"), tmp_path / "s.safetensors"
    fitted = latent.fit(np.random.default_rng(0).standard_normal((600, 256)))
    latent.save(fitted, statistics)
    own_registry(
        ours=("face generator", network), ours_latent=("latent space", statistics), ours_encoder=("encoder", network)
    )
    assert generator_models("ours") == ("ours", "ours_latent")
    assert encoder_model("ours") == "ours_encoder"
    np.testing.assert_allclose(open_latent_space("ours").scale, fitted.scale, rtol=1e-6)
