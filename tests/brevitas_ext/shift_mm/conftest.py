"""Random operands of a ShiftMM, over the whole range of a bound."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

Operands = Callable[..., tuple[Tensor, Tensor, Tensor]]


@pytest.fixture
def operands() -> Operands:
    """Return (a, b, exponents) of given sizes and bounds, the extremes among them."""
    generator = torch.Generator().manual_seed(0)

    def draw(m: int, k: int, n: int, *, a_bound: int, b_bound: int, top: int) -> tuple[Tensor, Tensor, Tensor]:
        a, b = (
            torch.randint(-bound, min(bound, 127) + 1, shape, generator=generator, dtype=torch.int8)
            for bound, shape in ((a_bound, (m, k)), (b_bound, (k, n)))
        )
        exponents = torch.randint(0, top + 1, (k,), generator=generator)
        if k:  # a product of the extremes, shifted the furthest
            a[:, 0], b[0], exponents[0] = -a_bound, -b_bound, top
        return a, b, exponents

    return draw
