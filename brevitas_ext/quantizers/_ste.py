"""Straight-through estimators: exact integers forward, the gradient of the identity backward."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable


class _RoundTowardZero(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, values: Tensor) -> Tensor:  # noqa: ARG004 - the signature is torch's
        return torch.trunc(values)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> Tensor:  # noqa: ARG004
        return gradient


class _Replace(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, values: Tensor, replacement: Tensor) -> Tensor:  # noqa: ARG004
        return replacement.clone()

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:  # noqa: ARG004
        return gradient, None


def round_toward_zero(values: Tensor) -> Tensor:
    """Return ``values`` rounded toward zero, as A2Q Eq. 20 asks; the gradient passes unchanged."""
    rounded: Tensor = _RoundTowardZero.apply(values)  # type: ignore[no-untyped-call]
    return rounded


def replace(values: Tensor, replacement: Tensor) -> Tensor:
    """Return ``replacement``, bit for bit, while the gradient goes to ``values`` unchanged.

    Unlike ``values + (replacement - values).detach()`` no rounding error enters.
    """
    replaced: Tensor = _Replace.apply(values, replacement)  # type: ignore[no-untyped-call]
    return replaced


def clamp(values: Tensor, low: float, high: float) -> Tensor:
    """Return ``values`` clamped; the gradient passes where they are within the bounds, the bounds themselves included.

    ``Tensor.clamp`` does the same up to torch 2.13, and stops the gradient at a bound in 2.15.
    """
    return torch.where(values > high, high, torch.where(values < low, low, values))
