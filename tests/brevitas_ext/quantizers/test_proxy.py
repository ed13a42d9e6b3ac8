"""What a layer remembers of its input, and that its state survives copies and checkpoints."""

import copy
from typing import Any

import pytest
import torch
from brevitas import config as brevitas_config
from brevitas.nn import QuantLinear
from brevitas.quant_tensor import FloatQuantTensor, IntQuantTensor
from torch import nn

from brevitas_ext.quantizers import A2QPlusWeightQuant, A2QWeightQuant, UnknownInputFormatError

OPTIONS = {"weight_quant": A2QWeightQuant, "weight_bit_width": 6, "weight_accumulator_bit_width": 13}


def integers(layer: Any) -> torch.Tensor:
    return layer.quant_weight().int()


def make_layer(**options: Any) -> QuantLinear:
    torch.manual_seed(0)
    layer = QuantLinear(24, 5, **OPTIONS | options)
    with torch.no_grad():
        layer.weight_quant.tensor_quant.log_norm.fill_(8)
    return layer


@pytest.mark.parametrize("training", [True, False])
def test_the_weight_is_available_after_any_forward_pass(training: bool, quantized: Any) -> None:
    layer = make_layer().train(training)
    for bits in (4, 7):
        inputs = quantized((2, 24), bits, signed=False)
        layer(inputs)
        assert torch.equal(integers(layer), layer.quant_weight(inputs).int())
        assert int(layer.weight_quant.input_bit_width) == bits
    assert layer.weight_quant.config.l1_budget == (2**12 - 1) / 2**7


def test_declared_formats_need_no_forward_pass(quantized: Any) -> None:
    declared = make_layer(weight_input_bit_width=4, weight_input_signed=True)
    observed = make_layer()
    observed(quantized((2, 24), 4, signed=True))
    assert torch.equal(integers(declared), integers(observed))


def test_a_weight_that_saw_no_input_is_refused_with_the_way_out() -> None:
    with pytest.raises(UnknownInputFormatError, match=r"QuantLinear with a weight of shape \(5, 24\).*run the model"):
        make_layer().quant_weight()
    with pytest.raises(UnknownInputFormatError, match="return_quant_tensor=True"):
        make_layer()(torch.zeros(2, 24))


def test_inputs_quantized_to_floats_are_refused() -> None:
    one = torch.tensor(1.0)
    flags = {"signed_t": torch.tensor(True), "training_t": torch.tensor(False), "saturating_t": torch.tensor(True)}
    inputs = FloatQuantTensor(
        torch.zeros(2, 24), one, one * 0, one * 4, one * 3, one * 7, flags["saturating_t"], [], [], True, False
    )
    with pytest.raises(TypeError, match="quantized to integers, found FloatQuantTensor"):
        make_layer()(inputs)


def test_signed_inputs_with_a_zero_point_are_refused_by_plain_a2q() -> None:
    inputs = IntQuantTensor(torch.zeros(2, 24), 1.0, 3.0, 4.0, True, False)
    with pytest.raises(ValueError, match=r"signed input without zero point, found \[3.0\]"):
        make_layer()(inputs)
    make_layer(weight_quant=A2QPlusWeightQuant).quant_weight(inputs)  # its proof needs the width of the range only


def test_a_fractional_input_width_is_rounded_up() -> None:
    layer = make_layer()
    layer(IntQuantTensor(torch.zeros(2, 24), 1.0, 0.0, 4.5, False, False))
    assert layer.weight_quant.config.input_bits == 5
    layer(IntQuantTensor(torch.zeros(2, 24), 1.0, 0.0, 4.0000005, False, False))
    assert layer.weight_quant.config.input_bits == 4


