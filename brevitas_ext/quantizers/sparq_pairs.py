"""SPARQ on integers in torch: a look-up in the table of `brevitas_ext.arith.sparq`, straight through backward."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from brevitas_ext.arith.sparq import CODES, SparqFormat
from brevitas_ext.quantizers._ste import replace


class SparqIntegers(nn.Module):
    """Maps 8-bit unsigned integers to what they are worth in windows, alone or in pairs.

    Every value, beside a zero or not, has its place in one table of 512, so that a tensor costs one look-up whatever
    the windows are.

    Attributes:
        format: windows, rounding, overflow and pairs.
        axis: dimension along which values are paired.
        odd_tail: whether a last value without a partner is paired with zero, or refused.
    """

    table: Tensor

    def __init__(self, sparq: SparqFormat, axis: int, *, odd_tail: bool = False) -> None:
        super().__init__()
        self.format = sparq
        self.axis = axis
        self.odd_tail = odd_tail
        worth = torch.tensor([*sparq.narrow_values, *sparq.wide_values], dtype=torch.float32)
        self.register_buffer("table", worth, persistent=False)

    def forward(self, integers: Tensor) -> Tensor:
        """Return what integers are worth; the gradient passes unchanged.

        Args:
            integers: floats that are integers from 0 to 255, any shape; a scalar has no partner and stays.

        Raises:
            ValueError: in pairs, the axis does not exist or has an odd length.
        """
        if integers.ndim == 0 and self.format.pairs:
            return integers
        return replace(integers, self._worth(integers))

    @torch.no_grad()
    def _worth(self, integers: Tensor) -> Tensor:
        index = integers.to(torch.int32)
        if self.format.pairs:
            index.add_(self._partner_is_zero(integers), alpha=CODES)
        worth = self.table.to(integers.dtype).index_select(0, index.reshape(-1))
        return worth.view(integers.shape)

    def _partner_is_zero(self, integers: Tensor) -> Tensor:
        length = self._length(integers)
        is_zero = integers == 0
        if length % 2:
            is_zero = torch.cat([is_zero, torch.ones_like(is_zero.narrow(self.axis, 0, 1))], dim=self.axis)
        shape = is_zero.shape
        pairs = is_zero.unflatten(self.axis, (-1, 2))
        partners: Tensor = pairs.flip(self.axis if self.axis < 0 else self.axis + 1).view(shape)
        return partners.narrow(self.axis, 0, length)

    def _length(self, integers: Tensor) -> int:
        if not -integers.ndim <= self.axis < integers.ndim:
            raise ValueError(
                f"SPARQ: expected a tensor with an axis {self.axis} to pair along, found shape "
                f"{tuple(integers.shape)}; add the batch dimension, or set axis=..."
            )
        length = integers.shape[self.axis]
        if length % 2 and not self.odd_tail:
            raise ValueError(
                f"SPARQ: expected an even number of channels to pair, found {length} in shape "
                f"{tuple(integers.shape)}; pad the channels with zeros, or set pairs=False"
            )
        return length
