"""Golden functions against QONNX's own operators, the function bodies in onnxruntime, and plain arithmetic."""

from __future__ import annotations

import itertools
import math
from fractions import Fraction

import numpy as np
import onnxruntime
import pytest
from hypothesis import given
from hypothesis import strategies as st
from onnx import TensorProto, helper
from qonnx.custom_op.general.bipolar_quant import binary_quant
from qonnx.custom_op.general.quant import quant as qonnx_quant
from qonnx.custom_op.general.trunc import trunc_v2 as qonnx_trunc

from brevitas_ext.qonnx_ops.bipolar_quant import BipolarQuant
from brevitas_ext.qonnx_ops.catalogue import (
    DOMAIN,
    DOMAIN_VERSION,
    check_domain_version,
    function_body,
    read_quantizer,
)
from brevitas_ext.qonnx_ops.quant import Quant
from brevitas_ext.qonnx_ops.rounding import Rounding
from brevitas_ext.qonnx_ops.trunc import Trunc

FLAGS = list(itertools.product((False, True), repeat=2))
QUANT_INPUTS = ("scale", "zero_point", "bit_width")
TRUNC_INPUTS = ("scale", "zero_point", "input_bit_width", "output_scale", "output_bit_width")

EXACT = {
    Rounding.CEIL: math.ceil,
    Rounding.FLOOR: math.floor,
    Rounding.DOWN: math.trunc,
    Rounding.UP: lambda value: math.copysign(1, value) * math.ceil(abs(value)),
    Rounding.ROUND: round,
    Rounding.HALF_UP: lambda value: math.copysign(1, value) * math.floor(abs(value) + Fraction(1, 2)),
    Rounding.HALF_DOWN: lambda value: math.copysign(1, value) * math.ceil(abs(value) - Fraction(1, 2)),
}


def session(op_type, inputs, opset=20, **attributes):
    """A stock onnxruntime session of one node with its function body; every input is fed at run time."""
    names = ["x", *inputs]
    node = helper.make_node(op_type, names, ["y"], domain=DOMAIN, **attributes)
    values = [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in [*names, "y"]]
    model = helper.make_model(
        helper.make_graph([node], "single", values[:-1], values[-1:]),
        opset_imports=[helper.make_opsetid("", opset), helper.make_opsetid(DOMAIN, DOMAIN_VERSION)],
        functions=[function_body(op_type, opset)],
        ir_version=10,
    )
    return onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])


def run(runtime, x, parameters):
    names = [value.name for value in runtime.get_inputs()]
    return runtime.run(None, dict(zip(names, [x, *parameters], strict=True)))[0]


def float32(*values):
    return tuple(np.array(value, np.float32) for value in values)


def samples(scale, zero_point):
    """Every quarter step around zero, ties among them, the neighbouring floats, and values far outside any range."""
    steps = np.arange(-48, 49, dtype=np.float32) / 4
    near = np.concatenate([np.nextafter(steps, np.float32(np.inf)), np.nextafter(steps, np.float32(-np.inf))])
    far = np.array([-1e6, -70000.3, -32768.5, -129.5, 127.5, 65535.5, 70000.3, 1e6, -0.0], dtype=np.float32)
    return (np.concatenate([steps, near, far]) - zero_point) * scale


@pytest.mark.parametrize("rounding", list(Rounding))
def test_quant_equals_qonnx_and_the_function_body(rounding):
    compared = 0
    for signed, narrow in FLAGS:
        op = Quant(signed=signed, narrow=narrow, rounding=rounding)
        runtime = session("Quant", QUANT_INPUTS, signed=int(signed), narrow=int(narrow), rounding_mode=rounding.value)
        for bits, scale, zero_point in itertools.product(range(1, 17), (0.25, 0.1), (0.0, 3.0, -2.0)):
            parameters = float32(scale, zero_point, bits)
            x = samples(parameters[0], parameters[1])
            values = op.pre_rounding(x, parameters)
            integers = op.to_integers(values, parameters)
            output = op.dequantize(integers, parameters, np.float32)
            assert output.dtype == np.float32
            np.testing.assert_array_equal(run(runtime, x, parameters), output)
            # Below one half, adding a half is inexact: QONNX rounds up what is not a tie. See the next test.
            exact = np.abs(values) != np.nextafter(np.float32(0.5), np.float32(0))
            theirs = qonnx_quant(x, *parameters, signed, narrow, rounding.value)
            np.testing.assert_array_equal(theirs[exact], output[exact])
            compared += x.size
    assert compared == 4 * 16 * 2 * 3 * samples(np.float32(1), np.float32(0)).size


