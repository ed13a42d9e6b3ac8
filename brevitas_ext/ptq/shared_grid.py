"""Quantizers whose step is another quantizer's times a power of two, so that their sums are sums of integers."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from brevitas.nn import QuantIdentity
from brevitas.quant.scaled_int import Int8ActPerTensorFloat
from torch import Tensor, nn

from brevitas_ext.ptq.exchange import calibrated, put
from brevitas_ext.ptq.ranges import InputRange
from brevitas_ext.ptq.sums import ResidualSum


@dataclass(frozen=True, kw_only=True)
class SumGrid:
    """The grid on which a layer's result is added.

    Attributes:
        bits: of the signed integers that stand for the layer's result.
        step: of these integers.
        reference: name of the layer whose step it is a multiple of.
        exponent: of 2 in that multiple.
    """

    bits: int
    step: float
    reference: str
    exponent: int


class SharedScale(nn.Module):
    """Brevitas scaling: the scale of another activation quantizer, times a power of two.

    It has no parameter of its own and follows the other one, also where that is trained.

    Args:
        reference: the layer with the other quantizer, ``QuantReLU`` or ``QuantIdentity``.
        exponent: of 2.
    """

    def __init__(self, reference: nn.Module, exponent: int) -> None:
        super().__init__()
        self._reference = (reference,)  # in a tuple: it is no part of this module
        self.exponent = exponent

    def forward(self, x: Tensor, _integers: Tensor | None = None) -> Tensor:
        """Return the step, shape ()."""
        quantizer: Any = self._reference[0].act_quant.fused_activation_quant_proxy.tensor_quant  # type: ignore[union-attr]
        bits = quantizer.msb_clamp_bit_width_impl()
        scale: Tensor = quantizer.scaling_impl(x, quantizer.int_scaling_impl(bits))
        return scale * 2.0**self.exponent


class WithGrid(nn.Sequential):
    """A layer and the quantizer of its result, which takes the layer's place."""


def share_grids(
    model: nn.Module, sums: list[ResidualSum], results: Mapping[str, InputRange], bits: int
) -> dict[str, SumGrid]:
    """Quantize the results of layers on the grids of what they are added to.

    The result of a layer that is added to a quantized activation becomes a multiple of the activation's step times a
    power of two, the smallest with which `bits` bits reach as far as they have to: to the end of the layer's range,
    or, if that is nearer, to where the ReLU behind the sum gives its largest value or zero whatever the activation is.
    Two layers that are added to each other share one grid.

    Args:
        model: a Brevitas model with quantized ReLU layers, changed in place.
        sums: of the float model, all with a grid.
        results: range of the results of the layers that are added.
        bits: of the integers.

    Returns:
        Grids by layer, in the order of the sums.
    """
    grids: dict[str, SumGrid] = {}
    for each in sums:
        names, reference = each.layers, each.skip
        if reference is None:
            reference = max(names, key=lambda name: results[name].magnitude)
            quantizer = calibrated(Int8ActPerTensorFloat.let(bit_width=bits), results[reference].magnitude or 1.0)
            grids[reference] = _put_quantizer(model, reference, quantizer, bits, (reference, 0))
        for name in (name for name in names if name not in grids):
            exponent = 0 if each.skip is None else _exponent(model, each, results[name], bits)
            source = model.get_submodule(reference)
            scale = SharedScale(source[1] if isinstance(source, WithGrid) else source, exponent)
            quantizer = Int8ActPerTensorFloat.let(bit_width=bits, scaling_impl=scale)
            grids[name] = _put_quantizer(model, name, quantizer, bits, (reference, exponent))
    return grids


def _exponent(model: nn.Module, each: ResidualSum, result: InputRange, bits: int) -> int:
    """Return the least power of two with which the grid of a skip branch reaches as far as a result."""
    skip: Any = model.get_submodule(str(each.skip))
    high, low = result.high, -result.low
    if each.relus:
        high = min(high, max(_end(model.get_submodule(name)) for name in each.relus))
        low = min(low, _end(skip))
    reach = max(high, low)
    # Zeros, as a branch gives them whose normalization starts at zero, are on every grid.
    return 0 if reach <= 0 else math.ceil(math.log2(reach / (2 ** (bits - 1) * skip.act_quant.scale().item())))


def _end(relu: Any) -> float:
    """Return the end of a quantized activation's range."""
    return float(relu.act_quant.scale().item() * 2 ** relu.act_quant.bit_width().item())


def _put_quantizer(model: nn.Module, name: str, quantizer: Any, bits: int, reference: tuple[str, int]) -> SumGrid:
    """Put a quantizer behind a layer."""
    # A plain tensor: Brevitas adds it to one with a scale, and two with different scales it does not add.
    identity: Any = QuantIdentity(act_quant=quantizer, return_quant_tensor=False).eval()
    put(model, name, WithGrid(model.get_submodule(name), identity))
    step = identity.act_quant.scale().item()
    return SumGrid(bits=bits, step=step, reference=reference[0], exponent=reference[1])
