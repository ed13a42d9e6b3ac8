"""Which variant of a matrix-vector unit FINN is told to build."""

import onnx_ir as ir
import pytest

from finn_transforms.build import lower
from finn_transforms.impl_style import Compute, choose_impl_style
from tests.support.graphs import GraphBuilder, only
from tests.support.small_network import small_network


def styles(compute: Compute, **changes: str) -> tuple[list[str], list[str]]:
    model = lower(ir.serde.deserialize_model(small_network())).model
    units = [node for node in model.graph if node.op_type == "MVAU"]
    for name, value in changes.items():
        units[1].attributes[name] = ir.AttrString(name, value)
    narrow = choose_impl_style(model, compute)
    assert set(narrow) <= {unit.name for unit in units}
    return [unit.attributes.get_string("preferred_impl_style", "") for unit in units], narrow


@pytest.mark.parametrize(("compute", "expected"), [("lut", ["hls"] * 3), ("dsp", ["rtl"] * 3), ("finn", ["", "", ""])])
def test_each_choice(compute: Compute, expected: list[str]) -> None:
    assert styles(compute) == (expected, [])


def test_an_accumulator_narrower_than_a_product_never_gets_the_rtl_variant() -> None:
    # 4-bit weights times unsigned 4-bit inputs: FINN's RTL unit asks for 8 bits.
    assert styles("finn", accDataType="INT8")[0] == ["", "", ""]
    found, narrow = styles("finn", accDataType="INT7")
    assert (found, len(narrow)) == (["", "hls", ""], 1)
    assert styles("dsp", accDataType="INT7")[0] == ["rtl", "hls", "rtl"]
    # For signed inputs it asks for one bit less.
    assert styles("dsp", accDataType="INT7", inputDataType="INT4")[0] == ["rtl"] * 3


@pytest.mark.parametrize(
    "changes",
    [{"weightDataType": "UINT4"}, {"inputDataType": "BINARY"}, {"inputDataType": "UINT18", "accDataType": "INT32"}],
)
def test_what_does_not_fit_a_slice_is_built_in_luts(changes: dict[str, str]) -> None:
    assert styles("dsp", **changes)[0] == ["rtl", "hls", "rtl"]


def test_an_unknown_choice_is_refused() -> None:
    with pytest.raises(ValueError, match="expected one of"):
        styles("gpu")  # type: ignore[arg-type]


@pytest.mark.parametrize(("compute", "expected"), [("lut", "hls"), ("dsp", ""), ("finn", "")])
def test_depthwise_units(compute: Compute, expected: str) -> None:
    """Their RTL variant needs a Versal part, which FINN looks at."""
    graph = GraphBuilder((1, 2, 3, 3))
    weights = graph.weights([[[[1, -2], [3, 0]]]] * 2, bits=3)
    model = lower(graph.model(graph.node("Conv", [graph.quant("x", 1.0, 3), weights], group=2))).model
    unit = only(model, "VVAU")
    assert choose_impl_style(model, compute) == []
    assert unit.attributes.get_string("preferred_impl_style", "") == expected
    assert unit.attributes.get_string("resType", "auto") == ("lut" if compute == "lut" else "auto")
    unit.attributes["accDataType"] = ir.AttrString("accDataType", "INT5")
    assert choose_impl_style(model, compute) == [unit.name]
    assert unit.attributes.get_string("preferred_impl_style", "") == "hls"
