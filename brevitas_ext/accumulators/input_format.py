"""The integers that a layer's quantized input can hold."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from brevitas.proxy.runtime_quant import ActQuantProxyFromInjector
from brevitas.quant_tensor import IntQuantTensor
from numpy.typing import NDArray
from torch import Tensor, nn

from brevitas_ext.arith import IntRange

_ZERO = IntRange(0, 0)


@dataclass(frozen=True, kw_only=True)
class InputFormat:
    """Integers of a quantized input, as multiples of its scale: the stored integers less their zero point.

    Attributes:
        bits: width N, before a shift.
        signed: whether the stored integers are signed.
        box: every value the input can take before a shift, the 0 of zero padding included.
        scale: the unit of the sums over the input, times the weight's scale: the input's scale, or None if it is not
            one number.
        exponents: left shift of the input of every weight (ShiftQuant), less the smallest one of its row, shape (C, K);
            None if there is nothing to shift.
    """

    bits: int
    signed: bool
    box: IntRange
    scale: float | None
    exponents: NDArray[np.int64] | None = None

    def union(self, other: InputFormat) -> InputFormat:
        """Return a format that holds the inputs of both, for a layer that is called more than once.

        Raises:
            ValueError: they are shifted in different ways.
        """
        if not _equal(self.exponents, other.exponents):
            raise ValueError(
                "expected inputs whose channels are shifted the same way in every call, found others; share one "
                "quantizer between the calls"
            )
        return InputFormat(
            bits=max(self.bits, other.bits),
            signed=self.signed or other.signed,
            box=self.box.union(other.box),
            scale=self.scale if self.scale == other.scale else None,
            exponents=self.exponents,
        )


class NarrowScales:
    """The scales of narrow-range activation quantizers, met while a model runs.

    A quantized tensor does not say that its quantizer left out one code; but it carries that quantizer's scale tensor,
    through pooling and reshaping, to the layer that consumes it.
    """

    def __init__(self) -> None:
        self._scales: list[Tensor] = []

    def __contains__(self, scale: Tensor) -> bool:
        return any(scale is narrow for narrow in self._scales)

    @contextmanager
    def watch(self, model: nn.Module) -> Iterator[None]:
        """Collect the scales of ``model`` as long as the context lasts."""
        handles = [
            module.register_forward_hook(self._collect)
            for module in model.modules()
            if isinstance(module, ActQuantProxyFromInjector) and module.is_narrow_range
        ]
        try:
            yield
        finally:
            for handle in handles:
                handle.remove()

    def _collect(self, proxy: nn.Module, _inputs: Any, output: Any) -> None:
        if isinstance(output, IntQuantTensor) and proxy.is_quant_enabled:
            self._scales.append(output.scale)


def input_format(quant_input: Any, narrow_scales: NarrowScales) -> InputFormat | None:
    """Return the format of a layer's input; None if it is not quantized to integers.

    An accumulator passed on without a quantizer of its own counts as not quantized when its zero point (the bias, in
    Brevitas's notation) is not an integer.

    Raises:
        ValueError: the tensor holds integers outside the range that its bit width and sign state.
    """
    if not isinstance(quant_input, IntQuantTensor):
        return None
    zero_point = quant_input.zero_point.double()
    if bool((zero_point != zero_point.round()).any()):
        return None
    bits, signed = math.ceil(quant_input.bit_width.item() - 1e-3), bool(quant_input.signed)
    stored = _stored_range(bits, signed=signed, narrow=quant_input.scale in narrow_scales)
    shifts = IntRange(-int(zero_point.max()), -int(zero_point.min()))
    box = (stored + shifts).union(_ZERO)
    check_observed(quant_input, quant_input.scale, box)
    scale = quant_input.scale
    return InputFormat(bits=bits, signed=signed, box=box, scale=scale.item() if scale.numel() == 1 else None)


def _stored_range(bits: int, *, signed: bool, narrow: bool) -> IntRange:
    if signed and bits == 1:
        return IntRange(-1, 1)  # Brevitas's binary quantizer gives -1 and 1
    return IntRange.of_bits(bits, signed=signed, narrow=narrow)


def _equal(first: NDArray[np.int64] | None, second: NDArray[np.int64] | None) -> bool:
    if first is None or second is None:
        return first is second
    return np.array_equal(first, second)


def check_observed(quant_input: IntQuantTensor, steps: Tensor, box: IntRange) -> None:
    """Raise unless the tensor's integers lie in a box; `steps` are what they are multiples of, and broadcast.

    Raises:
        ValueError: one does not.
    """
    observed = torch.round(quant_input.value.double() / steps.double())
    lowest, highest = int(observed.min()), int(observed.max())
    if not box.contains(IntRange(lowest, highest)):
        raise ValueError(
            f"expected input integers between {box.low} and {box.high}, as bit width and sign of the quantized tensor "
            f"say, found {lowest} to {highest}; put a quantizer (QuantIdentity) in front of the layer"
        )
