"""A2Q and A2Q+ as a configuration and pure functions on a matrix with one row per output channel.

Symbols, as in A2Q (arXiv 2308.13504, section 4): v weights, s = 2**d scale, g = 2**t norm, M-bit weights, N-bit inputs,
P-bit accumulator; integers ``q = clip(trunc(g / s * v / ||v||_1))`` with ``g = 2**min(t, T)`` (Eq. 20-23).  A2Q+ (arXiv
2401.10432) subtracts the row's mean from v first.

The guarantee does not rest on floating point.  Rounding toward zero keeps ``||q||_1`` within the budget in exact
arithmetic, but the computed norm and quotient carry rounding errors, and a quotient that lands just above an integer
(equal weights, powers of two) breaks the budget.  `a2q_integers` therefore ends with a check in exact integers, and
takes the excess, as a rule a single unit, off the last weights of the row.

**Shifted inputs** (ShiftQuant).  Where input channel j comes as N-bit integers times ``f_j = 2**k_j``, the sums are in
units of the smallest group, ``sum_j (a_j * q_j) << k_j``, and the budget, the one of N bits, is for the weighted norm
``sum_j f_j * |q_j|``: ``q = trunc(v / step)`` with ``step = max(s * ||v||_1 / 2**t, sum_j f_j |v_j| / budget)``.  The
norm parameter t thus keeps its meaning while shifts move in training; with equal shifts this is Eq. 20-23.  A2Q+
centers so that ``sum_j f_j * v_j`` is zero, which splits the weighted norm evenly between the signs.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property

import torch
from torch import Tensor

from brevitas_ext.arith import a2q_l1_budget, a2q_plus_l1_budget
from brevitas_ext.quantizers._ste import clamp, replace, round_toward_zero

# g / s below it only yields zeros (|q| <= g / s); above it 2**t would overflow float32 once divided by the scale.
_SMALLEST_RATIO = 2.0**-40
_LARGEST_LOG_NORM = 90.0


@dataclass(frozen=True, kw_only=True)
class A2QConfig:
    """What the integers of an accumulator-aware weight must satisfy.

    Attributes:
        weight_bits: width M of the signed weights, narrow range: at most ``2**(M-1) - 1`` in magnitude.
        accumulator_bits: target width P of the signed accumulator.
        input_bits: width N of the layer's input integers.
        input_signed: whether they are signed.
        zero_centered: A2Q+ instead of A2Q.
        input_narrow: whether signed inputs stop at ``-(2**(N-1) - 1)``, as ShiftQuant's do.
    """

    weight_bits: int
    accumulator_bits: int
    input_bits: int
    input_signed: bool
    zero_centered: bool = False
    input_narrow: bool = False

    def __post_init__(self) -> None:
        """Reject widths without a meaning."""
        for name, low, high in (("weight_bits", 2, 16), ("accumulator_bits", 2, 64), ("input_bits", 1, 32)):
            if not low <= getattr(self, name) <= high:
                raise ValueError(
                    f"A2Q: expected {name} between {low} and {high}, found {getattr(self, name)}; "
                    f"set it in the layer (weight_bit_width, weight_accumulator_bit_width) or in the input's quantizer"
                )
        if self.input_narrow and not (self.input_signed and self.input_bits > 1):
            raise ValueError(
                f"A2Q: expected narrow inputs to be signed and of 2 bits or more, found {self.input_bits} bits, signed="
                f"{self.input_signed}; leave input_narrow=False"
            )

    @property
    def weight_limit(self) -> int:
        """Largest magnitude of a weight integer."""
        return (1 << (self.weight_bits - 1)) - 1

    @property
    def bounds_each_sign(self) -> bool:
        """Whether the budget is split between the positive and the negative weights of a row (A2Q+)."""
        return self.zero_centered and not self.is_input_symmetric

    @property
    def is_input_symmetric(self) -> bool:
        """Whether inputs reach equally far up and down: narrow ones, and -1 and 1, Brevitas's one signed bit."""
        return self.input_narrow or (self.input_signed and self.input_bits == 1)

    @cached_property
    def l1_budget(self) -> Fraction:
        """Largest l1 norm of a row of integers.

        A2Q+'s budget is derived for unsigned inputs, but all it uses is that an input spans ``2**N - 1``: with each
        sign of the weights limited to half of the budget, inputs from ``-2**(N-1)`` to ``2**(N-1) - 1`` give at most
        ``half * (2**(N-1) - 1) + half * 2**(N-1)``, the same ``2**(P-1) - 1``.  Inputs from -m to m span 2m,
        and both signs of the weights together have A2Q's budget, ``(2**(P-1) - 1) / m``.
        """
        if self.input_narrow:
            return Fraction((1 << (self.accumulator_bits - 1)) - 1, (1 << (self.input_bits - 1)) - 1)
        if self.bounds_each_sign:
            return a2q_plus_l1_budget(self.accumulator_bits, self.input_bits, input_signed=False)
        return a2q_l1_budget(self.accumulator_bits, self.input_bits, input_signed=self.input_signed)

    @cached_property
    def integer_budget(self) -> int:
        """What the integers of a row, or of each sign of it (`bounds_each_sign`), may sum to in magnitude."""
        return math.floor(self.l1_budget / 2 if self.bounds_each_sign else self.l1_budget)

    @cached_property
    def log2_l1_budget(self) -> float:
        """Base-2 logarithm of the budget: T of Eq. 23 less d."""
        return math.log2(self.l1_budget.numerator) - math.log2(self.l1_budget.denominator)


