import json
from itertools import permutations, product
from typing import Any

import numpy as np
import pytest
import torch
from brevitas.nn import QuantConv2d, QuantLinear
from brevitas.quant import (
    Int8AccumulatorAwareZeroCenterWeightQuant,
    Int8ActPerTensorFloatMinMaxInit,
    SignedBinaryActPerTensorConst,
    Uint8ActPerTensorFloatMaxInit,
)
from torch import nn

from brevitas_ext.accumulators import AccumulatorReport, TracedLayer
from brevitas_ext.qonnx_ops import ContractViolationError
from brevitas_ext.quantizers import A2QWeightQuant

UNSIGNED: dict[str, Any] = {"input_quant": Uint8ActPerTensorFloatMaxInit, "input_max_val": 1.0}
SIGNED: dict[str, Any] = {
    "input_quant": Int8ActPerTensorFloatMinMaxInit, "input_min_val": -1.0, "input_max_val": 1.0
}  # fmt: skip


def traced(weights: list[list[int]], **changes: Any) -> TracedLayer:
    facts: dict[str, Any] = {
        "name": "layer", "kind": "linear", "weight_integers": np.array(weights), "weight_bits": 4,
        "weight_scale": np.full(len(weights), 0.5), "accumulator_bits": 6, "bound": "a2q", "bias": None,
        "input_bits": 2, "input_signed": False, "input_low": 0, "input_high": 3, "input_scale": 0.25,
    }  # fmt: skip
    return TracedLayer(**facts | changes)


@pytest.mark.parametrize(("low", "high"), [(0, 3), (-2, 1), (-1, 1), (0, 2)])
def test_extremes_and_widths_against_every_input_and_every_order(low: int, high: int) -> None:
    weights = np.random.default_rng(0).integers(-7, 8, size=(6, 4)).tolist()
    layer = traced(weights, input_low=low, input_high=high, input_signed=low < 0)
    (report,) = AccumulatorReport.from_layers([layer]).layers
    for row, channel in zip(weights, report.channels, strict=True):
        sums = {0}
        for x in product(range(low, high + 1), repeat=4):
            terms = [w * v for w, v in zip(row, x, strict=True)]
            for order in permutations(range(4)):
                sums.update(np.cumsum([terms[index] for index in order]).tolist())
        assert (channel.lowest, channel.highest) == (min(sums), max(sums))
        fits = [bits for bits in range(1, 20) if -(2 ** (bits - 1)) <= min(sums) and max(sums) <= 2 ** (bits - 1) - 1]
        assert channel.needed_bits == fits[0]
        assert channel.slack == 6 - fits[0]
        assert channel.l1_norm == sum(abs(weight) for weight in row)
        assert channel.sparsity == row.count(0) / 4


def test_a_layer_summarises_its_channels() -> None:
    (report,) = AccumulatorReport.from_layers([traced([[1, 0, 0], [-7, 2, 0]])]).layers
    # 9 * 2**2 = 36 <= 2**6 - 1 (Eq. 12); 3 * 2**(2 + 4 - 1) = 96 <= 2**7 - 1 (Eq. 8); the sums lie in -21..6.
    assert (report.l1_norm, report.needed_bits, report.weight_bound, report.datatype_bound) == (9, 6, 7, 8)
    assert report.slack == 0
    assert report.sparsity == pytest.approx(0.5)
    assert (report.channels[0].needed_bits, report.channels[0].slack) == (3, 3)


def test_the_bias_is_stated_in_accumulator_units_and_does_not_widen() -> None:
    layer = traced([[1, 0], [1, 0]], bias=np.array([10.0, -0.125]))
    (report,) = AccumulatorReport.from_layers([layer]).layers
    assert [channel.bias for channel in report.channels] == [80.0, -1.0]  # over the scales 0.25 * 0.5
    assert report.needed_bits == 3
    (open_scale,) = AccumulatorReport.from_layers([traced([[1]], bias=np.array([1.0]), input_scale=None)]).layers
    assert open_scale.channels[0].bias is None


def test_violations_name_layer_channel_and_witness() -> None:
    report = AccumulatorReport.from_layers([traced([[1, 0, 0], [7, 3, 1], [-7, -4, 1]])])
    assert report.violations == (("layer", 1), ("layer", 2))
    with pytest.raises(ContractViolationError) as caught:
        report.check()
    error = caught.value
    assert (error.layer, error.channel, error.accumulator_bits, error.extreme) == ("layer", 1, 6, 33)
    assert sum(w * x for w, x in zip([7, 3, 1], error.witness, strict=True) if x is not None) == 33
    assert "OVERFLOW: layer layer, channel 1" in str(report)


