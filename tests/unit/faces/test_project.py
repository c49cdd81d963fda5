from decimal import Decimal

import cv2
import numpy as np
import pytest
import torch

from deid_udf import models, policy
from deid_udf.faces.perceptual import MODEL, load_perceptual_loss
from deid_udf.faces.project import open_projector, optimise, projector_models
from deid_udf.generator.registry import open_generator, open_latent_space


@pytest.fixture(scope="module")
def parts(models_cache):
    return {
        "generator": open_generator("mobilestylegan", "cpu"),
        "space": open_latent_space("mobilestylegan"),
        "loss": models.opened(MODEL, "cpu", load_perceptual_loss),
    }


def faces(projection, steps=2):
    mechanism = {"name": "laplace_vector", "epsilon": Decimal(8)}
    return policy.Faces.model_validate({"mechanism": mechanism, "projection": projection, "steps": steps})


def crops(made_faces, size=64):
    small = np.stack([cv2.resize(face, (size, size), interpolation=cv2.INTER_AREA) for face in made_faces[:2]])
    return torch.from_numpy(small).permute(0, 3, 1, 2).float() / 127.5 - 1


def test_optimisation_comes_nearer_and_never_ends_worse_than_it_began(parts, made_faces):
    images, start = crops(made_faces), np.zeros((2, parts["space"].size))
    latents, losses = optimise(images, start=start, steps=12, **parts)
    assert latents.shape == start.shape and losses.shape == (13, 2)
    assert (np.diff(losses, axis=0) <= 0).all()
    assert (losses[-1] < 0.6 * losses[0]).all()
    _, again = optimise(images, start=latents, steps=0, **parts)
    assert np.allclose(again[0], losses[-1], rtol=1e-4)


def test_a_face_is_optimised_alike_alone_and_beside_another(parts, made_faces):
    """But for the last bits of a convolution, which a batch may round otherwise."""
    images, start = crops(made_faces), np.zeros((2, parts["space"].size))
    (_, together), (_, alone) = (optimise(images[i:], start=start[i:], steps=3, **parts) for i in (0, 1))
    assert np.allclose(together[:, 1], alone[:, 0], rtol=0.02)


def test_optimisation_stops_once_it_has_converged(parts, made_faces):
    class Counting:
        def __init__(self, generator):
            self.calls, self._generator = 0, generator

        def synthesize(self, style, size):
            self.calls += 1
            return self._generator.synthesize(style, size)

    counting = Counting(parts["generator"])
    options = parts | {"generator": counting}
    start = np.zeros((2, parts["space"].size))
    optimise(crops(made_faces), start=start, steps=50, tolerance=0.99, patience=3, **options)
    assert counting.calls <= 6


def test_the_mean_looks_at_nothing(made_faces, models_cache):
    found = open_projector(faces("mean"), "cpu")(made_faces)
    assert found.shape == (4, 512) and not found.any()


def test_the_encoder_tells_faces_apart_and_does_not_depend_on_the_batch(made_faces, models_cache):
    project = open_projector(faces("encode"), "cpu")
    together = project(made_faces)
    assert np.abs(together[0] - project(made_faces[:1])[0]).max() < 1e-4
    assert np.abs(together[0] - together[1]).max() > 0.1


@pytest.mark.parametrize("projection", ["optimise", "hybrid"])
def test_refining_projections_run_from_uint8_crops(made_faces, models_cache, projection):
    found = open_projector(faces(projection, steps=1), "cpu")(made_faces[:1])
    assert found.shape == (1, 512) and np.isfinite(found).all()


def test_each_projection_names_its_models():
    assert projector_models(faces("mean")) == ()
    encode, optimise, hybrid = (set(projector_models(faces(name))) for name in ("encode", "optimise", "hybrid"))
    assert hybrid == encode | optimise and len(hybrid) == 2
