"""Data types that would cut values off in hardware are named, whatever the accumulator's own type."""

from __future__ import annotations

from typing import Any

import onnx
import onnx_ir as ir
import pytest

from finn_transforms.analysis.datatypes import set_datatype
from finn_transforms.certify import certify
from finn_transforms.passes import MinimizeAccumulators
from finn_transforms.report import certificates
from tests.support import accumulating_layers as layers
from tests.support.certified import problems, record_of, state
from tests.support.small import hardware_layer


@pytest.mark.parametrize(
    ("attribute", "narrow_type", "message"),
    [
        ("outputDataType", "INT2", r"FINN adds up in the type of its output, INT2, which does not hold INT12"),
        ("inputDataType", "UINT1", r"its inputDataType UINT1 holds \[0, 1\], the graph has \[0, 15\]"),
        ("weightDataType", "INT2", "its weightDataType INT2 does not hold its"),
    ],
)
def test_a_type_that_cuts_values_off(
    model: onnx.ModelProto, document: dict[str, Any], attribute: str, narrow_type: str, message: str
) -> None:
    """The accumulator's own type is untouched, and holds all its sums."""
    name = record_of(document)["name"]
    state(model, name, attribute, narrow_type)
    with pytest.raises(AssertionError, match=f"{name}: {message}"):
        raise AssertionError(problems(certify(model, document)))


@pytest.mark.parametrize("attribute", ["inputDataType", "outputDataType"])
def test_a_type_that_cuts_codes_off(model: onnx.ModelProto, document: dict[str, Any], attribute: str) -> None:
    name = next(node.name for node in model.graph.node if node.op_type == "Thresholding")
    state(model, name, attribute, "UINT2")
    assert f"{name}: its {attribute} UINT2 holds [0, 3]" in problems(certify(model, document))


def test_weights_that_are_no_signs() -> None:
    model = hardware_layer([[-1], [0]], input_type="UINT2", weight_type="INT2")
    MinimizeAccumulators()(model)
    proto, document = ir.serde.serialize_model(model), certificates(model)
    state(proto, document["accumulators"][0]["name"], "weightDataType", "BIPOLAR")
    assert "its weightDataType BIPOLAR does not hold its" in problems(certify(proto, document))


def test_thresholds_in_a_type_that_cuts_sums_off() -> None:
    model = layers.ALL["with thresholds"]()
    MinimizeAccumulators()(model)
    (unit,) = (node for node in model.graph if node.op_type == "MVAU")
    document = certificates(model)
    assert problems(certify(ir.serde.serialize_model(model), document)) == ""
    set_datatype(unit.inputs[2], "UINT2")
    text = problems(certify(ir.serde.serialize_model(model), document))
    assert "FINN adds up in the type of its thresholds, UINT2" in text
