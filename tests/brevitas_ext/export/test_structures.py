"""Models in which quantizers, weights and layers are shared, reused or unusual."""

from __future__ import annotations

import brevitas.nn as qnn
import numpy as np
import pytest
import torch
from brevitas.inject.enum import FloatToIntImplType
from brevitas.quant import Int8ActPerTensorFloat, Int8Bias
from onnx import numpy_helper
from torch import nn

from brevitas_ext.export import verify_export
from tests.brevitas_ext.export.models import Wired, export, quantized_input, trained


def linear(**options):
    return qnn.QuantLinear(16, 16, **{"bias": True, "weight_bit_width": 4} | options)


def shared_quantizer():
    first = linear()
    return Wired(
        lambda parts, x: parts["second"](parts["relu"](parts["first"](parts["source"](x)))),
        source=quantized_input(),
        first=first,
        relu=quantized_input(signed=False),
        second=qnn.QuantLinear(16, 16, bias=True, weight_quant=first.weight_quant),
    )


def tied_weight():
    first, second = linear(bias=False), linear(bias=False, weight_bit_width=3)
    second.weight = first.weight
    return Wired(
        lambda parts, x: parts["second"](parts["relu"](parts["first"](parts["source"](x)))),
        source=quantized_input(),
        first=first,
        relu=quantized_input(signed=False),
        second=second,
    )


def used_twice():
    return Wired(
        lambda parts, x: parts["layer"](parts["relu"](parts["layer"](parts["relu"](x)))),
        relu=quantized_input(signed=False),
        layer=linear(),
    )


def used_raw():
    return Wired(
        lambda parts, x: parts["layer"](parts["source"](x)) + nn.functional.linear(x, parts["layer"].weight),
        source=quantized_input(),
        layer=linear(),
    )


def residual():
    def wiring(parts, x):
        left = parts["same"](x)
        right = parts["same"](parts["conv"](left))
        return parts["join"](left + right)

    return Wired(
        wiring,
        same=quantized_input(),
        conv=qnn.QuantConv2d(4, 4, 3, padding=1, weight_bit_width=4),
        join=qnn.QuantIdentity(bit_width=5),
    )


def pooled():
    return Wired(
        lambda parts, x: parts["conv"](parts["pool"](parts["source"](x))),
        source=quantized_input(),
        pool=qnn.TruncAvgPool2d(2, bit_width=4),
        conv=qnn.QuantConv2d(4, 6, 1, weight_bit_width=4, bias_quant=Int8Bias),
    )


def transposed():
    return Wired(
        lambda parts, x: parts["tanh"](parts["conv"](parts["source"](x))),
        source=quantized_input(8, signed=True),
        conv=qnn.QuantConvTranspose2d(4, 6, 3, stride=2, padding=1, output_padding=1, weight_bit_width=4),
        tanh=qnn.QuantTanh(bit_width=6),
    )


def enlarged():
    """Super resolution's two ways to more pixels, the second one by repeating them."""
    return Wired(
        lambda parts, x: parts["conv"](parts["nearest"](parts["relu"](parts["shuffle"](parts["source"](x))))),
        source=quantized_input(),
        shuffle=nn.PixelShuffle(2),
        relu=quantized_input(signed=False),
        nearest=qnn.QuantUpsamplingNearest2d(scale_factor=2),
        conv=qnn.QuantConv2d(1, 2, 3, padding=1, weight_bit_width=4),
    )


def repeated():
    return Wired(
        lambda parts, x: parts["conv"](parts["nearest"](parts["source"](x))),
        source=quantized_input(),
        nearest=qnn.QuantUpsample(scale_factor=2, mode="nearest"),
        conv=qnn.QuantConv2d(4, 2, 3, weight_bit_width=4),
    )


def joined():
    """A skip connection that is concatenated behind a transposed convolution, both sides with one quantizer."""

    def wiring(parts, x):
        skip = parts["same"](x)
        up = parts["same"](parts["up"](parts["pool"](skip)))
        return parts["conv"](torch.cat([up, skip], dim=1))

    return Wired(
        wiring,
        same=quantized_input(signed=False),
        pool=nn.MaxPool2d(2),
        up=qnn.QuantConvTranspose2d(4, 4, 2, stride=2, weight_bit_width=4),
        conv=qnn.QuantConv2d(8, 2, 3, weight_bit_width=4),
    )


def roundings():
    def act(name):
        return quantized_input(float_to_int_impl_type=FloatToIntImplType[name])

    names = ("FLOOR", "CEIL", "ROUND_TO_ZERO", "ROUND")
    parts = {name: act(name) for name in names} | {"bit": quantized_input(1, signed=False)}
    return Wired(lambda parts, x: tuple(part(x).value * 1 for part in parts.values()), **parts)


FLAT, MAPS = (3, 16), (2, 4, 6, 6)
STRUCTURES = {
    "shared_quantizer": (shared_quantizer, FLAT),
    "tied_weight": (tied_weight, FLAT),
    "used_twice": (used_twice, FLAT),
    "used_raw": (used_raw, FLAT),
    "residual": (residual, MAPS),
    "pooled": (pooled, MAPS),
    "transposed": (transposed, MAPS),
    "enlarged": (enlarged, MAPS),
    "repeated": (repeated, MAPS),
    "joined": (joined, MAPS),
    "roundings": (roundings, FLAT),
}


IMAGES_OUT = ("pooled", "transposed", "enlarged", "repeated", "joined", "residual")


@pytest.mark.parametrize(
    ("name", "exporter"), [*((name, "torchscript") for name in STRUCTURES), *((name, "dynamo") for name in IMAGES_OUT)]
)
def test_structures(name, exporter, tmp_path):
    build, shape = STRUCTURES[name]
    model = trained(build(), shape)
    exported = export(model, torch.randn(shape), tmp_path, exporter)
    verification = verify_export(model, exported.path, torch.randn(4 * shape[0], *shape[1:]))
    assert verification.ok, str(verification)
    assert verification.absent == ()


def test_what_structures_are_named(tmp_path):
    def names(build, shape):
        exported = export(trained(build(), shape), torch.randn(shape), tmp_path)
        return [node.name for node in exported.file.graph.node if node.domain]

    assert names(shared_quantizer, FLAT)[1::2] == ["parts.first.weight_quant", "parts.second.weight_quant"]
    twice = ["parts.relu.act_quant", "parts.layer.weight_quant"]
    assert names(used_twice, FLAT) == [*twice, *(f"{name}:1" for name in twice)]
    assert names(pooled, MAPS) == [
        "parts.source.act_quant",
        "parts.pool.trunc_quant",
        "parts.conv.weight_quant",
        "parts.conv.bias_quant",
    ]


def test_a_raw_use_of_a_weight_keeps_the_raw_weight(tmp_path):
    model = trained(used_raw(), FLAT)
    exported = export(model, torch.randn(FLAT), tmp_path)
    arrays = [numpy_helper.to_array(item) for item in exported.file.graph.initializer]
    raw = model.parts["layer"].weight.detach().numpy()
    assert any(
        array.shape == raw.shape and np.array_equal(np.sort(array, None), np.sort(raw, None)) for array in arrays
    )


def test_a_model_may_be_a_single_layer(tmp_path):
    layer = trained(linear(input_quant=Int8ActPerTensorFloat, bias_quant=Int8Bias), FLAT)
    exported = export(layer, torch.randn(FLAT), tmp_path)
    names = [node.name for node in exported.file.graph.node if node.domain]
    assert names == ["input_quant", "weight_quant", "bias_quant"]
    assert verify_export(layer, exported.path, torch.randn(FLAT)).ok
