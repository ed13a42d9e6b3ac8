"""Units whose rows differ by powers of two shift products instead, to the same sums, and go back again."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx_ir as ir
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from finn_transforms.emulate import compile_emulator, emulate
from finn_transforms.passes import FoldShifts, InferShiftMVAU, MinimizeAccumulators, lower_to_hardware
from finn_transforms.report import accumulator_rows
from tests.support.golden import assert_golden, graph_text
from tests.support.graphs import array_of, attributes, copy_of, only, wrapper
from tests.support.shift_networks import CONV_WEIGHTS, EXPONENTS, images, shift_network
from tests.support.small import hardware_layer

RNG = np.random.default_rng(0)
WIDTHS = {"exact": "INT9", "weights": "INT9", "datatype": "INT10"}


def unit(matrix: Any, **options: Any) -> ir.Model:
    return hardware_layer(matrix, **{"input_type": "INT4", "weight_type": "INT8", **options})


def units(model: ir.Model) -> list[ir.Node]:
    return [node for node in model.graph if node.op_type == "ShiftMVAU"]


def test_exported_network() -> None:
    model = shift_network()
    reference = copy_of(model)
    lowered = lower_to_hardware(model)
    conv, linear = units(model)
    # Rows of the unit are in the order (kh, kw, C), those behind Flatten in the order (H, W, C).
    assert tuple(attributes(conv)["shifts"]) == EXPONENTS * 9
    assert np.array_equal(array_of(conv.inputs[1]), CONV_WEIGHTS.transpose(2, 3, 1, 0).reshape(72, 6))
    assert [attributes(each)["weightDataType"] for each in (conv, linear)] == ["INT4", "INT4"]
    notes = [each.detail for each in lowered.rewrites if each.pass_name == "InferShiftMVAU"]
    assert notes[0] == "weights of 4 bits instead of 7, rows shifted: 18 << 0, 18 << 1, 18 << 2, 18 << 3"
    name, x = str(model.graph.outputs[0].name), images()
    expected = emulate(reference, {"x": x})[name]
    assert len(np.unique(expected)) > 10
    assert np.array_equal(emulate(model, {"x": x})[name], expected)
    assert np.array_equal(compile_emulator(model)({"x": x.astype(np.float32)})[name], expected)
    FoldShifts()(model)
    assert not units(model)
    assert np.array_equal(emulate(model, {"x": x})[name], expected)


def test_golden() -> None:
    model = unit([[3, -2], [4, 8], [0, 12], [0, 0]])
    assert InferShiftMVAU()(model).modified
    assert_golden("InferShiftMVAU", graph_text(model))
    assert FoldShifts()(model).modified
    assert_golden("FoldShifts", graph_text(model))


@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_forth_and_back(data: st.DataObject) -> None:
    """Sums, ranges and accumulators are those of the plain unit, whatever the exponents and the rows of zeros."""
    mw, mh, bits = data.draw(st.integers(1, 6)), data.draw(st.integers(1, 3)), data.draw(st.integers(2, 5))
    rng = np.random.default_rng(data.draw(st.integers(0, 2**32 - 1)))
    weights = rng.integers(-(2 ** (bits - 1)) + 1, 2 ** (bits - 1), (mw, mh)) * rng.integers(0, 2, (mw, 1))
    shifted = weights << rng.integers(0, 4, (mw, 1))
    plain = unit(shifted, weight_type=f"INT{bits + 3}")
    model = copy_of(plain)
    if InferShiftMVAU()(model).modified:
        (node,) = units(model)
        found = attributes(node)
        assert np.array_equal(array_of(node.inputs[1]).astype(int) << np.array(found["shifts"])[:, None], shifted)
        assert int(found["weightDataType"][3:]) < bits + 3
    x, name = rng.integers(-8, 8, (5, mw)), str(model.graph.outputs[0].name)
    assert np.array_equal(emulate(model, {"x": x})[name], x @ shifted)
    for each in (model, plain):
        MinimizeAccumulators(byte_align_outputs=False)(each)
    rows, expected = (accumulator_rows(each)[0] for each in (model, plain))
    assert (rows.data_type, rows.lowest, rows.highest) == (expected.data_type, expected.lowest, expected.highest)
    FoldShifts()(model)
    assert np.array_equal(array_of(only(model, "MVAU").inputs[1]), shifted)


def test_pixels_of_a_channel_share_its_exponent_where_that_costs_no_bit() -> None:
    """Two pixels of two channels; rows that are even by chance, and a row of zeros, part no run of equal exponents."""
    matrix = [[3, 5], [12, 20], [2, 4], [0, 0], [0, 0], [8, 4]]
    model = unit(matrix, vectors=(1,))
    InferShiftMVAU()(model)
    assert list(attributes(units(model)[0])["shifts"]) == [0, 2, 1, 1, 1, 2]
    image = hardware_layer(matrix, input_type="INT4", weight_type="INT8")
    image.graph.inputs[0].shape = ir.Shape((1, 1, 3, 2))
    InferShiftMVAU()(image)
    assert list(attributes(units(image)[0])["shifts"]) == [0, 2, 0, 2, 0, 2]


@pytest.mark.parametrize(
    ("matrix", "options"),
    [
        ([[3, 5], [7, 1]], {}),  # nothing to take out
        ([[4, 8], [12, 20]], {}),  # one power for all: it belongs to the scale
        ([[7, 5], [2, 4]], {}),  # weights get no narrower
        ([[0, 0], [0, 0]], {}),
        ([[3, 5], [12, 20]], {"thresholds": [[0, 1], [0, 1]]}),
        ([[3, 5], [12, 20]], {"mem_mode": "external"}),
        ([[3, 5], [12, 20]], {"runtime_writeable_weights": 1}),
        ([[3, 5], [12, 20]], {"input_type": "BIPOLAR"}),
        ([[3, 5], [12, 20]], {"style": "hls"}),
        ([[3, 5], [12, 20]], {"accumulator": "INT2"}),  # sums of zeros alone
    ],
)
def test_others_are_left(matrix: Any, options: dict[str, Any]) -> None:
    assert not InferShiftMVAU()(unit(matrix, **options)).modified


def test_only_named_units_go_back() -> None:
    model = shift_network()
    lower_to_hardware(model)
    first, second = units(model)
    FoldShifts([str(second.name)])(model)
    assert units(model) == [first]
    assert second.op_type == "MVAU"
    assert "shifts" not in second.attributes


def test_both_ways() -> None:
    """QONNX keeps the attributes, and the passes run on its models."""
    model = shift_network()
    lower_to_hardware(model, shifts=False)
    assert not units(model)
    qonnx = wrapper(model).transform(InferShiftMVAU())
    InferShiftMVAU()(model)
    read = ir.serde.deserialize_model(qonnx.model)
    assert [attributes(each) for each in units(read)] == [attributes(each) for each in units(model)] != []
    folded = ir.serde.deserialize_model(qonnx.transform(FoldShifts()).model)
    assert not units(folded)


@pytest.mark.parametrize("bound", ["exact", "weights", "datatype"])
def test_every_bound_knows_the_shifts(bound: Any) -> None:
    """No bound is below the exact width, and the closed forms are those of the shifted weights."""
    model = unit([[3, -2], [4, 8], [0, 12]])
    InferShiftMVAU()(model)
    MinimizeAccumulators(bound, byte_align_outputs=False)(model)
    # 3 inputs of INT4; the l1 norm of the weights is 22; INT3 weights shifted by 2 are INT5.
    assert attributes(units(model)[0])["accDataType"] == WIDTHS[bound]


def test_sums_beyond_float32_are_exact() -> None:
    """The format of the emulator is chosen by the weights as shifted: an odd sum of 36 bits stays odd."""
    model = unit([[127, 63], [127 << 20, 1 << 20]], input_type="INT8", weight_type="INT28", accumulator="INT40")
    assert InferShiftMVAU()(model).modified
    assert attributes(units(model)[0])["weightDataType"] == "INT8"
    (found,) = emulate(model, {"x": np.array([[1, 127]])}, keep="outputs").values()
    assert found.tolist() == [[127 + 127 * (127 << 20), 63 + (127 << 20)]]