def test_a_reloaded_layer_has_its_integers_at_once(quantized: Any) -> None:
    layer = make_layer()
    layer(quantized((2, 24), 4, signed=False))
    reloaded = QuantLinear(24, 5, **OPTIONS)
    reloaded.load_state_dict(layer.state_dict())
    assert torch.equal(integers(reloaded), integers(layer))
    assert torch.equal(reloaded.quant_weight().value, layer.quant_weight().value)


def test_a_copy_has_the_same_integers_and_its_own_parameters(quantized: Any) -> None:
    layer = make_layer()
    layer(quantized((2, 24), 4, signed=False))
    before = integers(layer)
    twin = copy.deepcopy(layer)
    assert torch.equal(integers(twin), before)
    with torch.no_grad():
        twin.weight_quant.tensor_quant.log_norm.fill_(-3)
    assert torch.equal(integers(layer), before)
    assert not torch.equal(integers(twin), before)


def test_loading_keeps_the_parameters_an_optimizer_knows(quantized: Any) -> None:
    layer = make_layer()
    layer(quantized((2, 24), 4, signed=False))
    parameters = dict(layer.named_parameters())
    layer.load_state_dict(copy.deepcopy(layer.state_dict()))
    assert all(parameters[name] is parameter for name, parameter in layer.named_parameters())


def test_the_parameters_are_the_weight_one_scale_and_one_norm() -> None:
    """Brevitas has a second scale that drifts away from the first."""
    names = {name for name, _ in make_layer().named_parameters()}
    prefix = "weight_quant.tensor_quant."
    assert names == {"weight", "bias", prefix + "log_scale", prefix + "log_norm"}


def test_a_float_checkpoint_starts_scale_and_norm_from_its_weights() -> None:
    torch.manual_seed(1)
    plain = nn.Linear(24, 5)
    layer = make_layer(weight_input_bit_width=4, weight_input_signed=False, weight_accumulator_bit_width=20)
    layer.load_state_dict(plain.state_dict(), strict=False)
    weight = layer.quant_weight()
    assert bool(((weight.value - plain.weight).abs() < weight.scale * 1.001).all())  # rounded toward zero


def test_a_learned_input_width_warns_nobody() -> None:
    width = torch.tensor(4.0, requires_grad=True)
    layer = make_layer()
    layer.quant_weight(IntQuantTensor(torch.zeros(2, 24), 1.0, 0.0, width, False, True))
    assert layer.weight_quant.config.input_bits == 4


def test_a_float_checkpoint_is_complete_where_brevitas_is_told_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(brevitas_config, "IGNORE_MISSING_KEYS", True)
    plain = nn.Linear(24, 5)
    layer = make_layer()
    layer.load_state_dict(plain.state_dict())
    assert torch.equal(layer.weight, plain.weight)


def test_a_checkpoint_for_another_accumulator_warns_and_the_layers_own_bound_holds(quantized: Any) -> None:
    wide = make_layer(weight_accumulator_bit_width=16)
    wide(quantized((2, 24), 4, signed=False))
    narrow = make_layer()
    with pytest.warns(UserWarning, match="trained for a 16-bit accumulator .* 13 bits"):
        narrow.load_state_dict(wide.state_dict())
    assert int(integers(wide).long().abs().sum(dim=1).max()) > (2**12 - 1) // 2**4
    assert int(integers(narrow).long().abs().sum(dim=1).max()) <= (2**12 - 1) // 2**4
    assert int(narrow.state_dict()["weight_quant.tensor_quant.accumulator_bit_width"]) == 13


def test_disabled_quantization_returns_the_weight() -> None:
    layer = make_layer()
    layer.weight_quant.disable_quant = True
    assert torch.equal(layer.quant_weight(), layer.weight)


def test_activations_may_be_calibrated_without_quantization(quantized: Any) -> None:
    layer = make_layer()
    layer(quantized((2, 24), 4, signed=False))
    bare = torch.ones(2, 24)
    expected = nn.functional.linear(bare, layer.quant_weight().value, layer.bias)
    assert torch.allclose(layer(bare), expected)
