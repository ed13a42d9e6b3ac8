"""Whole networks from either exporter, and files of others: equal integers at every stage, and FINN takes the result.

The reference of a network is the graph as it was exported.  What stays on the host is expected by its reason.
"""

from __future__ import annotations

import math
import os
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx_ir as ir
import pytest
import qonnx
from numpy.typing import NDArray

from brevitas_ext.export.tracing import Exporter
from finn_transforms.analysis.constants import constant
from finn_transforms.analysis.datatypes import datatype
from finn_transforms.analysis.matching import is_hardware, is_quantizer, static_shape
from finn_transforms.emulate import emulate
from finn_transforms.loading import load_model
from finn_transforms.passes import (
    DropUnusedBits,
    ExtractIntegers,
    InferShapes,
    PostponeShuffles,
    Tidy,
    lower_to_hardware,
)
from tests.support.graphs import copy_of
from tests.support.model_zoo import SMALL, exported_model
from tests.support.specialized import specialized
from tests.support.stages import (
    assert_every_stage_equal,
    assert_finn_agrees,
    assert_same_or_pooled,
    input_name,
    quantized,
)

EXPORTERS: tuple[Exporter, ...] = ("torchscript", "dynamo")

IMAGE_QUANTIZER = r"Quant .*: its input is the graph's input, which is not an integer"
# FINN's binary networks scale and shift the image in front of its quantizer.
SHIFTED_IMAGE = r"(Bipolar)?Quant .*: nothing in front of it is an integer, .* by Reshape"
FLOAT_INPUT = r"Conv .*: its input .* is not an integer tensor"
FLOAT_TAIL = r"Quant .*: nothing in front of it is an integer, .* by Conv"
SHUFFLE = r"DepthToSpace .*: FINN has no layer that turns channels into pixels"


@dataclass(frozen=True)
class Expected:
    """What a lowered network consists of besides hardware.

    Attributes:
        refusals: a regular expression for each refusal, ``Operator 'node': reason``, in any order.
        host: how many nodes of which operator stay on the host.
    """

    refusals: tuple[str, ...]
    host: dict[str, int]


IMAGE = {"Div": 1, "Quant": 1, "Transpose": 1}
BINARY_IMAGE = {"Mul": 1, "Sub": 1, "Reshape": 1}
# What FINN's binary networks do with their logits, and the scale of these.
NORMALIZED = {"Mul": 1, "Sub": 1, "Div": 1, "Add": 1}


def nodes(*parts: dict[str, int]) -> dict[str, int]:
    return dict(sum((Counter(part) for part in parts), Counter()))


TFC = Expected((SHIFTED_IMAGE,), nodes(BINARY_IMAGE, NORMALIZED, {"Div": 1, "Quant": 1, "Mul": 2}))
# What makes sums of the last popcount.
POPCOUNT = {"Mul": 1, "Sub": 1}
TFC_W1A1 = Expected((SHIFTED_IMAGE,), nodes(BINARY_IMAGE, POPCOUNT, NORMALIZED, {"BipolarQuant": 1, "Mul": 2}))
CNV = Expected((IMAGE_QUANTIZER,), nodes(IMAGE, {"Mul": 1, "Sub": 1}, NORMALIZED, {"Mul": 2}))
CLASSIFIER = Expected((IMAGE_QUANTIZER,), nodes(IMAGE, {"Mul": 2, "Add": 1}))
# A network is enabled by its line here.
NETWORKS = {
    "tfc_w1a1": TFC_W1A1,
    "tfc_w1a2": TFC,
    "tfc_w2a2": TFC,
    "lfc_w1a1": TFC_W1A1,
    "cnv_w1a1": Expected(CNV.refusals, nodes(CNV.host, POPCOUNT)),
    "cnv_w1a2": CNV,
    "cnv_w2a2": CNV,
    "vgg_w4a4": CLASSIFIER,
    "mobilenet_w4a4": CLASSIFIER,
    "resnet20_w4a4": CLASSIFIER,
    "resnet18_w4a4": CLASSIFIER,
    "espcn_subpixel_w4a4": Expected(
        (IMAGE_QUANTIZER, SHUFFLE), nodes(IMAGE, {"Relu": 1, "Transpose": 1, "DepthToSpace": 1, "Mul": 1})
    ),
    "espcn_resize_w4a4": Expected((IMAGE_QUANTIZER,), nodes(IMAGE, {"Relu": 1, "Transpose": 1, "Mul": 1})),
    "unet_w4a4": Expected((IMAGE_QUANTIZER,), nodes(IMAGE, {"Transpose": 1, "Mul": 2})),
}

FILES = {
    "TFC_2W2A": TFC,
    "kwsmlp_w3a3": Expected((IMAGE_QUANTIZER,), nodes(IMAGE, {"Mul": 2})),
    "unsw_nb15-mlp-w2a2": Expected((), {"Mul": 1}),
    "nn_resize": Expected((IMAGE_QUANTIZER,), nodes(IMAGE, {"Relu": 1, "Transpose": 1, "Mul": 1})),
    # Its image has no quantizer, so the first layer stays on the host.
    "subpixel": Expected(
        (FLOAT_INPUT, FLOAT_TAIL, SHUFFLE),
        nodes(
            IMAGE,
            {"Quant": 1, "Conv": 1, "BatchNormalization": 1, "Relu": 1},
            {"Transpose": 1, "DepthToSpace": 1, "Mul": 1},
        ),
    ),
}


