import pytest
import torch
from safetensors.torch import save_file

from deid_udf import models
from deid_udf.errors import ModelError
from deid_udf.plates.crnn import CHARACTERS, HEIGHT, Crnn, load


@pytest.mark.parametrize("width", [64, 254, 427])
def test_a_column_of_four_pixels_is_one_distribution(width):
    made = Crnn().eval()(torch.zeros(2, 1, HEIGHT, width))
    assert made.shape == (2, width // 4 - 1, 1 + len(CHARACTERS))
    assert made.sum(2).allclose(torch.ones(()), atol=1e-5)


def test_the_shipped_weights_fit_every_layer(models_cache):
    network = load(models.path("easyocr_en"), "cpu")
    assert not network.training
    assert len(set(CHARACTERS)) == 96


def test_other_weights_are_refused(tmp_path):
    save_file({"Prediction.weight": torch.zeros(3, 3)}, tmp_path / "other.safetensors")
    (tmp_path / "text.safetensors").write_text("no tensors")
    for name in ("other", "text"):
        with pytest.raises(ModelError, match=f"{name}.safetensors does not hold"):
            load(tmp_path / f"{name}.safetensors", "cpu")
