"""How a ShiftQuant quantizer is exported: a `Quant` of QONNX with the step of each channel as its scale."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from brevitas_ext.export.emission import Emission
from brevitas_ext.export.handlers import ActivationHandler
from brevitas_ext.quantizers.shift_proxy import ShiftActQuantProxy
from brevitas_ext.quantizers.shift_ranges import ShiftTensorQuant

_LARGEST_NDIM = 5
"""Of what QONNX's layers read: volumes in a batch."""


class ShiftHandler(ActivationHandler):
    """Emits the static quantizer.

    Steps differ by exact powers of two, so that a compiler can fold them into weights or shift products.  What follows
    computes in units of the last group, as in the model.
    """

    handled_layer = ShiftActQuantProxy

    def prepare_for_export(self, module: Any) -> None:
        """Reads the ranges that were collected, and the rounding."""
        quantizer: ShiftTensorQuant = module.tensor
        self.parameters_ = (module.scale(), module.zero_point(), module.bit_width())
        bits = torch.tensor(float(quantizer.bits))
        op = self.uniform(
            signed=bool(module.is_signed),
            narrow=bool(module.is_narrow_range),
            bits=bits,
            rounding=self.rounding(module),
        )
        # Computed here, since what an exporter sees computed is in the graph.
        self.emissions = {
            ndim: Emission(op=op, parameters=(quantizer.static_steps(ndim), self.parameters_[1], bits), tag=self.tag)
            for ndim in range(_LARGEST_NDIM + 1)
            if -ndim <= quantizer.axis < ndim
        }

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        """Returns the quantized activation, its unit, zero point and bit width."""
        return self.emissions[x.ndim](x), *self.parameters_
