"""A run that stops and goes on is the run that never stopped."""

import json
import os
import signal

import torch
from torch import nn

from deid_udf.training.loop import train


class Regression:
    """Fits y = 2x; the batch of step n is a function of n."""

    def __init__(self) -> None:
        torch.manual_seed(0)
        self.network = nn.Linear(1, 1)
        self.optimiser = torch.optim.Adam(self.network.parameters(), lr=0.05)
        self.stop_at: int | None = None

    @property
    def parts(self):
        return {"network": self.network, "optimiser": self.optimiser}

    def step(self, number):
        if number == self.stop_at:
            os.kill(os.getpid(), signal.SIGTERM)
        x = torch.randn(8, 1, generator=torch.Generator().manual_seed(number))
        loss = (self.network(x) - 2 * x).square().mean()
        self.optimiser.zero_grad()
        loss.backward()
        self.optimiser.step()
        return {"loss": loss.item()}

    def run(self, folder, steps=200):
        return train(
            folder,
            self.parts,
            self.step,
            steps=steps,
            evaluate=lambda n: {"weight": self.network.weight.item()},
            evaluate_every=50,
        )


def test_learns_and_logs(tmp_path):
    assert Regression().run(tmp_path) == 200
    lines = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    losses = [line["loss"] for line in lines if "loss" in line]
    assert losses[-1] < losses[0] / 100
    assert [line["step"] for line in lines if "weight" in line] == [50, 100, 150, 200]


def test_sigterm_saves_and_the_next_run_goes_on_to_the_same_weights(tmp_path):
    whole = Regression()
    whole.run(tmp_path / "whole")
    cut = Regression()
    cut.stop_at = 77
    assert cut.run(tmp_path / "cut") == 78
    resumed = Regression()
    assert resumed.run(tmp_path / "cut") == 200
    torch.testing.assert_close(resumed.network.weight, whole.network.weight, rtol=0, atol=0)
    assert signal.getsignal(signal.SIGTERM) == signal.SIG_DFL


def test_a_finished_run_does_nothing(tmp_path):
    Regression().run(tmp_path, steps=20)
    again = Regression()
    again.step = lambda number: 1 / 0  # type: ignore[method-assign]
    assert again.run(tmp_path, steps=20) == 20
