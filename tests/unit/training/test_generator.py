"""The adversarial run in small: it resumes, samples and exports; its metric is the known formula."""

import cv2
import numpy as np
import pytest
import torch

from deid_udf.errors import UsageError
from deid_udf.generator.stylegan2 import load
from deid_udf.training.generator import GeneratorConfig, GeneratorTraining, frechet_distance, load_faces


@pytest.fixture
def faces(tmp_path):
    folder = tmp_path / "faces"
    folder.mkdir()
    random = np.random.default_rng(0)
    for i in range(6):
        cv2.imwrite(str(folder / f"{i}.jpg"), random.integers(0, 255, (32, 32, 3), np.uint8))
    return folder


def _config(**changes):
    values = {
        "size": 8,
        "steps": 2,
        "batch": 4,
        "seed": 1,
        "learning_rate": 1e-3,
        "mapping_rate": 1e-4,
        "coordinates": 4,
        "regression": 1,
        "heads_first": 0,
        "ramp": 1,
        "verdict": 0.1,
        "colour": 0.3,
        "feature_side": 32,
        "average_images": 100,
        "evaluate_every": 2,
    }
    return GeneratorConfig.model_validate(values | changes)


def test_a_run_resumes_and_exports(models_cache, faces, tmp_path):
    run = tmp_path / "run"
    assert GeneratorTraining(_config(), faces, "cpu").run(run) == 2
    sheet = cv2.imread(str(run / "sheet_000002.png"))
    assert sheet is not None and sheet.shape == (6 * 8, 12 * 8, 3)
    second = GeneratorTraining(_config(steps=3), faces, "cpu")
    fresh = second.generator.synthesis.constant.detach().clone()
    assert second.run(run) == 3
    assert not torch.equal(fresh, second.generator.synthesis.constant)
    second.export(tmp_path / "g.safetensors")
    z = torch.randn(2, 128)
    expected = second.average.network(z)
    torch.testing.assert_close(load(tmp_path / "g.safetensors")(z), expected, rtol=0.05, atol=0.02)


def test_regression_comes_first_then_the_heads_then_all_together(models_cache, faces):
    training = GeneratorTraining(_config(regression=1, heads_first=1), faces, "cpu")

    def constant():
        return training.generator.synthesis.constant.detach().clone()

    fresh = constant()
    assert set(training.step(0)) == {"difference"}
    regressed = constant()
    assert not torch.equal(fresh, regressed)
    assert set(training.step(1)) == {"heads"}
    assert torch.equal(regressed, constant())
    assert set(training.step(2)) == {"heads", "generator", "difference"}
    assert not torch.equal(regressed, constant())


def test_a_run_that_stopped_before_the_heads_learnt_resumes(models_cache, faces, tmp_path):
    GeneratorTraining(_config(steps=1, evaluate_every=9), faces, "cpu").run(tmp_path)
    second = GeneratorTraining(_config(steps=2, evaluate_every=9), faces, "cpu")
    assert second.run(tmp_path) == 2
    assert second.heads_optimiser.state_dict()["state"]


def test_it_learns_the_faces_from_their_z(models_cache, faces):
    training = GeneratorTraining(_config(regression=100), faces, "cpu")
    first = training.step(0)["difference"]
    for number in range(1, 20):
        last = training.step(number)["difference"]
    assert last < 0.9 * first


def test_a_run_grows(models_cache, faces, tmp_path):
    GeneratorTraining(_config(), faces, "cpu").export(tmp_path / "small.safetensors")
    larger = GeneratorTraining(_config(size=16), faces, "cpu", start=tmp_path / "small.safetensors")
    assert larger.samples(2, seed=0).shape == (2, 3, 16, 16)


def test_faces_are_loaded_or_asked_for(faces, tmp_path):
    images = load_faces(faces, 8)
    assert images.shape == (6, 3, 8, 8) and images.dtype == torch.uint8
    (tmp_path / "empty").mkdir()
    with pytest.raises(UsageError, match="no JPEG faces"):
        load_faces(tmp_path / "empty", 8)


def test_frechet_distance_of_known_gaussians():
    random = np.random.default_rng(0)
    a, b = random.standard_normal((20000, 3)), random.standard_normal((20000, 3)) * 2 + 1
    assert frechet_distance(a, a) == pytest.approx(0, abs=1e-6)
    assert frechet_distance(a, b) == pytest.approx(3 * 1 + 3 * (2 - 1) ** 2, rel=0.05)
