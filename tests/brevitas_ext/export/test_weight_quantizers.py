"""The integers of every weight quantizer survive, whatever its rounding."""

from __future__ import annotations

import brevitas.nn as qnn
import numpy as np
import pytest
import torch
from brevitas.inject.enum import FloatToIntImplType
from brevitas.quant import (
    Int8WeightPerChannelFloat,
    Int8WeightPerTensorFixedPoint,
    Int8WeightPerTensorFloat,
    ShiftedUint8WeightPerChannelFloat,
    ShiftedUint8WeightPerTensorFloat,
    SignedBinaryWeightPerTensorConst,
    SignedTernaryWeightPerTensorConst,
)
from brevitas.quant.scaled_int import Int8AccumulatorAwareWeightQuant, Int8AccumulatorAwareZeroCenterWeightQuant

from brevitas_ext.export import verify_export
from brevitas_ext.export.proof import quantized_constants
from tests.brevitas_ext.export.models import Side, contract_of, export, quantized_input

# Brevitas knows no zero point of an accumulator; nothing here asks for one.
pytestmark = pytest.mark.filterwarnings("ignore:Computing zero point of output accumulator:UserWarning")


def brevitas_integers(layer, *inputs):
    """`quant_weight().int()`, without the check that makes it refuse a binary weight of one sign."""
    weight = layer.quant_weight(*inputs)
    return torch.round(weight.value / weight.scale + weight.zero_point).to(torch.int64).numpy()


def rounding(name):
    return {"weight_bit_width": 4, "weight_float_to_int_impl_type": FloatToIntImplType[name]}


WEIGHTS = {
    "per_tensor": {"weight_quant": Int8WeightPerTensorFloat},
    "per_channel": {"weight_quant": Int8WeightPerChannelFloat},
    "fixed_point": {"weight_quant": Int8WeightPerTensorFixedPoint},
    "wide": {"weight_quant": Int8WeightPerTensorFloat, "weight_bit_width": 16},
    "not_narrow": {"weight_bit_width": 3, "weight_narrow_range": False},
    "two_bits": {"weight_bit_width": 2},
    "unsigned_bit": {"weight_bit_width": 1, "weight_signed": False, "weight_narrow_range": False},
    "binary": {"weight_quant": SignedBinaryWeightPerTensorConst, "weight_scaling_init": 0.1},
    "ternary": {
        "weight_quant_type": "ternary",
        "weight_scaling_impl_type": "const",
        "weight_scaling_init": 0.1,
        "weight_threshold": 0.3,
    },
    "three_values": {"weight_quant": SignedTernaryWeightPerTensorConst},
    "floor": rounding("FLOOR"),
    "ceil": rounding("CEIL"),
    "to_zero": rounding("ROUND_TO_ZERO"),
    "dpu": rounding("DPU"),
    "zero_point": {"weight_quant": ShiftedUint8WeightPerTensorFloat},
    "zero_points": {"weight_quant": ShiftedUint8WeightPerChannelFloat},
    "stock_a2q": {"weight_quant": Int8AccumulatorAwareWeightQuant, "weight_accumulator_bit_width": 12},
    "stock_a2q_plus": {"weight_quant": Int8AccumulatorAwareZeroCenterWeightQuant, "weight_accumulator_bit_width": 12},
}


# One layer of a kind costs the dynamo exporter half a second.
TELLING = ("per_channel", "binary", "ternary", "floor", "zero_points", "stock_a2q")


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    return exported_weights("torchscript", WEIGHTS, tmp_path_factory.mktemp("weights"))


@pytest.fixture(scope="module")
def dynamo_weights(tmp_path_factory):
    return exported_weights("dynamo", TELLING, tmp_path_factory.mktemp("dynamo_weights"))


def exported_weights(exporter, names, folder):
    torch.manual_seed(2)
    layers = {name: qnn.QuantLinear(16, 8, bias=False, **WEIGHTS[name]) for name in names}
    with torch.no_grad():
        for name, layer in layers.items():
            # Brevitas's own A2Q makes NaN of a channel of zeros.
            layer.weight[0] *= name.startswith("stock")
    model = Side(quantized_input(), layers)
    example = torch.randn(3, 16)
    model(example)
    return export(model.eval(), example, folder, exporter)


def assert_trained(weights, name):
    layer = weights.model.layers[name]
    expected = brevitas_integers(layer, weights.model.source(weights.example))
    found = quantized_constants(weights.file)[f"layers.{name}.weight_quant"]
    np.testing.assert_array_equal(found.integers, expected)
    assert len(np.unique(expected)) > 1


class TestWeightQuantizers:
    def test_the_integers_agree_everywhere(self, weights):
        verification = verify_export(weights.model, weights.path, weights.example)
        assert verification.ok, str(verification)

    @pytest.mark.parametrize("name", WEIGHTS)
    def test_integers_are_the_trained_ones(self, weights, name):
        assert_trained(weights, name)

    @pytest.mark.parametrize("name", TELLING)
    def test_dynamo_too(self, dynamo_weights, name):
        assert_trained(dynamo_weights, name)

    @pytest.mark.parametrize("name", ["floor", "ceil", "to_zero", "ternary", "stock_a2q"])
    def test_the_raw_weights_would_have_given_others(self, weights, name):
        """That these cases can fail: Brevitas's own export writes the raw weights and rounds them to the nearest."""
        layer = weights.model.layers[name]
        quantized = layer.quant_weight(weights.model.source(weights.example))
        nearest = torch.round(layer.weight / quantized.scale)
        assert not torch.equal(nearest.clamp(-8, 7), torch.round(quantized.value / quantized.scale))

    def test_only_accumulator_aware_layers_promise_something(self, weights):
        contract = contract_of(weights.file)
        bounds = [(layer.layer, layer.accumulator_bits, layer.bound) for layer in contract.layers]
        assert bounds == [("layers.stock_a2q", 12, "a2q"), ("layers.stock_a2q_plus", 12, "a2q+")]
