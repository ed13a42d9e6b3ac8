"""Small Brevitas networks with ShiftQuant at every place where it may be, on scales that float32 computes exactly."""

from __future__ import annotations

from typing import Any

import torch
from brevitas.nn import QuantConv2d, QuantIdentity, QuantLinear, QuantReLU
from brevitas.quant import Int8WeightPerTensorFixedPoint
from torch import Tensor, nn

from brevitas_ext.quantizers import A2QWeightQuantProxy, ShiftActQuantProxy, ShiftQuantAct, ShiftQuantUintAct

WEIGHT = {"weight_quant": Int8WeightPerTensorFixedPoint, "weight_bit_width": 4}


class ShiftNetwork(nn.Module):
    """ShiftQuant on a signed image, in activations with and without sign, at a layer's input, in front of a linear."""

    def __init__(self, channels: int = 6, *, weight: dict[str, Any], **options: Any) -> None:
        super().__init__()
        self.image = QuantIdentity(act_quant=ShiftQuantAct.let(bits=5, **options), return_quant_tensor=True)
        self.first = QuantConv2d(3, channels, 3, padding=1, bias=False, **weight)
        self.relu = QuantReLU(act_quant=ShiftQuantUintAct.let(bits=4, **options), return_quant_tensor=True)
        self.pool = nn.MaxPool2d(2)
        self.second = QuantConv2d(channels, 4, 3, bias=False, **weight)
        self.reads = QuantConv2d(4, 4, 1, bias=False, input_quant=ShiftQuantAct.let(bits=3, **options), **weight)
        self.signed = QuantIdentity(act_quant=ShiftQuantAct.let(bits=4, **options), return_quant_tensor=True)
        self.flatten = nn.Flatten()
        self.classify = QuantLinear(16, 3, bias=False, **weight)

    def forward(self, x: Tensor) -> Tensor:
        kept = self.pool(self.relu(self.first(self.image(x))))
        return self.classify(self.flatten(self.signed(self.reads(self.second(kept)))))


def shift_network(seed: int = 0, *, weight: dict[str, Any] = WEIGHT, **options: Any) -> ShiftNetwork:
    """Return a calibrated network, its steps and scales powers of two, its channels in different groups."""
    torch.manual_seed(seed)
    network = ShiftNetwork(weight=weight, **options)
    with torch.no_grad():
        for parameter in network.parameters():
            if parameter.dim() > 1:
                parameter.normal_(0.0, 0.5)
        for layer in (network.first, network.second, network.reads):
            layer.weight *= (2.0 ** -(torch.arange(layer.out_channels) / 2)).view(-1, 1, 1, 1)
        for module in network.modules():
            if isinstance(module, A2QWeightQuantProxy):
                module.tensor_quant.initialize(module.tracked_parameter_list[0])
                module.tensor_quant.log_scale.round_()
        network.train()(shift_images(seed, 8))
        for module in network.modules():
            if isinstance(module, ShiftActQuantProxy):
                tensor = module.tensor
                # The largest range to a power of two times the largest integer; all others as they are below it.
                high = tensor.limit * 2.0 ** torch.round(torch.log2(tensor.ranges.amax() / tensor.limit))
                tensor.ranges[tensor.ranges.argmax()] = high
                tensor.ranges.clamp_(max=high)
    return network.eval()


def shift_images(seed: int, count: int = 1) -> Tensor:
    """Return images whose channels have different ranges."""
    x = torch.randn(count, 3, 8, 8, generator=torch.Generator().manual_seed(seed))
    return x * torch.tensor([1.0, 0.4, 0.1]).view(3, 1, 1)
