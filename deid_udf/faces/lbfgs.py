"""L-BFGS over a batch of independent problems (Nocedal and Wright 2006, algorithms 7.4 and 7.5), one evaluation a step.

No line search: a step that does not improve is taken back, and the next one is shorter. Its gradient is not wasted: the
curvature seen on the way enters the history all the same.
"""

from collections import deque
from collections.abc import Callable, Iterable

import torch
from torch import Tensor

_FIRST = 0.25  # of the step that would take the loss to 0 if it fell in a straight line (Polyak 1987)
_SHORTER = 0.3  # after a step that did not improve
_BENT = 1e-3  # least curvature along a step, in units of the one supposed there, that is believed

Objective = Callable[[Tensor, Tensor], Tensor]
"""Points (m, d), and the indices (m,) of their problems → losses (m,), differentiable, each of its own point alone."""

Pair = tuple[Tensor, Tensor, Tensor]  # per problem: a step (n, d), the gradient's change (n, d), their product (n, 1)


def minimise(
    objective: Objective,
    start: Tensor,
    *,
    curvature: Tensor,
    steps: int,
    memory: int = 20,
    tolerance: float = 1e-3,
    patience: int = 10,
) -> tuple[Tensor, Tensor]:
    """The lowest point found for each problem; the others in the batch matter to its rounding at most.

    Args:
        objective: what is minimised; losses ≥ 0.
        start: float32 (n, d).
        curvature: (d,) > 0, how strongly the losses bend along each coordinate, up to a common factor.
        steps: evaluations after the first.
        memory: steps remembered.
        tolerance, patience: a problem rests once its loss fell by less than this share in this many steps.

    Returns:
        Points (n, d), and the lowest loss after each step, (1 + steps taken, n): it never rises.
    """
    point = start.detach().clone()
    loss, gradient = _evaluate(objective, point, torch.arange(len(point), device=point.device))
    scale = _FIRST * loss[:, None] / _dot(gradient, gradient / curvature).clamp(min=1e-12)
    length, history, trace = torch.ones_like(scale), deque[Pair](maxlen=memory), [loss]
    for _ in range(steps):
        active = _unfinished(trace, tolerance, patience)
        if not len(active):
            break
        move = -length * _newton(gradient, history, scale / curvature)
        tried, slope = torch.full_like(loss, torch.inf), gradient.clone()
        tried[active], slope[active] = _evaluate(objective, (point + move)[active], active)
        change = slope - gradient
        product, supposed = _dot(move, change), _dot(change, change / curvature)
        bent = product > _BENT * supposed * scale
        scale = torch.where(bent, product / supposed, scale)
        zero = torch.zeros_like(move)
        history.append((torch.where(bent, move, zero), torch.where(bent, change, zero), product.where(bent, 1.0)))
        better = (tried < loss)[:, None]
        point, gradient = torch.where(better, point + move, point), torch.where(better, slope, gradient)
        loss = torch.minimum(tried.where(better[:, 0], torch.inf), loss)
        length = torch.where(better, 1.0, length * _SHORTER)
        trace.append(loss)
    return point, torch.stack(trace)


def _evaluate(objective: Objective, points: Tensor, which: Tensor) -> tuple[Tensor, Tensor]:
    """Losses (m,) and gradients (m, d)."""
    with torch.enable_grad():
        points = points.detach().requires_grad_(True)
        losses = objective(points, which)
        (gradients,) = torch.autograd.grad(losses.sum(), points)
    return losses.detach(), gradients


def _newton(gradient: Tensor, history: Iterable[Pair], inverse: Tensor) -> Tensor:
    """The inverse Hessian of the history, over the diagonal `inverse` (n, d), times the gradient (n, d)."""
    direction, weights, pairs = gradient, [], list(history)
    for step, change, product in reversed(pairs):
        weights.append(_dot(step, direction) / product)
        direction = direction - weights[-1] * change
    direction = direction * inverse
    for (step, change, product), weight in zip(pairs, reversed(weights), strict=True):
        direction = direction + step * (weight - _dot(change, direction) / product)
    return direction


def _unfinished(trace: list[Tensor], tolerance: float, patience: int) -> Tensor:
    """Indices of the problems whose loss still falls."""
    if len(trace) <= patience:
        return torch.arange(len(trace[0]), device=trace[0].device)
    return (trace[-1] < (1 - tolerance) * trace[-1 - patience]).nonzero()[:, 0]


def _dot(a: Tensor, b: Tensor) -> Tensor:
    return (a * b).sum(1, keepdim=True)
