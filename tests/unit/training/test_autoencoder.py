"""The auto-encoder phase: it learns to reconstruct, resumes, and its export starts the adversarial run."""

from deid_udf.training.autoencoder import AutoencoderTraining
from deid_udf.training.generator import GeneratorTraining
from tests.unit.training.test_generator import _config, faces  # noqa: F401  a fixture


def test_it_learns_and_resumes(models_cache, faces, tmp_path):  # noqa: F811
    training = AutoencoderTraining(_config(steps=30), faces, "cpu")
    before = training.step(0)["difference"]
    assert training.run(tmp_path / "run") == 30
    assert training.step(30)["difference"] < 0.8 * before
    again = AutoencoderTraining(_config(steps=31), faces, "cpu")
    assert again.run(tmp_path / "run") == 31
    assert again.encoder_optimiser.state_dict()["state"]


def test_its_export_starts_the_adversarial_run(models_cache, faces, tmp_path):  # noqa: F811
    AutoencoderTraining(_config(), faces, "cpu").export(tmp_path / "start.safetensors")
    training = GeneratorTraining(_config(), faces, "cpu", start=tmp_path / "start.safetensors")
    assert set(training.step(0)) == {"heads", "generator"}
