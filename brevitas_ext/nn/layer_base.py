"""What ShiftQuant layers share: options, the rounding stream and its place in a checkpoint."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from brevitas_ext.nn.integer_layer import Arithmetic, IntegerLayer, integer_products
from brevitas_ext.nn.quantization import ShiftQuantization
from brevitas_ext.nn.rounding_stream import RoundingStream


class ShiftQuantLayer(nn.Module):
    """Base of the layers, mixed in before a layer of `torch.nn`, whose parameters they keep under the same names.

    Attributes:
        quantization: bit widths and granularity.
        rounding: random numbers for the gradients' stochastic rounding; its state is ``_extra_state`` in a state dict.
    """

    weight: Tensor
    quantization: ShiftQuantization
    rounding: RoundingStream

    def start(self, quantization: ShiftQuantization, seed: int | None) -> None:
        """Set the options and a rounding stream; without a seed, one from torch's generator."""
        self.quantization = quantization
        self.rounding = RoundingStream(int(torch.randint((1 << 63) - 1, ())) if seed is None else seed)

    def get_extra_state(self) -> Tensor:
        """Return the state of the rounding stream."""
        return self.rounding.state()

    def set_extra_state(self, state: Any) -> None:
        """Continue the rounding stream of a checkpoint."""
        self.rounding.load(state)

    def extra_repr(self) -> str:
        """Return the layer's own options and the quantization."""
        return f"{super().extra_repr()}, {self.quantization}"

    def products(
        self, x: Tensor, weight: Tensor, bias: Tensor | None, arithmetic: Arithmetic, groups: int = 1
    ) -> Tensor:
        """Return the layer's output of `x` (N, C, ...), with the weights in as many dimensions.

        Raises:
            TypeError: `x` and the weights have different dtypes, outside of autocast.
        """
        dtype = self.weight.dtype
        if torch.is_autocast_enabled(x.device.type):
            dtype = torch.get_autocast_dtype(x.device.type)
        elif x.dtype != dtype:
            raise TypeError(
                f"expected an input of {dtype}, as the weights of {self._name}, found {x.dtype}: convert one of them"
            )
        layer = IntegerLayer(self._name, arithmetic, self.quantization, self.rounding, groups)
        return integer_products(x, weight, bias, layer, dtype)

    @property
    def _name(self) -> str:
        return f"{type(self).__name__}{tuple(self.weight.shape)}"