def test_quant_rounds_the_float_below_one_half_correctly_where_qonnx_does_not():
    x = np.nextafter(np.float32(0.5), np.float32(0)) * np.ones(1, np.float32)
    parameters = float32(1, 0, 8)
    assert Quant(signed=True, narrow=False, rounding=Rounding.HALF_UP).to_integers(x, parameters).tolist() == [0]
    assert qonnx_quant(x, *parameters, True, False, "HALF_UP").tolist() == [1.0]


@given(
    st.sampled_from(list(Rounding)),
    st.fractions(min_value=-20, max_value=20, max_denominator=8).filter(lambda value: 8 % value.denominator == 0),
)
def test_rounding_is_the_textbook_definition(rounding, value):
    rounded = rounding(np.array([float(value)]))
    assert rounded.tolist() == [EXACT[rounding](value)]


@pytest.mark.parametrize("rounding", list(Rounding))
@pytest.mark.parametrize("op_type", ["Quant", "Trunc"])
def test_integers_are_monotone(rounding, op_type):
    ascending = np.linspace(-40, 40, 4001)
    op = {"Quant": Quant, "Trunc": Trunc}[op_type](signed=True, narrow=False, rounding=rounding)
    parameters = float32(1, 0, 4) if op_type == "Quant" else float32(1, 0, 8, 4, 4)
    integers = op.to_integers(ascending, parameters)
    assert (np.diff(integers) >= 0).all()
    assert (integers[0], integers[-1]) == (-8, 7)


def test_per_channel_parameters_broadcast():
    x = np.arange(-12, 12, dtype=np.float32).reshape(2, 3, 4) / 4
    parameters = (np.array([0.25, 0.5, 1], np.float32).reshape(1, 3, 1), *float32(0, 4))
    op = Quant(signed=True, narrow=True)
    output = op.dequantize(op.to_integers(op.pre_rounding(x, parameters), parameters), parameters, np.float32)
    runtime = session("Quant", QUANT_INPUTS, signed=1, narrow=1)
    np.testing.assert_array_equal(run(runtime, x, parameters), output)
    np.testing.assert_array_equal(qonnx_quant(x, *parameters, True, True, "ROUND"), output)


@pytest.mark.parametrize(("alias", "rounding"), [("HALF_EVEN", "ROUND"), ("ROUND_TO_ZERO", "DOWN"), ("floor", "FLOOR")])
def test_aliases(alias, rounding):
    assert Rounding.parse(alias) is Rounding[rounding]


def test_float64_is_the_reference_not_float32():
    x = np.array([np.nextafter(np.float64(2.5), 3)])
    parameters = float32(1, 0, 8)
    op = Quant(signed=True, narrow=False)
    assert op.to_integers(op.pre_rounding(x, parameters), parameters).tolist() == [3]
    assert op.to_integers(op.pre_rounding(x.astype(np.float32), parameters), parameters).tolist() == [2]


@pytest.mark.parametrize("scale", [0.3, -0.3])
def test_bipolar_quant(scale):
    x = samples(np.float32(0.3), np.float32(0))
    parameters = float32(scale)
    op = BipolarQuant()
    output = op.dequantize(op.to_integers(op.pre_rounding(x, parameters), parameters), parameters, np.float32)
    assert set(np.unique(output).tolist()) == {-float(parameters[0]), float(parameters[0])}
    assert output[x >= 0].tolist() == [float(parameters[0])] * int((x >= 0).sum())
    np.testing.assert_array_equal(run(session("BipolarQuant", ("scale",)), x, parameters), output)
    np.testing.assert_array_equal(binary_quant(x, *parameters), output)


