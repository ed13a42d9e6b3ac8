"""The integers that a layer reads, with the shifts of its input channels where it has any."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from brevitas_ext.accumulators.input_format import InputFormat, NarrowScales, check_observed, input_format
from brevitas_ext.arith import IntRange
from brevitas_ext.quantizers import ChannelRows
from brevitas_ext.quantizers.shift_proxy import known_shifts
from brevitas_ext.quantizers.shift_tensor import along


def layer_format(layer: nn.Module, quant_input: Any, narrow_scales: NarrowScales) -> InputFormat | None:
    """Return the format of a layer's input; None if it is not quantized to integers.

    Where the input comes from ShiftQuant, that is integers before their shift, and the shifts beside them.  Sums are in
    units of the smallest shift that occurs in them.

    Raises:
        ValueError: the tensor holds integers outside the range that its bit width and sign state.
    """
    shifts = known_shifts(layer, quant_input)
    if shifts is None:
        return input_format(quant_input, narrow_scales)
    layout, signed = ChannelRows.of(layer), bool(quant_input.signed)
    box = IntRange.of_bits(shifts.bits, signed=signed, narrow=signed).union(IntRange(0, 0))
    steps = quant_input.scale.double() * torch.exp2(shifts.exponents.double())
    check_observed(quant_input, along(steps, quant_input.value.ndim, shifts.axis), box)
    units = layout.of_inputs(steps).amin(dim=1).unique()
    exponents = layout.relative_exponents(shifts.exponents)
    return InputFormat(
        bits=shifts.bits,
        signed=signed,
        box=box,
        scale=units.item() if units.numel() == 1 else None,
        exponents=exponents.cpu().numpy() if bool(exponents.any()) else None,
    )
