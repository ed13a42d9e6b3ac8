"""The three products of a linear layer on integers: forward, input gradient and weight gradient, exact."""

from __future__ import annotations

import torch
from torch import Tensor

from brevitas_ext.nn.exact_product import exact_matmul


class ExactLinear:
    """A linear layer's arithmetic on integers that float32 tensors hold; rows (R, C) are its samples."""

    def forward(self, x: Tensor, weight: Tensor, x_bounds: list[int]) -> Tensor:
        """Return ``x @ weight.T``, integers (R, O).

        Args:
            x: integers (R, C).
            weight: integers (O, C).
            x_bounds: largest magnitude in each column of `x`.

        Raises:
            OverflowError: a sum may exceed int64.
        """
        return exact_matmul(x, weight.t(), a_bound=max(x_bounds), b_bound=_largest(weight))

    def input_gradient(self, gradient: Tensor, weight: Tensor, g_bounds: list[int], shape: torch.Size) -> Tensor:
        """Return ``gradient @ weight``, integers of `shape` (R, C).

        Args:
            gradient: integers (R, O).
            weight: integers (O, C).
            g_bounds: largest magnitude in each column of `gradient`.
            shape: of the input, (R, C).

        Raises:
            OverflowError: a sum may exceed int64.
        """
        product = exact_matmul(gradient, weight, a_bound=max(g_bounds), b_bound=_largest(weight))
        return product.view(shape)

    def weight_gradient(
        self, x: Tensor, gradient: Tensor, x_bounds: list[int], g_bounds: list[int], shape: torch.Size
    ) -> Tensor:
        """Return ``gradient.T @ x``, integers of `shape` (O, C).

        Args:
            x: integers (R, C).
            gradient: integers (R, O).
            x_bounds: largest magnitude in each row of `x`.
            g_bounds: largest magnitude in each row of `gradient`.
            shape: of the weights, (O, C).

        Raises:
            OverflowError: a sum may exceed int64.
        """
        if not gradient.numel():
            return torch.zeros(shape, device=x.device)
        return exact_matmul(gradient.t(), x, a_bound=max(g_bounds), b_bound=max(x_bounds)).view(shape)


def _largest(weight: Tensor) -> int:
    return int(weight.abs().amax()) if weight.numel() else 0