def zoo_file(name: str) -> Path:
    """Find a file of the QONNX model zoo in the folder that QONNX_ZOO names, or of the qonnx package."""
    packaged = Path(qonnx.__file__).parent / "data" / "onnx" / "bsd300x3-espcn" / name / "quant_model.onnx"
    if packaged.exists():
        return packaged
    folder = os.environ.get("QONNX_ZOO")
    if folder is None:
        pytest.skip("QONNX_ZOO names no folder with files of the QONNX model zoo")
    return Path(folder) / f"{name}.onnx"


@pytest.mark.parametrize("exporter", EXPORTERS)
@pytest.mark.parametrize("name", NETWORKS)
def test_network(name: str, exporter: Exporter) -> None:
    images = SMALL[name].images(5, seed=1).numpy()
    model = exported_model(SMALL[name], exporter)
    check(model, images, NETWORKS[name])
    if exporter == "torchscript":
        # Bytes, since FINN computes the image's quantizer on the host in float32.
        assert assert_finn_agrees(model, np.rint(images[:1] * 255) / 255) >= 7


@pytest.mark.parametrize("name", FILES)
def test_file(name: str) -> None:
    model = load_model(zoo_file(name))
    Tidy()(model)
    source = model.graph.inputs[0]
    shape, random = static_shape(source)[1:], np.random.default_rng(0)
    data_type = datatype(source)
    if data_type is not None and data_type.name == "BIPOLAR":
        images = random.choice([-1.0, 1.0], (6, *shape))
    else:
        images = random.uniform(-1, 1, (6 if math.prod(shape) < 1000 else 1, *shape))
    images[-1] = 1.0
    check(model, images, FILES[name])


def check(model: ir.Model, images: NDArray[Any], expected: Expected) -> None:
    Tidy()(model)
    InferShapes()(model)
    integers = copy_of(model)
    for stage in (PostponeShuffles, ExtractIntegers, DropUnusedBits):
        stage()(integers)
    assert_same_integers(model, integers, images)
    lowered = lower_to_hardware(model)
    refused = [f"{each.op_type} {each.node!r}: {each.reason}" for each in lowered.refusals]
    assert_matched(refused, expected.refusals)
    assert Counter(node.op_type for node in model.graph if not is_hardware(node)) == expected.host
    specialized(model)
    assert_same_quantizers(integers, model, images)
    assert_every_stage_equal(integers, images)


def assert_same_quantizers(integers: ir.Model, lowered: ir.Model, images: NDArray[Any]) -> None:
    before, after = (emulate(each, {input_name(each): images}) for each in (integers, lowered))
    for expected, found in zip(quantized(integers, before), quantized(lowered, after), strict=True):
        assert_same_or_pooled(found, expected, "lowered")
    for output in integers.graph.outputs:
        np.testing.assert_array_equal(after[str(output.name)], before[str(output.name)])


def assert_matched(refused: list[str], patterns: tuple[str, ...]) -> None:
    left = list(refused)
    for pattern in patterns:
        found = next((text for text in left if re.match(pattern, text)), None)
        assert found is not None, f"expected a refusal like {pattern!r}, found {left}"
        left.remove(found)
    assert not left


def assert_same_integers(exported: ir.Model, integers: ir.Model, images: NDArray[Any]) -> None:
    """Compare every quantizer of the exported graph with its integers once they are taken apart from their scale."""
    name = input_name(exported)
    before, after = emulate(exported, {name: images}), emulate(integers, {name: images})
    ours = {plain_name(node).removesuffix("_int"): node for node in quantizers(integers)}
    for theirs in quantizers(exported):
        mine = ours.get(plain_name(theirs))
        # A quantizer that a pixel shuffle moved behind leaves its name to what is shuffled.
        found = scaled_back(theirs, after) if mine is None else scaled_back(mine, after)
        np.testing.assert_array_equal(found, scaled_back(theirs, before), err_msg=str(theirs.name))


def plain_name(node: ir.Node) -> str:
    """Return the name of a node's output without the slashes that torch puts into it."""
    return "_".join(part.strip("_") for part in str(node.outputs[0].name).split("/") if part)


def quantizers(model: ir.Model) -> Iterator[ir.Node]:
    """Yield the quantizers of what is computed; those of constants are gone once they are integers."""
    for node in model.graph:
        if (is_quantizer(node) or node.op_type in {"BipolarQuant", "Trunc"}) and constant(node.inputs[0]) is None:
            yield node


def scaled_back(node: ir.Node, values: dict[str, NDArray[Any]]) -> NDArray[Any]:
    """Return the integers that a quantizer gives, its zero point subtracted."""
    scale = constant(node.inputs[4 if node.op_type == "Trunc" else 1])
    assert scale is not None
    # The nearest integer, since a scaled integer divided by its scale may be a float off it.
    return np.asarray(np.rint(values[str(node.outputs[0].name)] / scale.astype(np.float64)))