def test_a_target_without_a_quantized_input_cannot_be_checked() -> None:
    open_input = dict.fromkeys(("input_bits", "input_signed", "input_low", "input_high", "input_scale"))
    report = AccumulatorReport.from_layers([traced([[1]], **open_input)])
    assert report.violations == ()
    with pytest.raises(ValueError, match="layer layer: expected a quantized input for its 6-bit accumulator"):
        report.check()


@pytest.mark.parametrize("options", [UNSIGNED, SIGNED], ids=["unsigned", "signed"])
@pytest.mark.parametrize("accumulator_bits", [8, 12, 16])
def test_trained_targets_hold(options: dict[str, Any], accumulator_bits: int) -> None:
    torch.manual_seed(0)
    weight = {"weight_quant": A2QWeightQuant, "weight_accumulator_bit_width": accumulator_bits, "weight_bit_width": 4}
    model = nn.Sequential(
        QuantConv2d(2, 6, 3, padding=1, input_bit_width=4, **options, **weight),
        nn.Flatten(),
        QuantLinear(6 * 25, 4, input_bit_width=3, **options, **weight),
    )
    report = AccumulatorReport.from_model(model, torch.randn(2, 2, 5, 5))
    report.check()
    assert report.violations == ()
    assert [(layer.k, layer.weight_bits, layer.input_bits) for layer in report.layers] == [(18, 4, 4), (150, 4, 3)]
    assert all(layer.slack is not None and layer.slack >= 0 for layer in report.layers)


def test_an_overflow_of_brevitas_quantizer_is_found_and_the_witness_reaches_it() -> None:
    torch.manual_seed(0)
    layer = QuantLinear(
        63, 2, bias=False, weight_quant=Int8AccumulatorAwareZeroCenterWeightQuant, weight_accumulator_bit_width=10,
        input_quant=SignedBinaryActPerTensorConst, input_min_val=-1.0, input_max_val=1.0,
    )  # fmt: skip
    with torch.no_grad():
        layer.weight_quant.tensor_quant.pre_scaling_impl.value.fill_(8.0)
    report = AccumulatorReport.from_model(layer, torch.ones(1, 63))
    assert report.violations == (("QuantLinear", 0), ("QuantLinear", 1))
    with pytest.raises(ContractViolationError) as caught:
        report.check()
    weight = layer.eval().quant_weight(layer.input_quant(torch.ones(1, 63)))
    row = (weight.value[0] / weight.scale[0]).detach().round().long().tolist()
    total = sum(w * (0 if x is None else x) for w, x in zip(row, caught.value.witness, strict=True))
    assert total == caught.value.extreme
    assert total > 2**9 - 1


def test_json_holds_every_figure() -> None:
    report = AccumulatorReport.from_layers([traced([[7, 7, 7]], bias=np.array([1.0])), traced([[0]], name="zero")])
    data = json.loads(report.to_json())
    assert data["violations"] == [{"layer": "layer", "channel": 0}]
    first, second = data["layers"]
    assert first["channels"] == [
        {
            "l1_norm": 21, "sparsity": 0.0, "bias": 8.0, "lowest": 0, "highest": 63, "needed_bits": 7,
            "weight_bound": 8, "slack": -1,
        }
    ]  # fmt: skip
    assert (first["needed_bits"], first["slack"], first["k"], first["input_high"]) == (7, -1, 3, 3)
    assert (second["name"], second["needed_bits"], second["weight_bound"], second["sparsity"]) == ("zero", 1, 1, 1.0)


def test_the_table_has_a_row_per_layer() -> None:
    open_input = dict.fromkeys(("input_bits", "input_signed", "input_low", "input_high", "input_scale"))
    layers = [traced([[7, 7, 0]], name="features.0"), traced([[1]], name="head", accumulator_bits=None, **open_input)]
    lines = str(AccumulatorReport.from_layers(layers)).splitlines()
    cells = [[cell.strip() for cell in line.strip("│").split("│")] for line in lines if line.startswith("│")]
    assert cells == [
        ["features.0", "linear", "1", "3", "4", "2", "0..3", "14", "33%", "8", "7", "7", "6", "-1"],
        ["head", "linear", "1", "1", "4", "-", "float", "1", "0%", "-", "-", "-", "-", "-"],
    ]
