"""The demonstration network: a small VGG-like net for 32 x 32 colour images, every layer of which FINN can build."""

from collections import OrderedDict
from dataclasses import dataclass
from typing import Any, Literal, get_args

import torch
from brevitas.inject.enum import ScalingImplType
from brevitas.nn import QuantConv2d, QuantIdentity, QuantLinear, QuantReLU
from brevitas.quant import (
    Int8WeightPerChannelFloat,
    Int8WeightPerTensorFloat,
    Uint8ActPerTensorFloatMaxInit,
)
from torch import Tensor, nn

Variant = Literal["float", "qat", "a2q"]

CLASSES = 10
IMAGE_SHAPE = (3, 32, 32)
HIDDEN_CONVS = ("conv2", "conv3", "conv4", "conv5")
"""The layers whose weights have ``weight_bits`` bits and, in the ``a2q`` variant, a bounded accumulator."""

# Output channels of conv1 .. conv5, and the convolutions after which the map is halved: 32 -> 16 -> 8 -> 4.
_CHANNELS = (32, 32, 32, 64, 64)
_POOL_AFTER = (1, 3, 5)
_EDGE_LAYER_BITS = 8
_ACTIVATION_RANGE = "act_quant.fused_activation_quant_proxy.tensor_quant.scaling_impl.value"


class PixelQuant(Uint8ActPerTensorFloatMaxInit):
    """Unsigned 8-bit quantizer with the fixed scale 1/255: an image divided by 255 enters as its own bytes."""

    scaling_impl_type = ScalingImplType.CONST
    max_val = 1.0


class LearnedScaleActQuant(Uint8ActPerTensorFloatMaxInit):
    """Unsigned per-tensor activation quantizer with a learned scale; `start_from_float` sets its start."""

    max_val = 6.0


@dataclass(frozen=True, kw_only=True)
class DemoConfig:
    """What distinguishes one demonstration network from another.

    Attributes:
        variant: ``"float"`` has no quantizer at all, ``"qat"`` Brevitas's stock weight quantizer in the hidden layers,
            ``"a2q"`` `brevitas_ext.quantizers.A2QWeightQuant`.
        weight_bits: Weight bits M of the hidden convolutions. The first and the last layer have 8.
        activation_bits: Bits N of every activation between layers, unsigned.
        accumulator_bits: Target P of every hidden convolution; required by ``"a2q"``, refused by the others.
    """

    variant: Variant
    weight_bits: int = 4
    activation_bits: int = 4
    accumulator_bits: int | None = None

    def __post_init__(self) -> None:
        if self.variant not in get_args(Variant):
            raise ValueError(
                f"expected a variant out of {get_args(Variant)}, found {self.variant!r}: choose one of them"
            )
        if (self.variant == "a2q") != (self.accumulator_bits is not None):
            raise ValueError(
                f"expected accumulator_bits for variant 'a2q' and for no other, found {self.accumulator_bits!r} with "
                f"{self.variant!r}: give the width P together with variant='a2q'"
            )


class DemoNet(nn.Sequential):
    """Five 3 x 3 convolutions, each with batch norm and quantized ReLU, three max pools and a linear classifier.

    Input: float images of shape (N, 3, 32, 32) with values byte / 255. Output: logits of shape (N, 10), which are an
    integer per class times one common positive scale (the classifier has one scale and no bias), so the predicted
    class can be read from the integers.

    Attributes:
        config: What the network was built from.
    """

    def __init__(self, config: DemoConfig) -> None:
        super().__init__(_layers(config))
        self.config = config


def build_model(config: DemoConfig) -> DemoNet:
    """Return an untrained network; torch's global generator decides its start."""
    return DemoNet(config)


def to_input(images: Tensor) -> Tensor:
    """Return uint8 images of shape (N, 3, 32, 32) as the network's float32 input, byte / 255.

    Raises:
        TypeError: If the images are not uint8: their range could not be known.
    """
    if images.dtype != torch.uint8:
        raise TypeError(f"expected uint8 images, found {images.dtype}: pass the bytes as they were loaded")
    return images.float() / 255


