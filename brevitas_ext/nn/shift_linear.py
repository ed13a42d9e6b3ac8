"""A linear layer that trains on integers."""

from __future__ import annotations

from typing import Unpack

import torch
from torch import Tensor, nn

from brevitas_ext.nn.exact_linear import ExactLinear
from brevitas_ext.nn.layer_base import ShiftQuantLayer
from brevitas_ext.nn.quantization import ShiftQuantization, ShiftQuantOptions

_ARITHMETIC = ExactLinear()


class ShiftQuantLinear(ShiftQuantLayer, nn.Linear):
    """`torch.nn.Linear` whose forward product and both gradients' products run on integers.

    Forward, activations are in ShiftQuant's groups of input features, weights have a scale per output feature.  The
    input gradient takes output gradients in groups of output features and weights with a scale per input feature; the
    weight gradient takes both activations and output gradients in groups of rows, whose exponents add.  Every product
    is the exact dot product of what the integers stand for, scaled once (paper: ShiftQuant, section 3, Fig. 1, Eq. 46).

    Args:
        in_features: size of the last dimension of the input.
        out_features: size of the last dimension of the output.
        bias: whether to add a bias, which stays in floats.
        device: of the parameters.
        dtype: of the parameters, input and output.
        seed: of the stochastic rounding; None draws one from torch's generator.
        **options: fields of `ShiftQuantization`, e.g. ``gradient_bits=6``.

    Raises:
        ValueError: an option is out of range.

    Shape:
        Input (..., C), output (..., O).
    """

    def __init__(  # noqa: PLR0913 - torch's own, and the seed
        self,
        in_features: int,
        out_features: int,
        bias: bool = True,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
        *,
        seed: int | None = None,
        **options: Unpack[ShiftQuantOptions],
    ) -> None:
        super().__init__(in_features, out_features, bias, device, dtype)
        self.start(ShiftQuantization(**options), seed)

    def forward(self, x: Tensor) -> Tensor:
        """Return the output (..., O) of an input (..., C).

        Raises:
            TypeError: the input's dtype is not the weights'.
            ValueError: the input has another size, or is not finite.
        """
        if not x.ndim or x.shape[-1] != self.in_features:
            raise ValueError(
                f"expected an input (..., {self.in_features}) of ShiftQuantLinear, found shape {tuple(x.shape)}"
            )
        rows = self.products(x.reshape(-1, self.in_features), self.weight, self.bias, _ARITHMETIC)
        return rows.view(*x.shape[:-1], self.out_features)
