"""One quantized layer as integers."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Self, cast

import numpy as np
import torch
from brevitas.core.scaling import AccumulatorAwareParameterPreScaling, AccumulatorAwareZeroCenterParameterPreScaling
from brevitas.proxy import DecoupledWeightQuantWithInputProxyFromInjector
from brevitas.quant_tensor import IntQuantTensor
from numpy.typing import NDArray
from torch import Tensor

from brevitas_ext.accumulators.input_format import InputFormat
from brevitas_ext.quantizers import A2QWeightQuantProxy, ChannelRows


@dataclass(frozen=True, kw_only=True, eq=False)
class TracedLayer:
    """A layer with quantized weights, as integers.

    Attributes:
        name: the layer's name in the model; its type's name if the model is the layer.
        kind: ``"linear"``, ``"conv2d"``, ``"conv_transpose2d"``, and so on.
        weight_integers: int64, shape (C, K), a row per output channel: the weight as multiples of its scale, which is
            ``quant_weight().int()`` less the weight's zero point.
        weight_bits: width M of the weights.
        weight_scale: float64, shape (C,).
        accumulator_bits: target width P of an accumulator-aware quantizer, else None.
        bound: ``"a2q"`` or ``"a2q+"`` for such a quantizer, else None.
        bias: float64, shape (C,), as it is added to the output (dequantized if it is quantized), or None.
        input_bits: width N of the input; like all input fields None if the input is not quantized to integers.
        input_signed: whether the input's integers are signed.
        input_low: lowest input value as a multiple of its scale, the 0 of padding included.
        input_high: highest, likewise.
        input_scale: the input's scale, if it is one number.
        input_exponents: left shift of the input of every weight, less the smallest one of its row, shape (C, K); None
            if there is nothing to shift, see `InputFormat`.
    """

    name: str
    kind: str
    weight_integers: NDArray[np.int64]
    weight_bits: int
    weight_scale: NDArray[np.float64]
    accumulator_bits: int | None
    bound: str | None
    bias: NDArray[np.float64] | None
    input_bits: int | None = None
    input_signed: bool | None = None
    input_low: int | None = None
    input_high: int | None = None
    input_scale: float | None = None
    input_exponents: NDArray[np.int64] | None = None

    @classmethod
    def of(cls, name: str, layer: Any, quant_input: Any) -> Self:
        """Return the integers of a Brevitas layer, its input left open.

        Args:
            name: the layer's name.
            layer: a linear or convolutional layer of Brevitas.
            quant_input: the input it was called with, after the layer's own input quantizer.

        Raises:
            TypeError: the weight is not quantized to integers.
            ValueError: the weight does not consist of multiples of its scale.
        """
        layout = ChannelRows.of(layer)
        weight = layer.quant_weight(quant_input if isinstance(quant_input, IntQuantTensor) else None)
        if not isinstance(weight, IntQuantTensor):
            raise TypeError(f"expected a weight quantized to integers, found {type(weight).__name__}")
        bias = None if layer.bias is None else layer.bias_quant(layer.bias, quant_input, weight)
        accumulator_bits, bound = _target(layer.weight_quant)
        return cls(
            name=name,
            kind=layout.kind,
            weight_integers=_integers(layout, weight),
            weight_bits=round(weight.bit_width.item()),
            weight_scale=_numpy(layout.rows(weight.scale.expand(layout.weight_shape))[:, 0]),
            accumulator_bits=accumulator_bits,
            bound=bound,
            bias=None if bias is None else _numpy(bias.value if isinstance(bias, IntQuantTensor) else bias),
        )

    def with_input(self, fmt: InputFormat | None) -> Self:
        """Return the record with the format of its input; None leaves it open."""
        if fmt is None:
            return self
        return replace(
            self,
            input_bits=fmt.bits,
            input_signed=fmt.signed,
            input_low=fmt.box.low,
            input_high=fmt.box.high,
            input_scale=fmt.scale,
            input_exponents=fmt.exponents,
        )

    @property
    def accumulated(self) -> NDArray[np.int64]:
        """The factors of the unshifted inputs in a sum, shape (C, K): integer weights, shifted as their inputs are."""
        return self.weight_integers if self.input_exponents is None else self.weight_integers << self.input_exponents


def _integers(layout: ChannelRows, weight: IntQuantTensor) -> NDArray[np.int64]:
    """Return the weight over its scale.

    Not by ``weight.int()``: Brevitas refuses a binary weight whose entries all have one sign.
    """
    multiples = weight.value.double() / weight.scale.double()
    integers = multiples.round()
    # A bfloat16 product of integer and scale is off by up to |integer| * 2**-8, which is below 0.5 for 8 bits.
    if bool(((multiples - integers).abs() >= 0.5 - 1e-6).any()) or not bool(integers.isfinite().all()):
        raise ValueError("expected weights that are multiples of their scale, found others; look for NaN")
    rows: NDArray[np.int64] = layout.rows(integers).to(torch.int64).cpu().numpy().copy()
    return rows


def _numpy(values: Tensor) -> NDArray[np.float64]:
    array: NDArray[np.float64] = values.detach().double().cpu().numpy().copy()
    return array


def _target(proxy: Any) -> tuple[int | None, str | None]:
    """Return the accumulator width a weight quantizer was trained for and the bound it keeps, ours or Brevitas's."""
    if isinstance(proxy, A2QWeightQuantProxy):
        return proxy.tensor_quant.accumulator_bits, "a2q+" if proxy.zero_centered else "a2q"
    if isinstance(proxy, DecoupledWeightQuantWithInputProxyFromInjector):
        pre_scaling = cast(Any, proxy.tensor_quant).pre_scaling_impl
        if isinstance(pre_scaling, AccumulatorAwareParameterPreScaling):
            zero_centered = isinstance(pre_scaling, AccumulatorAwareZeroCenterParameterPreScaling)
            return round(pre_scaling.accumulator_bit_width().item()), "a2q+" if zero_centered else "a2q"
    return None, None
