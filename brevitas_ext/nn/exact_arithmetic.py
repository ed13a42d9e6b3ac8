"""Switches off what would round integers that floats hold: reduced precision, and convolutions by transformation."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import torch
from torch import backends

_EXACT = "ieee"


@contextmanager
def exact_arithmetic(device: torch.device) -> Iterator[None]:
    """Within it products of integers in float32 and float64 are exact as long as their sums are representable.

    A sum of integers in any order, fused or not, is exact while the sum of magnitudes stays within the significand.
    That holds for plain multiply-and-add, not for operands that are cut to fewer bits (TF32, bfloat16, what autocast
    does) nor for convolutions by Winograd's or Fourier's transformation, whose intermediate values are not integers.
    oneDNN convolves directly; NNPACK and cuDNN may choose a transformation, and stay out.

    Args:
        device: where the operands are.
    """
    with ExitStack() as stack:
        stack.enter_context(torch.autocast(device.type, enabled=False))
        if device.type == "cpu":
            stack.enter_context(backends.nnpack.flags(enabled=False))
            operators = [getattr(backends.mkldnn, name, None) for name in ("conv", "matmul")]
        else:
            stack.enter_context(backends.cudnn.flags(enabled=False))
            operators = [backends.cuda.matmul]
        if all(hasattr(operator, "fp32_precision") for operator in operators):
            for operator in operators:
                stack.enter_context(_full_precision(operator))
        else:
            stack.enter_context(_highest_precision())
        yield


@contextmanager
def _full_precision(operator: Any) -> Iterator[None]:
    """Keep one kind of operator of a backend at float32's own precision."""
    before = operator.fp32_precision
    if before == _EXACT:
        yield
        return
    operator.fp32_precision = _EXACT
    try:
        yield
    finally:
        operator.fp32_precision = before


@contextmanager
def _highest_precision() -> Iterator[None]:
    """Keep all products at float32's own precision, where torch (before 2.9) has no setting per backend."""
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("highest")
    try:
        yield
    finally:
        torch.set_float32_matmul_precision(before)
