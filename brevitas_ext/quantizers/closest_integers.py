"""The integer weights closest to float ones within an accumulator's budget, and parameters at which A2Q yields them.

The Euclidean projection of EP-init knows nothing of the rounding toward zero that follows it: where its soft threshold
leaves weights less than one step above zero, none of them survives.  Here the projection is onto the integer points of
the ball, which is as easy: the squared error is separable and convex, so taking single units, the one with the largest
gain first, is optimal.

Where inputs are shifted (`brevitas_ext.quantizers.a2q`), a weight with the factor f counts f times in the sums: its
error weighs ``f**2``, and a unit of it costs f.  The unit with the largest gain per cost comes first, which is optimal
up to what is left of the budget in the end.
"""

from __future__ import annotations

import torch
from torch import Tensor

from brevitas_ext.quantizers.a2q import A2QConfig, l1_norm

# Around the best octave, scales are tried in steps of a quarter of an octave.
_QUARTERS = (-0.75, -0.5, -0.25, 0.25, 0.5, 0.75)

_BISECTIONS = 20

# How far a weight may start above its integer, so that it does not cross the next one by rounding errors.
_LARGEST_FRACTION = 0.75


def closest_integers(targets: Tensor, budget: float, limit: int, factors: Tensor | None = None) -> Tensor:
    """Return the integers closest to each row of targets, in the Euclidean sense, with at most the given sum.

    With factors f both are those of the products: the error is ``sum (f * (q - x))**2``, the sum ``sum f * q``.

    Args:
        targets: shape (C, K), not negative.
        budget: largest sum of a row.
        limit: largest integer.
        factors: f, powers of two, shape (C, K); None for ones.

    Returns:
        Shape (C, K), integers between 0 and ``limit``.
    """
    # With a price p per cost, unit j of a weight x is worth taking while f**2 * (x - j + 0.5) > p * f: round x - p / f.
    f = torch.ones_like(targets) if factors is None else factors.to(targets)
    low = torch.zeros_like(targets[:, :1])
    high = (targets * f).amax(dim=1, keepdim=True) + 1
    for _ in range(_BISECTIONS):
        price = (low + high) / 2
        fits = _cost(_at_price(targets, price / f, limit), f) <= budget
        low, high = torch.where(fits, low, price), torch.where(fits, price, high)
    free = _at_price(targets, low * 0, limit)
    integers = torch.where(_cost(free, f) <= budget, free, _at_price(targets, high / f, limit))
    # Equal weights have equal prices, and all or none of them were taken: use up what is left, one unit each.
    gain = torch.where(integers < limit, targets - integers - 0.5, -torch.inf)
    left = budget - _cost(integers, f)
    order = (gain * f).argsort(dim=1, descending=True, stable=True)
    affordable = f.gather(1, order).cumsum(dim=1) <= left
    return integers + ((gain > 0) & affordable.gather(1, order.argsort(dim=1)))


def closest_scale(
    rows: Tensor, widest_integer_scale: Tensor, config: A2QConfig, factors: Tensor | None = None
) -> Tensor:
    """Return per row the scale at which the closest integers leave the smallest squared error, shape (C, 1).

    A wide weight type at its widest scale would spend the whole budget on few large integers.

    Args:
        rows: float weights, shape (C, K), zero-centered for A2Q+.
        widest_integer_scale: the scale at which a row's largest weight takes the widest integer, shape (C, 1).
        config: widths.
        factors: those of the inputs, shape (C, K), or None.
    """
    best, smallest = widest_integer_scale, torch.full_like(widest_integer_scale, torch.inf)
    # From half that scale, where the largest weight is clipped, to where it takes the integer 1.
    for octave in range(-1, config.weight_bits):
        best, smallest = _better(rows, best, smallest, widest_integer_scale * 2.0**octave, config, factors)
    centre = best
    for quarter in _QUARTERS:
        best, smallest = _better(rows, best, smallest, centre * 2.0**quarter, config, factors)
    return best


def start_at_closest_integers(
    targets: Tensor, config: A2QConfig, margin: float, factors: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """Return weights and norms, in units of the scale, from which A2Q rounds to the closest integers.

    A weight starts above its integer by as much of its own fraction as the budget has room for, so that training may
    move it in either direction.

    Args:
        targets: float weights in units of the scale, shape (C, K), zero-centered for A2Q+.
        config: widths.
        margin: relative rounding error of the type that will hold the weights; the norm is that much larger.
        factors: those of the inputs, shape (C, K), or None.

    Returns:
        Weights, shape (C, K), and norm parameters, shape (C, 1).
    """
    budget = float(config.l1_budget) / (1 + margin)
    parts = _parts(targets, config)
    integers = [_of_part(part, config, margin, factors) for _, part in parts]
    fractions = [
        torch.where(part > 0, part + 0.5 - taken, 0).clamp(0, _LARGEST_FRACTION)
        for (_, part), taken in zip(parts, integers, strict=True)
    ]
    sums = torch.stack([l1_norm(taken, factors) for taken in integers])
    rooms = torch.stack([l1_norm(fraction, factors) for fraction in fractions])
    # The two signs of A2Q+ get the same sum, or centering would move every weight.
    common = torch.maximum((sums + rooms).amin(dim=0).clamp(max=budget / len(parts)), sums.amax(dim=0))
    shares = ((common - sums) / rooms.clamp(min=torch.finfo(rooms.dtype).tiny)).clamp(0, 1)
    start = torch.zeros_like(targets)
    for (sign, _), taken, fraction, share in zip(parts, integers, fractions, shares, strict=True):
        start += sign * (taken + share * fraction)
    return start, start.abs().sum(dim=1, keepdim=True) * (1 + margin)


def _better(  # noqa: PLR0913 - the best so far, and what to compare
    rows: Tensor, best: Tensor, smallest: Tensor, scale: Tensor, config: A2QConfig, factors: Tensor | None
) -> tuple[Tensor, Tensor]:
    """Return the better of two scales per row, and its squared error."""
    closest = torch.zeros_like(rows)
    for sign, part in _parts(rows / scale, config):
        closest += sign * _of_part(part, config, 0.0, factors) * scale
    error = (rows - closest if factors is None else (rows - closest) * factors).square().sum(dim=1, keepdim=True)
    return torch.where(error < smallest, scale, best), torch.minimum(error, smallest)


def _parts(targets: Tensor, config: A2QConfig) -> list[tuple[Tensor, Tensor]]:
    """Return the sign and the magnitudes of the parts of a row that have a budget each."""
    if config.zero_centered:
        one = torch.ones((), dtype=targets.dtype, device=targets.device)
        return [(one, targets.clamp(min=0)), (-one, (-targets).clamp(min=0))]
    return [(targets.sign(), targets.abs())]


def _of_part(part: Tensor, config: A2QConfig, margin: float, factors: Tensor | None) -> Tensor:
    budget = float(config.l1_budget) / (1 + margin) / (2 if config.zero_centered else 1)
    return closest_integers(part, budget, config.weight_limit, factors)


def _cost(integers: Tensor, factors: Tensor) -> Tensor:
    return (integers * factors).sum(dim=1, keepdim=True)


def _at_price(targets: Tensor, price: Tensor, limit: int) -> Tensor:
    return torch.floor(targets - price + 0.5).clamp(0, limit)
