"""L-BFGS on problems whose answers are known."""

from functools import partial

import pytest
import torch

from deid_udf.faces.lbfgs import minimise

BENDS = torch.tensor([(100.0, 1.0, 0.01), (1.0, 30.0, 0.3)])  # two quadratics in three coordinates
AIMS = torch.tensor([(1.0, -2.0, 3.0), (-1.0, 0.5, 2.0)])


def quadratics(points, which):
    return (BENDS[which] * (points - AIMS[which]).square()).sum(1) / 2


def rosenbrock(points, which):
    x, y = points.T
    return (1 - x).square() + 100 * (y - x * x).square()


@pytest.mark.parametrize("curvature", [(1.0, 1.0, 1.0), (50.0, 10.0, 0.1)])
def test_each_quadratic_is_solved_whatever_curvature_is_supposed(curvature):
    found, losses = minimise(quadratics, torch.zeros(2, 3), curvature=torch.tensor(curvature), steps=60, tolerance=0)
    assert torch.allclose(found, AIMS, atol=1e-2)
    assert (losses[-1] < 1e-6 * losses[0]).all()


def test_a_curved_valley_is_followed_to_its_end():
    start = torch.tensor([(-1.2, 1.0)])
    found, losses = minimise(rosenbrock, start, curvature=torch.ones(2), steps=100, memory=5, tolerance=0)
    assert torch.allclose(found, torch.ones(1, 2), atol=1e-2)
    assert (losses.diff(dim=0) <= 0).all()


def test_the_right_curvature_saves_steps():
    wrong, right = (
        minimise(quadratics, torch.zeros(2, 3), curvature=c, steps=6, tolerance=0)[1][-1, 0]
        for c in (torch.ones(3), BENDS[0])
    )
    assert right < 0.1 * wrong


def test_a_problem_does_not_depend_on_its_neighbours():
    solve = partial(minimise, curvature=torch.ones(3), steps=9)
    together, losses = solve(quadratics, torch.zeros(2, 3))
    alone, loss = solve(lambda p, which: quadratics(p, which + 1), torch.zeros(1, 3))
    assert torch.allclose(together[1], alone[0], atol=1e-5)
    assert torch.allclose(losses[: len(loss), 1], loss[:, 0], atol=1e-5)


def test_a_problem_that_has_converged_is_not_evaluated_again():
    seen = []

    def objective(points, which):
        seen.append(which.tolist())
        return quadratics(points, which)

    start = torch.stack([AIMS[0], torch.zeros(3)])
    found, losses = minimise(objective, start, curvature=torch.ones(3), steps=40, patience=3)
    assert seen[0] == [0, 1] and seen[-1] == [1]
    assert torch.equal(found[0], AIMS[0])
    assert len(seen) == len(losses)


def test_a_loss_that_is_no_number_is_stepped_back_from():
    def cliff(points, which):
        losses = (points - 3).square().sum(1)
        return torch.where(points[:, 0] > 2, torch.nan, losses)

    found, losses = minimise(cliff, torch.zeros(1, 1), curvature=torch.ones(1), steps=20, tolerance=0)
    assert torch.isfinite(found).all() and torch.isfinite(losses).all()
    assert 1 < found.item() <= 2
