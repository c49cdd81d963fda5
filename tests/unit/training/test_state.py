"""Checkpoints give back exactly what was saved."""

import pytest
import torch
from torch import nn

from deid_udf.training import state


def _trained() -> tuple[nn.Linear, torch.optim.Adam]:
    network = nn.Linear(3, 2)
    optimiser = torch.optim.Adam(network.parameters(), lr=0.1)
    network(torch.ones(4, 3)).square().sum().backward()
    optimiser.step()
    return network, optimiser


def test_module_and_moments_come_back(tmp_path):
    network, optimiser = _trained()
    state.save(tmp_path / "c.safetensors", {"network": network, "optimiser": optimiser}, step=7)
    other = nn.Linear(3, 2)
    other_optimiser = torch.optim.Adam(other.parameters(), lr=0.5)
    assert state.load(tmp_path / "c.safetensors", {"network": other, "optimiser": other_optimiser}) == 7
    torch.testing.assert_close(other.weight, network.weight, rtol=0, atol=0)
    ours, theirs = other_optimiser.state_dict(), optimiser.state_dict()
    torch.testing.assert_close(ours["state"][0]["exp_avg_sq"], theirs["state"][0]["exp_avg_sq"], rtol=0, atol=0)
    assert ours["state"][1]["step"] == theirs["state"][1]["step"] == 1
    assert ours["param_groups"][0]["lr"] == 0.5  # the rate is the configuration's, not the file's


def test_a_part_can_be_read_alone(tmp_path):
    network, optimiser = _trained()
    state.save(tmp_path / "c.safetensors", {"network": network, "optimiser": optimiser}, step=1)
    other = nn.Linear(3, 2)
    state.load(tmp_path / "c.safetensors", {"network": other})
    torch.testing.assert_close(other.bias, network.bias, rtol=0, atol=0)


def test_another_network_is_refused(tmp_path):
    network, _ = _trained()
    state.save(tmp_path / "c.safetensors", {"network": network}, step=1)
    with pytest.raises(RuntimeError, match="size mismatch"):
        state.load(tmp_path / "c.safetensors", {"network": nn.Linear(4, 2)})
    with pytest.raises(KeyError):
        state.load(tmp_path / "c.safetensors", {"average": network})


def test_an_interrupted_write_leaves_the_old_file(tmp_path, monkeypatch):
    network, _ = _trained()
    file = tmp_path / "c.safetensors"
    state.save(file, {"network": network}, step=1)

    def cut(tensors, part, metadata):
        part.write_bytes(b"half")
        raise OSError("disk full")

    monkeypatch.setattr(state, "save_file", cut)
    with pytest.raises(OSError, match="disk full"):
        state.save(file, {"network": network}, step=2)
    assert state.load(file, {"network": network}) == 1
