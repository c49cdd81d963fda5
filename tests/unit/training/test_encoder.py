"""The encoder's training in small: it learns from both kinds of faces, resumes, and keeps the held-out ones apart."""

import cv2
import numpy as np
import pytest
import torch

from deid_udf.faces.encoder import SIZE, load_encoder
from deid_udf.training.encoder import split
from jobs import train_encoder

CONFIG = """
{generator: mobilestylegan, size: 64, pool: 4, start: 4, refresh: 1, batch: 3, photographs: 1, likeness: 0.3, steps: 1,
 learning_rate: 0.001, weight_decay: 0.01, spread: [0.8, 1.25], leading: 8, held_out: 2, evaluate_every: 1, seed: 1}
"""


def test_held_out_photographs_are_spread_and_never_trained_on():
    trained, unseen = split(torch.arange(40))
    assert unseen.tolist() == [0, 18, 36]
    assert sorted(trained.tolist() + unseen.tolist()) == list(range(40))


@pytest.mark.timeout(300)
def test_a_run_learns_and_exports(models_cache, tmp_path, capsys):
    faces = tmp_path / "faces"
    faces.mkdir()
    random = np.random.default_rng(0)
    for i in range(3):
        cv2.imwrite(str(faces / f"{i}.jpg"), random.integers(0, 255, (64, 64, 3), np.uint8))
    (tmp_path / "c.yaml").write_text(CONFIG)
    out = tmp_path / "e.safetensors"
    options = ["--faces", str(faces), "--folder", str(tmp_path / "run"), "--config", str(tmp_path / "c.yaml")]
    assert train_encoder.main([*options, "--out", str(out)]) == 0
    log = (tmp_path / "run" / "log.jsonl").read_text()
    assert all(name in log for name in ("r2_leading", "r2_style", "photographs")) and "NaN" not in log
    latents = load_encoder(out, "cpu")(torch.zeros(1, 3, SIZE, SIZE))
    assert latents.shape == (1, 512) and torch.isfinite(latents).all()


def test_a_wrong_configuration_is_one_line(tmp_path, capsys):
    (tmp_path / "c.yaml").write_text("steps: many\n")
    options = ["--faces", str(tmp_path), "--folder", str(tmp_path / "run"), "--config", str(tmp_path / "c.yaml")]
    assert train_encoder.main(options) == 2
    assert capsys.readouterr().err.startswith("error: ")
