"""Small networks that each show one pattern, and a verdict on what the compiler does with it.

The first layer multiplies every 10-bit integer by 1, so that one image of 32 x 32 pixels holds each value that the
accumulator in front of the pattern can take.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Literal

import brevitas.nn as qnn
import numpy as np
import onnx_ir as ir
import torch
from brevitas.core.function_wrapper import TensorClamp
from brevitas.inject.enum import FloatToIntImplType, RestrictValueType, ScalingImplType
from brevitas.quant import (
    Int8ActPerTensorFloat,
    Int8WeightPerTensorFloat,
    ShiftedUint8ActPerTensorFloat,
    SignedBinaryActPerTensorConst,
    SignedBinaryWeightPerTensorConst,
    Uint8ActPerTensorFloat,
)
from torch import Tensor, nn

from brevitas_ext.export import export_qonnx
from brevitas_ext.export.tracing import Exporter
from finn_transforms.analysis.constants import constant
from finn_transforms.analysis.matching import is_hardware
from finn_transforms.emulate import emulate
from finn_transforms.loading import load_model
from finn_transforms.ops import UnsupportedOperatorError
from finn_transforms.passes import InferShapes, Tidy, lower_to_hardware
from tests.support.model_zoo.feedforward import Value

SIDE, CHANNELS = 32, 6
HOST = "its input is the graph's input"


@dataclass(frozen=True)
class Verdict:
    """What became of a pattern.

    Attributes:
        kind: ``right``, every output equal and all of it hardware; ``refused``, equal as well, but nodes stay on the
            host with a reason; ``unlisted``, one stays without; ``wrong``; ``unknown``, the reference does not know an
            operator.
        detail: the reasons of the refusals, what has none, or how many outputs differ.
    """

    kind: Literal["right", "refused", "unlisted", "wrong", "unknown"]
    detail: str = ""


def every_value() -> Tensor:
    """Return an image that holds each 10-bit integer once, times the scale of the input quantizer."""
    return (torch.arange(SIDE * SIDE) - SIDE * SIDE // 2).reshape(1, 1, SIDE, SIDE) * 2.0**-6


def judge(network: nn.Module, exporter: Exporter = "torchscript") -> Verdict:
    """Lower a pattern and compare its outputs with those of the exported graph, for every accumulator value.

    Outputs are integers times a scale; they differ by at least a hundredth of their step, or not at all.
    """
    image = every_value()
    with TemporaryDirectory() as folder, warnings.catch_warnings():
        # torch's and Brevitas's own, about their own code.
        warnings.simplefilter("ignore")
        path = export_qonnx(network, image, Path(folder) / "model.onnx", exporter=exporter)
        exported, lowered = load_model(path), load_model(path)
    Tidy()(exported)
    InferShapes()(exported)
    refused = lower_to_hardware(lowered).refusals
    try:
        expected, found = (outputs(model, image.double().numpy()) for model in (exported, lowered))
    except UnsupportedOperatorError as error:
        return Verdict("unknown", str(error).split(";")[0])
    differ = sum(int((np.abs(one - other) > 1e-9).sum()) for one, other in zip(expected, found, strict=True))
    if differ:
        return Verdict("wrong", f"{differ} of {sum(one.size for one in expected)} outputs differ")
    left = sorted({node.op_type for node in lowered.graph if not _expected_on_host(node)})
    reasons = [each.reason for each in refused if HOST not in each.reason]
    if left and not reasons:
        return Verdict("unlisted", f"{', '.join(left)} left without a reason")
    return Verdict("refused", "; ".join(dict.fromkeys(reasons))) if reasons else Verdict("right")


def _expected_on_host(node: ir.Node) -> bool:
    """Tell whether a node is hardware, quantizes the image, or scales the outputs."""
    computed = [value for value in node.inputs if constant(value) is None]
    first = node.op_type in {"Div", "Quant"} and not _behind_hardware(node)
    return is_hardware(node) or first or (len(computed) == 1 and node.op_type in {"Add", "Mul", "Transpose"})


def _behind_hardware(node: ir.Node) -> bool:
    producers = [value.producer() for value in node.inputs if value is not None]
    return any(each is not None and (is_hardware(each) or _behind_hardware(each)) for each in producers)


def outputs(model: ir.Model, image: np.ndarray[Any, Any]) -> list[np.ndarray[Any, Any]]:
    values = emulate(model, {str(model.graph.inputs[0].name): image})
    return [values[str(output.name)] for output in model.graph.outputs]


def quantizer(
    bits: int = 4,
    *,
    signed: bool = True,
    narrow: bool = False,
    rounding: FloatToIntImplType = FloatToIntImplType.ROUND,
    scale: float = 0.37,
) -> nn.Module:
    # Brevitas takes the real value of the code 2^(bits - 1) or, where there is no such code, the highest one.
    codes = 2 ** (bits - 1) - narrow if signed else 2**bits - 1 - narrow
    return qnn.QuantIdentity(
        act_quant=Int8ActPerTensorFloat,
        bit_width=bits,
        signed=signed,
        narrow_range=narrow,
        scaling_impl_type=ScalingImplType.CONST,
        scaling_init=scale * codes,
        restrict_scaling_type=RestrictValueType.FP,
        tensor_clamp_impl=TensorClamp,
        float_to_int_impl_type=rounding,
        return_quant_tensor=True,
    )


def plain(**options: Any) -> nn.Module:
    """A quantizer that hands on a plain tensor, which Brevitas adds to and concatenates with one of another scale."""
    return nn.Sequential(quantizer(**options), Value())


def layer(outputs: int = CHANNELS, *, inputs: int = 1, norm: bool = True, **options: Any) -> nn.Sequential:
    """A 1 x 1 convolution with weights of -1 and 1, and a batch norm with scales of either sign and zero."""
    conv = qnn.QuantConv2d(inputs, outputs, 1, **{"bias": False, "weight_bit_width": 2} | options)
    with torch.no_grad():
        conv.weight.fill_(1.0)
        conv.weight[1::3] = -1.0
    batch_norm = nn.BatchNorm2d(outputs)
    if norm:
        spread = torch.arange(outputs) + 1.0
        with torch.no_grad():
            batch_norm.weight.copy_(0.3 * (spread - 3))
            batch_norm.bias.copy_(0.7 * (-1.0) ** spread)
            batch_norm.running_mean.copy_(0.11 * spread)
            batch_norm.running_var.copy_(0.5 * spread)
    return nn.Sequential(conv, batch_norm if norm else nn.Identity())


class Pattern(nn.Module):
    """The input quantizer and what is behind it."""

    def __init__(self, *layers: nn.Module) -> None:
        super().__init__()
        self.source = quantizer(10, scale=2.0**-6)
        self.layers = nn.Sequential(*layers, Value())

    def forward(self, x: Tensor) -> Tensor:
        return self.layers(self.source(x))


class Branches(nn.Module):
    """Two layers on one input, each with a quantizer, that are added or concatenated and quantized again."""

    def __init__(self, first: nn.Module, second: nn.Module, *, join: Literal["add", "concat"] = "add") -> None:
        super().__init__()
        self.left, self.right = nn.Sequential(layer(), first), nn.Sequential(layer(norm=False), second)
        self.join, self.out = join, quantizer(scale=0.9)
        self.behind = layer(inputs=2 * CHANNELS if join == "concat" else CHANNELS)

    def forward(self, x: Tensor) -> Tensor:
        left, right = self.left(x), self.right(x)
        joined = torch.cat([left, right], dim=1) if self.join == "concat" else left + right
        return self.out(self.behind(self.out(joined)))


def calibrated(network: nn.Module) -> nn.Module:
    """Let quantizers learn their scales from the image with every value; batch norms keep what they have."""
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.momentum = 0.0
    network.train()
    with torch.no_grad():
        for _ in range(2):
            network(every_value())
    return network.eval()


def negative_prelu() -> nn.Module:
    function = nn.PReLU(CHANNELS)
    with torch.no_grad():
        function.weight.copy_(torch.linspace(-0.5, 0.6, CHANNELS))
    return function


def after(function: nn.Module | None = None, **quantization: Any) -> Callable[[], nn.Module]:
    functions = [] if function is None else [function]
    return lambda: Pattern(layer(), *functions, quantizer(**quantization))


def per_channel() -> nn.Module:
    return qnn.QuantReLU(
        act_quant=Uint8ActPerTensorFloat,
        bit_width=4,
        per_channel_broadcastable_shape=(1, CHANNELS, 1, 1),
        scaling_stats_permute_dims=(1, 0, 2, 3),
        scaling_per_output_channel=True,
        return_quant_tensor=True,
    )


def binary(scale: float) -> nn.Module:
    return qnn.QuantIdentity(act_quant=SignedBinaryActPerTensorConst, scaling_init=scale, return_quant_tensor=True)


def binary_layer() -> nn.Module:
    conv = qnn.QuantConv2d(CHANNELS, 4, 1, bias=False, weight_quant=SignedBinaryWeightPerTensorConst)
    with torch.no_grad():
        conv.weight.copy_(torch.where(torch.arange(4 * CHANNELS).reshape(4, CHANNELS, 1, 1) % 5 > 2, 1.0, -1.0))
    return conv


def weighted(values: list[float], bits: int = 2) -> nn.Module:
    """A layer whose first weights are given; the others are 1."""
    conv = qnn.QuantConv2d(CHANNELS, 2, 1, bias=False, weight_bit_width=bits, weight_quant=Int8WeightPerTensorFloat)
    with torch.no_grad():
        conv.weight.fill_(1.0)
        conv.weight[0, :, 0, 0] = torch.tensor((values * CHANNELS)[:CHANNELS])
    return conv


ACTIVATIONS: dict[str, Callable[[], nn.Module]] = {
    "identity": nn.Identity,
    "relu": nn.ReLU,
    "relu6": nn.ReLU6,
    "leaky_relu": lambda: nn.LeakyReLU(0.1),
    "prelu": nn.PReLU,
    "prelu_negative": negative_prelu,
    "hardtanh": nn.Hardtanh,
    "hardsigmoid": nn.Hardsigmoid,
    "hardswish": nn.Hardswish,
    "sigmoid": nn.Sigmoid,
    "tanh": nn.Tanh,
    "selu": nn.SELU,
    "elu": nn.ELU,
    "silu": nn.SiLU,
    "gelu": nn.GELU,
    "gelu_tanh": lambda: nn.GELU(approximate="tanh"),
    "softplus": nn.Softplus,
    "mish": nn.Mish,
}

QUANTIZERS: dict[str, Callable[[], nn.Module]] = {
    **{f"unsigned_{bits}_bits": after(nn.ReLU(), bits=bits, signed=False, scale=9 / 2**bits) for bits in range(1, 11)},
    **{f"signed_{bits}_bits": after(bits=bits, scale=12 / 2**bits) for bits in (2, 3, 8, 10)},
    "narrow": after(narrow=True),
    "relu_then_signed": after(nn.ReLU()),
    "round": after(rounding=FloatToIntImplType.ROUND),
    "floor": after(rounding=FloatToIntImplType.FLOOR),
    "ceil": after(rounding=FloatToIntImplType.CEIL),
    "round_to_zero": after(rounding=FloatToIntImplType.ROUND_TO_ZERO),
    **{
        f"ties_{rounding.value.lower()}": (
            lambda rounding=rounding: Pattern(layer(norm=False), quantizer(8, scale=2.0**-5, rounding=rounding))
        )
        for rounding in (FloatToIntImplType.ROUND, FloatToIntImplType.FLOOR, FloatToIntImplType.CEIL)
    },
    "per_channel_scale": lambda: Pattern(layer(), per_channel()),
    "zero_point": lambda: Pattern(
        layer(), qnn.QuantIdentity(act_quant=ShiftedUint8ActPerTensorFloat, bit_width=4, return_quant_tensor=True)
    ),
    "zero_point_before_a_layer": lambda: Pattern(
        layer(),
        qnn.QuantIdentity(act_quant=ShiftedUint8ActPerTensorFloat, bit_width=4, return_quant_tensor=True),
        layer(4, inputs=CHANNELS),
        quantizer(),
    ),
    "bipolar": lambda: Pattern(layer(), binary(1.0)),
    "bipolar_scaled": lambda: Pattern(layer(), binary(0.3)),
}

STRUCTURES: dict[str, Callable[[], nn.Module]] = {
    "bias": lambda: Pattern(layer(bias=True, norm=False), nn.ReLU(), quantizer(signed=False)),
    "residual_shared_scale": lambda: Pattern(Branches(shared := quantizer(), shared)),
    "residual_dyadic_scales": lambda: Pattern(Branches(plain(scale=0.3), plain(scale=1.2))),
    "residual_other_scales": lambda: Pattern(Branches(plain(scale=0.3), plain(scale=0.7))),
    "concat_shared_scale": lambda: Pattern(Branches(shared := quantizer(), shared, join="concat")),
    "concat_dyadic_scales": lambda: Pattern(Branches(plain(scale=0.3), plain(scale=1.2), join="concat")),
    "concat_other_scales": lambda: Pattern(Branches(plain(scale=0.3), plain(scale=0.7), join="concat")),
    "xnor": lambda: Pattern(layer(), binary(1.0), binary_layer(), nn.BatchNorm2d(4), binary(1.0)),
    "bipolar_weights": lambda: Pattern(layer(), quantizer(), binary_layer(), quantizer()),
    "weights_0_and_1": lambda: Pattern(layer(), quantizer(), weighted([0.0, 1.0]), quantizer()),
    "weights_0_and_-1": lambda: Pattern(layer(), quantizer(), weighted([0.0, -1.0]), quantizer()),
    "all_zero_channel": lambda: Pattern(layer(), quantizer(), weighted([0.0]), quantizer()),
    "depthwise": lambda: Pattern(
        layer(), quantizer(), qnn.QuantConv2d(CHANNELS, CHANNELS, 3, padding=1, groups=CHANNELS), quantizer()
    ),
    "grouped": lambda: Pattern(layer(), quantizer(), qnn.QuantConv2d(CHANNELS, 4, 3, groups=2), quantizer()),
    "dilated": lambda: Pattern(layer(), quantizer(), qnn.QuantConv2d(CHANNELS, 4, 3, dilation=2), quantizer()),
    "transposed": lambda: Pattern(
        layer(), quantizer(), qnn.QuantConvTranspose2d(CHANNELS, 4, 2, stride=2), quantizer()
    ),
    "max_pool": lambda: Pattern(layer(), quantizer(), nn.MaxPool2d(2), layer(4, inputs=CHANNELS), quantizer()),
    "average_pool": lambda: Pattern(layer(), quantizer(), nn.AvgPool2d(2), quantizer(scale=0.2)),
    "truncated_average_pool": lambda: Pattern(
        layer(),
        quantizer(signed=False),
        qnn.TruncAvgPool2d(2, bit_width=4, float_to_int_impl_type="FLOOR"),
        layer(4, inputs=CHANNELS),
        quantizer(),
    ),
    "global_average_pool": lambda: Pattern(layer(), quantizer(), nn.AdaptiveAvgPool2d(1), quantizer(scale=0.2)),
    "nearest_upsampling": lambda: Pattern(
        layer(), quantizer(), qnn.QuantUpsamplingNearest2d(scale_factor=2), layer(4, inputs=CHANNELS), quantizer()
    ),
    "pixel_shuffle": lambda: Pattern(layer(8, norm=False), nn.PixelShuffle(2), nn.ReLU(), quantizer(signed=False)),
}


def catalogue() -> dict[str, Callable[[], nn.Module]]:
    """Return every pattern by the name ``group/name``, ready to be exported."""
    groups = {
        "activation": {name: after(function()) for name, function in ACTIVATIONS.items()},
        "quantizer": QUANTIZERS,
        "structure": STRUCTURES,
    }
    return {
        f"{group}/{name}": (lambda build=build: calibrated(build()))
        for group, patterns in groups.items()
        for name, build in patterns.items()
    }