@torch.no_grad()
def start_from_float(model: DemoNet, start: DemoNet, inputs: Tensor, *, quantile: float = 0.999) -> None:
    """Give a quantized network the weights of a ``float`` one, and activation ranges that fit them.

    The ranges are taken from the float network, so that they are the same for every weight quantizer.

    Args:
        model: The quantized network, changed in place.
        start: The float network; left in eval mode.
        inputs: Network input of shape (N, 3, 32, 32) that the ranges are taken from.
        quantile: Share of a layer's positive values that its range shall hold.

    Raises:
        ValueError: If the networks' variants are not those, or a layer sees no positive value.
    """
    if start.config.variant != "float" or model.config.variant == "float":
        raise ValueError(
            f"expected a quantized network and a float start, found {model.config.variant!r} and "
            f"{start.config.variant!r}: start from a checkpoint of variant 'float'"
        )
    model.load_state_dict(start.state_dict(), strict=False)  # the float network has no quantizer's parameters
    x = inputs
    for layer, name in zip(start.eval(), dict(model.named_children()), strict=True):
        x = layer(x)
        if isinstance(layer, QuantReLU):
            positive = x[x > 0]
            if not len(positive):
                raise ValueError(f"expected a positive value in {name}, found none: give real images")
            rank = max(1, int(quantile * positive.numel()))
            model.get_parameter(f"{name}.{_ACTIVATION_RANGE}").copy_(positive.kthvalue(rank).values)


def _layers(config: DemoConfig) -> OrderedDict[str, nn.Module]:
    quantized = config.variant != "float"
    layers: OrderedDict[str, nn.Module] = OrderedDict()
    layers["pixels"] = QuantIdentity(act_quant=PixelQuant if quantized else None, return_quant_tensor=quantized)
    inputs = IMAGE_SHAPE[0]
    for index, outputs in enumerate(_CHANNELS, start=1):
        name = f"conv{index}"
        layers[name] = _conv(config, inputs, outputs, hidden=name in HIDDEN_CONVS)
        layers[f"norm{index}"] = nn.BatchNorm2d(outputs)
        layers[f"relu{index}"] = QuantReLU(
            act_quant=LearnedScaleActQuant if quantized else None,
            bit_width=config.activation_bits,
            return_quant_tensor=quantized,
        )
        if index in _POOL_AFTER:
            layers[f"pool{index}"] = nn.MaxPool2d(2)
        inputs = outputs
    layers["flatten"] = nn.Flatten()
    side = IMAGE_SHAPE[1] >> len(_POOL_AFTER)
    layers["classifier"] = QuantLinear(  # type: ignore[abstract] # Brevitas leaves its own base class's property undefined
        inputs * side * side,
        CLASSES,
        bias=False,
        weight_quant=Int8WeightPerTensorFloat if quantized else None,
        weight_bit_width=_EDGE_LAYER_BITS,
    )
    return layers


def _conv(config: DemoConfig, inputs: int, outputs: int, *, hidden: bool) -> QuantConv2d:
    options = _weight_options(config, hidden=hidden)
    return QuantConv2d(inputs, outputs, 3, padding=1, bias=False, **options)  # type: ignore[abstract]


def _weight_options(config: DemoConfig, *, hidden: bool) -> dict[str, Any]:
    if config.variant == "float":
        return {"weight_quant": None}
    if not hidden:
        return {"weight_quant": Int8WeightPerChannelFloat, "weight_bit_width": _EDGE_LAYER_BITS}
    if config.variant == "qat":
        return {"weight_quant": Int8WeightPerChannelFloat, "weight_bit_width": config.weight_bits}
    from brevitas_ext.quantizers import A2QWeightQuant

    return {
        "weight_quant": A2QWeightQuant,
        "weight_bit_width": config.weight_bits,
        "weight_accumulator_bit_width": config.accumulator_bits,
    }
