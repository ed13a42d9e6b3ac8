"""Whole networks from either exporter, and files of others: equal integers at every stage, and FINN takes the result.

The reference of a network is the graph as it was exported.  What stays on the host is expected by its reason.
"""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
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
from finn_transforms.passes import ExtractIntegers, InferShapes, Tidy, lower_to_hardware
from tests.support.graphs import copy_of
from tests.support.model_zoo import SMALL, exported_model
from tests.support.specialized import specialized
from tests.support.stages import assert_every_stage_equal, input_name

EXPORTERS: tuple[Exporter, ...] = ("torchscript", "dynamo")

IMAGE_QUANTIZER = r"Quant .*: its input is the graph's input, which is not an integer"
# FINN's binary networks scale and shift the image in front of its quantizer.
SHIFTED_IMAGE = r"Quant .*: Reshape .* between the accumulator and the quantizer"
FLOAT_INPUT = r"(Conv|Gemm) .*: its input .* is not an integer tensor"
FLOAT_TAIL = r"Quant .*: (Conv|Gemm) .* between the accumulator and the quantizer"


@dataclass(frozen=True)
class Expected:
    """What a lowered network consists of besides hardware.

    Attributes:
        refusals: a regular expression for each refusal, ``Operator 'node': reason``, in any order.
        host: how many nodes of which operator stay on the host.
    """

    refusals: tuple[str, ...]
    host: dict[str, int]


# A network is enabled by its line here.
NETWORKS = {
    "tfc_w2a2": Expected((SHIFTED_IMAGE,), {"Reshape": 1, "Mul": 4, "Sub": 2, "Div": 2, "Quant": 1, "Add": 1}),
    "cnv_w2a2": Expected((IMAGE_QUANTIZER,), {"Mul": 4, "Sub": 2, "Div": 2, "Quant": 1, "Transpose": 1, "Add": 1}),
    "vgg_w4a4": Expected((IMAGE_QUANTIZER,), {"Div": 1, "Quant": 1, "Transpose": 1, "Mul": 2, "Add": 1}),
}

FILES = {
    "TFC_2W2A": Expected((SHIFTED_IMAGE,), {"Reshape": 1, "Mul": 4, "Sub": 2, "Div": 2, "Quant": 1, "Add": 1}),
    "kwsmlp_w3a3": Expected((IMAGE_QUANTIZER,), {"Div": 1, "Quant": 1, "Transpose": 1, "Mul": 2}),
}


@cache
def network(name: str, exporter: Exporter) -> ir.Model:
    return exported_model(SMALL[name], exporter)


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
    images = SMALL[name].images(8, seed=1).numpy()
    check(copy_of(network(name, exporter)), images, NETWORKS[name])


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
        images = random.uniform(-1, 1, (6 if len(shape) < 3 or shape[-1] < 64 else 1, *shape))
    images[-1] = 1.0
    check(model, images, FILES[name])


def check(model: ir.Model, images: NDArray[Any], expected: Expected) -> None:
    Tidy()(model)
    InferShapes()(model)
    integers = copy_of(model)
    ExtractIntegers()(integers)
    assert_same_integers(model, integers, images)
    assert_every_stage_equal(copy_of(integers), images)
    lowered = lower_to_hardware(model)
    refused = [f"{each.op_type} {each.node!r}: {each.reason}" for each in lowered.refusals]
    assert_matched(refused, expected.refusals)
    assert Counter(node.op_type for node in model.graph if not is_hardware(node)) == expected.host
    specialized(model)


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
        found, expected = integers_of(ours[plain_name(theirs)], after), integers_of(theirs, before)
        np.testing.assert_array_equal(found, expected, err_msg=str(theirs.name))


def plain_name(node: ir.Node) -> str:
    """Return the name of a node's output without the slashes that torch puts into it."""
    return "_".join(part.strip("_") for part in str(node.outputs[0].name).split("/") if part)


def quantizers(model: ir.Model) -> Iterator[ir.Node]:
    """Yield the quantizers of what is computed; those of constants are gone once they are integers."""
    for node in model.graph:
        if (is_quantizer(node) or node.op_type in {"BipolarQuant", "Trunc"}) and constant(node.inputs[0]) is None:
            yield node


def integers_of(node: ir.Node, values: dict[str, NDArray[Any]]) -> NDArray[Any]:
    """Return the integers that a quantizer gives, its zero point subtracted."""
    scale = constant(node.inputs[4 if node.op_type == "Trunc" else 1])
    assert scale is not None
    # The nearest integer, since a scaled integer divided by its scale may be a float off it.
    return np.asarray(np.rint(values[str(node.outputs[0].name)] / scale.astype(np.float64)))