def a2q_integers(v: Tensor, t: Tensor, s: Tensor, config: A2QConfig, factors: Tensor | None = None) -> Tensor:
    """Return the integer weights of A2Q or A2Q+, A2Q Eq. 20 before dequantization.

    Args:
        v: weights, shape (C, K), float32 or float64 whatever the model's type is: sums in half precision lose the
            norm, and the budget overflows float16 at P >= 17.
        t: log2 of the norm parameter, shape (C, 1).
        s: positive scale, shape (C, 1), shared by this function and by the dequantization.
        config: widths.
        factors: powers of two f that the input of each weight is multiplied by, shape (C, K); None where all are 1.

    Returns:
        Integers of ``v``'s type, shape (C, K), differentiable in all three tensors by straight-through estimation.  For
        rows of finite norm and positive ``s``, every row satisfies the integer budget of ``config``.  A row of zeros
        gives zeros, and its gradient is that of plain rounding with scale ``s``.

    Raises:
        ValueError: a tensor has the wrong shape or type.
    """
    _check(v, t, s)
    centered = zero_centered(v, factors) if config.zero_centered else v
    norm_in_steps = torch.exp2(clamp(t, -math.inf, _LARGEST_LOG_NORM)) / s
    step = l1_norm(centered) / clamp(norm_in_steps, _SMALLEST_RATIO, math.inf)
    within_budget = l1_norm(centered, factors) / float(config.l1_budget)
    step = torch.where(within_budget > step, within_budget, step)
    # v / ||v|| is undefined for a row of zeros, and useless for one so small that the step underflows.
    step = torch.where(step >= torch.finfo(step.dtype).tiny, step, s)
    limit = config.weight_limit
    return _within_budget(clamp(round_toward_zero(centered / step), -limit, limit), config, factors)


def l1_norm(rows: Tensor, factors: Tensor | None = None) -> Tensor:
    """Return the l1 norm of each row, weighted by `factors` if there are any, shape (C, 1)."""
    weighted = rows if factors is None else rows * factors
    norm: Tensor = torch.linalg.vector_norm(weighted, ord=1, dim=1, keepdim=True)
    return norm


def zero_centered(rows: Tensor, factors: Tensor | None = None) -> Tensor:
    """Return rows less their mean, the one weighted by `factors` if there are any."""
    if factors is None:
        return rows - rows.mean(dim=1, keepdim=True)
    return rows - (rows * factors).sum(dim=1, keepdim=True) / factors.sum(dim=1, keepdim=True)


def penalty(t: Tensor, d: Tensor, config: A2QConfig, log2_share: Tensor | float = 0.0) -> Tensor:
    """Return A2Q's regularizer of one layer, ``sum_i max(t_i - T_i, 0)`` (section 4.1), differentiable in t and d.

    Args:
        t: log2 of the norm parameters, shape (C, 1).
        d: log2 of the scales, shape (C, 1).
        config: widths.
        log2_share: for shifted inputs, log2 of each row's l1 norm over its weighted one, by which T is lower.
    """
    return torch.relu(t - (d + config.log2_l1_budget + log2_share)).sum()


def _within_budget(q: Tensor, config: A2QConfig, factors: Tensor | None) -> Tensor:
    """Return ``q`` with each row's excess over the integer budget removed; exact."""
    each = q.shape[1] if factors is None else int(factors.sum(dim=1).max())
    widest = each * config.weight_limit
    budget = config.integer_budget
    if widest <= budget:
        return q
    with torch.no_grad():
        # Integers below 2**24 (2**53) and all their partial sums are exact in float32 (float64), and so is `budget`,
        # which is smaller than `widest`.
        exact = q if widest < 1 << 24 else q.double()
        f = torch.ones_like(exact[:, :1]) if factors is None else factors.to(exact)
        total = torch.linalg.vector_norm(exact * f, ord=1, dim=1)
        if config.bounds_each_sign:
            total = (total.double() + (exact * f).sum(dim=1).abs()) / 2  # the larger of the two signs' sums
        if not bool((total > budget).any()):
            return q
        if config.bounds_each_sign:
            fixed = _first_units(exact.clamp(min=0), budget, f) - _first_units((-exact).clamp(min=0), budget, f)
        else:
            fixed = exact.sign() * _first_units(exact.abs(), budget, f)
    return replace(q, fixed.to(q.dtype))


def _first_units(magnitudes: Tensor, budget: int, factors: Tensor) -> Tensor:
    """Return the magnitudes, cut off in each row where their running sum, times the factors, reaches ``budget``."""
    costs = magnitudes * factors
    before = costs.cumsum(dim=1) - costs
    return torch.minimum(magnitudes, torch.floor((budget - before).clamp(min=0) / factors))


def _check(v: Tensor, t: Tensor, s: Tensor) -> None:
    if v.ndim != 2 or t.shape != (v.shape[0], 1) or s.shape != t.shape:
        raise ValueError(
            f"expected v of shape (C, K), t and s of shape (C, 1), found {tuple(v.shape)}, {tuple(t.shape)} and "
            f"{tuple(s.shape)}; bring the weight into rows with ChannelRows"
        )
    if v.dtype not in {torch.float32, torch.float64}:
        raise ValueError(f"expected float32 or float64 weights, found {v.dtype}; convert them first")
