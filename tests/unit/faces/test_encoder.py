import torch
from safetensors.torch import save_file

from deid_udf.faces.encoder import SIZE, Encoder, load_encoder


def test_shipped_weights_come_back_in_full_precision(tmp_path):
    torch.manual_seed(0)
    encoder = Encoder(latent_dim=24).eval()
    state = {k: v.half() if v.is_floating_point() else v for k, v in encoder.state_dict().items()}
    save_file(state, tmp_path / "encoder.safetensors")
    loaded = load_encoder(tmp_path / "encoder.safetensors", "cpu")
    faces = torch.randn(3, 3, SIZE, SIZE)
    assert all(p.dtype == torch.float32 and not p.requires_grad for p in loaded.parameters())
    with torch.inference_mode():
        found, exact = loaded(faces), encoder(faces)
    assert found.shape == (3, 24)
    assert (found - exact).abs().max() < 0.02 * exact.abs().max()


def test_it_can_learn():
    torch.manual_seed(1)
    encoder = Encoder(latent_dim=4)
    faces, latents = torch.randn(8, 3, SIZE, SIZE), torch.randn(8, 4)
    optimiser = torch.optim.Adam(encoder.parameters(), 3e-3)
    losses = []
    for _ in range(15):
        loss = (encoder(faces) - latents).square().mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    assert losses[-1] < 0.5 * losses[0]
