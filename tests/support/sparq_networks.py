"""Small Brevitas networks with SPARQ at every place where it may be."""

from typing import Any

import torch
from brevitas.inject.enum import ScalingImplType
from brevitas.nn import QuantConv2d, QuantIdentity, QuantLinear, QuantReLU
from brevitas.quant import Int8ActPerTensorFloat, Int8WeightPerChannelFloat, Uint8ActPerTensorFloat
from torch import Tensor, nn

from brevitas_ext.quantizers import SparqAct3b6opt, SparqAct4b3opt, SparqAct4b5opt


def to(quantizer: Any, high: float, **options: Any) -> Any:
    return quantizer.let(scaling_impl_type=ScalingImplType.PARAMETER, scaling_init=torch.tensor(high), **options)


class SparqNetwork(nn.Module):
    """SPARQ at inputs that are quantized and that are not, in an activation, in a linear layer; and a skip branch."""

    def __init__(self, channels: int = 4, **options: Any) -> None:
        super().__init__()
        weight = {"weight_quant": Int8WeightPerChannelFloat, "bias": False}
        self.image = QuantIdentity(act_quant=to(Int8ActPerTensorFloat, 3.0), return_quant_tensor=True)
        self.first = QuantConv2d(3, channels, 3, padding=1, **weight)
        self.relu = QuantReLU(act_quant=to(Uint8ActPerTensorFloat, 2.0), return_quant_tensor=True)
        self.reads = QuantConv2d(
            channels, channels, 3, padding=1, input_quant=to(SparqAct4b3opt, 2.0, **options), **weight
        )
        self.windows = QuantReLU(act_quant=to(SparqAct3b6opt, 2.0, **options), return_quant_tensor=True)
        self.after = QuantConv2d(channels, channels, 1, **weight)
        self.quantizes = QuantConv2d(
            channels, channels, 3, groups=2, input_quant=to(SparqAct4b5opt, 4.0, **options), **weight
        )
        self.last = QuantReLU(act_quant=to(Uint8ActPerTensorFloat, 2.0))
        self.classify = QuantLinear(
            3, 3, bias=True, weight_quant=Int8WeightPerChannelFloat, input_quant=to(SparqAct3b6opt, 2.0, **options)
        )

    def forward(self, x: Tensor) -> Tensor:
        kept = self.relu(self.first(self.image(x)))
        y = self.after(self.windows(self.reads(kept)))
        y = self.last(self.quantizes(torch.relu(y + kept)))
        return self.classify(y[..., :3])


def sparq_network(**options: Any) -> SparqNetwork:
    torch.manual_seed(0)
    return SparqNetwork(**options).eval()
