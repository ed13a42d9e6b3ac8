"""The layer that shifts products as parameters, and its unit."""

from dataclasses import replace
from typing import Any

import numpy as np
import onnx_ir as ir
import pytest

from finn_transforms.analysis.matching import HARDWARE_DOMAIN
from finn_transforms.hw_graph import HwGraphError, ShiftMvauParams
from finn_transforms.hw_graph.graph import read_layer
from finn_transforms.rtl import ShiftMvau
from finn_transforms.rtl.from_layer import unit_of

WEIGHTS = np.arange(-8, 8).reshape(4, 4)


def node(**changes: Any) -> ir.Node:
    attributes = {
        "MW": 4, "MH": 4, "SIMD": 2, "PE": 2, "numInputVectors": [1, 3], "shifts": [0, 2, 1, 2],
        "inputDataType": "UINT4", "weightDataType": "INT4", "accDataType": "INT12", "outputDataType": "INT12",
        "noActivation": 1,
    } | changes  # fmt: skip
    weights = ir.Value(name="weights", const_value=ir.tensor(WEIGHTS.astype(np.float32)))
    kept = [ir.convenience.convert_attribute(name, value) for name, value in attributes.items() if value is not None]
    return ir.Node(HARDWARE_DOMAIN, "ShiftMVAU", [ir.Value(name="x"), weights], kept, name="layer")


def layer_of(read: ir.Node) -> ShiftMvauParams:
    layer = read_layer(read)
    assert isinstance(layer, ShiftMvauParams)
    return layer


def test_its_unit_has_the_unshifted_weights() -> None:
    layer = layer_of(node())
    assert (layer.shifts, layer.dsp, layer.cycles()) == ((0, 2, 1, 2), False, 12)
    unit = unit_of(layer, node())
    assert isinstance(unit, ShiftMvau)
    assert unit.weight_source == "memory"
    assert unit.weights is not None
    assert unit.weights.tolist() == WEIGHTS.tolist()
    x = np.arange(12).reshape(1, 6, 2)
    expected = x.reshape(3, 4) @ (WEIGHTS * np.array([1, 4, 2, 4])[:, None])
    assert unit.golden(x)[0].reshape(3, 4).tolist() == expected.tolist()


def test_unrolled_weights_are_constants() -> None:
    unit = unit_of(replace(layer_of(node()), pe=4, simd=4), node())
    assert isinstance(unit, ShiftMvau)
    assert unit.weight_source == "constant"


def test_shifts_that_mean_nothing_are_refused() -> None:
    with pytest.raises(HwGraphError, match="expected attribute 'shifts'"):
        read_layer(node(shifts=None))
    with pytest.raises(HwGraphError, match="expected MW = 4 shifts from 0 on, found 3 from 0 on"):
        read_layer(node(shifts=[0, 1, 2]))
    with pytest.raises(HwGraphError, match="found 4 from -1 on"):
        read_layer(node(shifts=[0, 1, -1, 2]))