@pytest.mark.parametrize("rounding", list(Rounding))
def test_trunc_equals_qonnx_and_the_function_body(rounding):
    for signed, narrow in FLAGS:
        op = Trunc(signed=signed, narrow=narrow, rounding=rounding)
        runtime = session("Trunc", TRUNC_INPUTS, signed=int(signed), narrow=int(narrow), rounding_mode=rounding.value)
        for shift, bits, scale, zero_point in itertools.product((0, 1, 4), (2, 4, 8), (0.25, 0.1), (0.0, 4.0)):
            parameters = float32(scale, zero_point, bits + shift, np.float32(scale) * 2**shift, bits)
            x = (np.arange(-300, 300, dtype=np.float32) - zero_point) * parameters[0]
            output = op.dequantize(op.to_integers(op.pre_rounding(x, parameters), parameters), parameters, np.float32)
            np.testing.assert_array_equal(run(runtime, x, parameters), output)
            theirs = qonnx_trunc(x, *parameters[:3], narrow, signed, *parameters[3:], rounding.value)
            np.testing.assert_array_equal(theirs, output)


class TestReading:
    def node(self, op_type="Quant", domain=DOMAIN, **attributes):
        return helper.make_node(op_type, ["x"], ["y"], name="layer.act_quant", domain=domain, **attributes)

    def test_attributes(self):
        read = read_quantizer(self.node(signed=1, narrow=0, rounding_mode="floor"))
        assert read == Quant(signed=True, narrow=False, rounding=Rounding.FLOOR)
        assert read_quantizer(self.node(signed=0, narrow=1)) == Quant(signed=False, narrow=True)
        assert read_quantizer(self.node("BipolarQuant")) == BipolarQuant()
        truncation = Trunc(signed=True, narrow=False, rounding=Rounding.FLOOR)
        assert read_quantizer(self.node("Trunc", rounding_mode="FLOOR")) == truncation

    def test_other_domains_are_no_quantizers(self):
        assert read_quantizer(self.node("Relu", domain="")) is None

    def test_refusals(self):
        with pytest.raises(ValueError, match=r"'layer.act_quant': expected the attribute 'narrow', found none"):
            read_quantizer(self.node(signed=1))
        with pytest.raises(ValueError, match=r"found 'DITHER'"):
            read_quantizer(self.node(signed=1, narrow=0, rounding_mode="DITHER"))
        with pytest.raises(ValueError, match=r"expected one of .* found 'FloatQuant'"):
            read_quantizer(self.node("FloatQuant"))
        with pytest.raises(ValueError, match=r"found 'FloatQuant'"):
            function_body("FloatQuant", 20)
        with pytest.raises(ValueError, match=r"opset 19 or later, found 18"):
            function_body("Quant", 18)

    @pytest.mark.parametrize("bits", [[4.5], [0], [4, 4]])
    def test_bit_width_must_be_one_positive_integer(self, bits):
        with pytest.raises(ValueError, match="one positive integer bit width"):
            Quant(signed=True, narrow=False).to_integers(np.zeros(1), (*float32(1, 0), np.array(bits)))

    def test_not_a_number(self):
        x = np.array([[0.0, float("nan")]])
        for op, parameters in (
            (Quant(signed=True, narrow=False), float32(1, 0, 4)),
            (BipolarQuant(), float32(1)),
            (Trunc(signed=True, narrow=False), float32(1, 0, 8, 4, 4)),
        ):
            with pytest.raises(ValueError, match=r"found NaN at \(0, 1\)"):
                op.to_integers(op.pre_rounding(x, parameters), parameters)

    def test_unknown_version_is_refused(self):
        graph = helper.make_graph([self.node(signed=1, narrow=0)], "g", [], [])
        opsets = [helper.make_opsetid("", 20), helper.make_opsetid(DOMAIN, 3)]
        with pytest.raises(ValueError, match=r"Expected version 2 .* found version 3"):
            check_domain_version(helper.make_model(graph, opset_imports=opsets))
        opsets[1].version = DOMAIN_VERSION
        check_domain_version(helper.make_model(graph, opset_imports=opsets))


@pytest.mark.parametrize("opset", [19, 21])
def test_function_bodies_run_in_every_opset_they_claim(opset):
    runtime = session("Quant", QUANT_INPUTS, opset=opset, signed=0, narrow=0, rounding_mode="CEIL")
    x = np.array([-1, 0.5, 2, 99], np.float32)
    assert run(runtime, x, float32(1, 0, 4)).tolist() == [0, 1, 2, 15]
